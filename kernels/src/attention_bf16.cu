// Attention on tensor cores.
#include <anylead/cuda/attention_bf16.cuh>
