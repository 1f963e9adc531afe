// What the kernels were compiled for, as the compiler tells it.
#pragma once

#include <anylead/cuda/launch.cuh>

#define ANYLEAD_TEXT(...) #__VA_ARGS__
#define ANYLEAD_TEXT_OF(...) ANYLEAD_TEXT(__VA_ARGS__)

namespace anylead::cuda_ops {
namespace {

__global__ void probe_kernel() {}

}  // namespace

// Not inline: including <anylead/cuda/kernels.cuh> twice in a program is an error of the linker that names this function.
const char* built_architectures() { return ANYLEAD_TEXT_OF(__CUDA_ARCH_LIST__); }

cudaError_t probe_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(&probe_kernel));
}

}  // namespace anylead::cuda_ops

#undef ANYLEAD_TEXT
#undef ANYLEAD_TEXT_OF
