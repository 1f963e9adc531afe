// Gradient norm and Adam, once for each number type.
#include <anylead/cuda/optimizer_step.cuh>

namespace anylead::cuda_ops {

template void provide_optimizer_step(OpTable<float>&);
template void provide_optimizer_step(OpTable<double>&);

}  // namespace anylead::cuda_ops
