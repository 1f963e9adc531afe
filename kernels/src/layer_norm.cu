// Layer norms, once for each number type.
#include <anylead/cuda/layer_norm.cuh>

namespace anylead::cuda_ops {

template void provide_layer_norm(OpTable<float>&);
template void provide_layer_norm(OpTable<double>&);

}  // namespace anylead::cuda_ops
