// Group norm, once for each number type.
#include <anylead/cuda/group_norm.cuh>

namespace anylead::cuda_ops {

template void provide_group_norm(OpTable<float>&);
template void provide_group_norm(OpTable<double>&);

}  // namespace anylead::cuda_ops
