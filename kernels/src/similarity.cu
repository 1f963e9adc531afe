// Log-softmax and cosines, once for each number type.
#include <anylead/cuda/similarity.cuh>

namespace anylead::cuda_ops {

template void provide_similarity(OpTable<float>&);
template void provide_similarity(OpTable<double>&);

}  // namespace anylead::cuda_ops
