// Masks and row picks, once for each number type.
#include <anylead/cuda/masking.cuh>

namespace anylead::cuda_ops {

template void provide_masking(OpTable<float>&);
template void provide_masking(OpTable<double>&);

}  // namespace anylead::cuda_ops
