// Weight normalisation, once for each number type.
#include <anylead/cuda/weight_norm.cuh>

namespace anylead::cuda_ops {

template void provide_weight_norm(OpTable<float>&);
template void provide_weight_norm(OpTable<double>&);

}  // namespace anylead::cuda_ops
