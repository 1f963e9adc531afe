// Blocks of the feature extractor, once for each number type.
#include <anylead/cuda/conv1d_block.cuh>

namespace anylead::cuda_ops {

template void provide_conv1d_block(OpTable<float>&);
template void provide_conv1d_block(OpTable<double>&);

}  // namespace anylead::cuda_ops
