// Masks and row picks, once for each number type.
#include <anylead/cuda/masking.cuh>

namespace anylead::cuda_ops {

template void provide_masking(OpTable<float>&);
template void provide_masking(OpTable<double>&);
template void lead_mask_forward(const Exec&, LeadMaskDims, float*, const float*, const Flag*);
template void lead_mask_forward(const Exec&, LeadMaskDims, double*, const double*, const Flag*);

}  // namespace anylead::cuda_ops
