// What the kernels are compiled for.
#include <anylead/cuda/architectures.cuh>
