// The gradients of a GELU and the convolution before it.
#include <anylead/cuda/conv1d_gelu_gradient.cuh>
