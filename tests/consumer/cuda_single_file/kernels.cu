// All kernels, and the host's part of the backend.
#include <anylead/cuda/kernels.cuh>
