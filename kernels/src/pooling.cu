// Mean over time, once for each number type.
#include <anylead/cuda/pooling.cuh>

namespace anylead::cuda_ops {

template void provide_pooling(OpTable<float>&);
template void provide_pooling(OpTable<double>&);

}  // namespace anylead::cuda_ops
