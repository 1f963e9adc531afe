// The positional convolution, once for each number type.
#include <anylead/cuda/conv_positional.cuh>

namespace anylead::cuda_ops {

template void provide_conv_positional(OpTable<float>&);
template void provide_conv_positional(OpTable<double>&);

}  // namespace anylead::cuda_ops
