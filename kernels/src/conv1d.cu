// Convolutions, once for each number type.
#include <anylead/cuda/conv1d.cuh>

namespace anylead::cuda_ops {

template void provide_conv1d(OpTable<float>&);
template void provide_conv1d(OpTable<double>&);
template Index conv1d_product(const Exec&, Conv1dDims, float*, float*, float*, float*, const float*, const float*,
                              const float*);
template Index conv1d_product(const Exec&, Conv1dDims, double*, double*, double*, double*, const double*, const double*,
                              const double*);
template void conv1d_normed_product(const Exec&, Conv1dDims, float*, float*, ChannelNorm<float>, const float*, const float*,
                                    const float*);
template void conv1d_backward(const Exec&, Conv1dDims, Grad<float>, Grad<float>, Grad<float>, const float*, const float*,
                              const float*);
template void conv1d_backward(const Exec&, Conv1dDims, Grad<double>, Grad<double>, Grad<double>, const double*, const double*,
                              const double*);

}  // namespace anylead::cuda_ops
