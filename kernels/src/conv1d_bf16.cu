// Convolutions and feature-extractor blocks on tensor cores.
#include <anylead/cuda/conv1d_bf16.cuh>
