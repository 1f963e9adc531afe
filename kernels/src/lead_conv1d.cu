// The first convolution with the lead mask, once for each number type.
#include <anylead/cuda/lead_conv1d.cuh>

namespace anylead::cuda_ops {

template Index lead_conv1d_product(const Exec&, Conv1dDims, float*, float*, float*, float*, const float*, const Flag*,
                                   const float*, const float*);
template Index lead_conv1d_product(const Exec&, Conv1dDims, double*, double*, double*, double*, const double*, const Flag*,
                                   const double*, const double*);

template bool lead_conv1d_group_norm_gelu_forward(const Exec&, Conv1dDims, float*, float*, float*, const float*, const Flag*,
                                                  const float*, const float*, const float*, const float*, float);
template bool lead_conv1d_group_norm_gelu_forward(const Exec&, Conv1dDims, double*, double*, double*, const double*,
                                                  const Flag*, const double*, const double*, const double*, const double*,
                                                  double);

}  // namespace anylead::cuda_ops
