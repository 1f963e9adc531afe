// The table of CUDA ops, and cuda::device().
#include <anylead/cuda/backend.ipp>
