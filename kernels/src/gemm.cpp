// Every call of cuBLASLt, once.
#include <anylead/cuda/gemm.ipp>
