// The positional convolution on tensor cores.
#include <anylead/cuda/conv_positional_bf16.cuh>
