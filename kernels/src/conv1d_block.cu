// Blocks of the feature extractor, once for each number type.
#include <anylead/cuda/conv1d_block.cuh>

namespace anylead::cuda_ops {

template void provide_conv1d_block(OpTable<float>&);
template void provide_conv1d_block(OpTable<double>&);
template void lead_conv1d_norm_gelu_forward(const Exec&, Conv1dDims, BlockNorm, float*, float*, float*, float*, float*,
                                            const float*, const Flag*, const float*, const float*, const float*, const float*,
                                            float);
template void lead_conv1d_norm_gelu_forward(const Exec&, Conv1dDims, BlockNorm, double*, double*, double*, double*, double*,
                                            const double*, const Flag*, const double*, const double*, const double*,
                                            const double*, double);

}  // namespace anylead::cuda_ops
