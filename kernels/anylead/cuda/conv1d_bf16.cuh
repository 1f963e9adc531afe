// Convolutions and feature-extractor blocks with activations in bf16: products on tensor cores, sums, statistics, weights and
// their gradients in float (launchers.hpp). @see conv1d_kernels.cuh, conv1d_block.cuh
#pragma once

#include <anylead/cuda/conv1d_block.cuh>
#include <anylead/cuda/conv1d_first_bf16.cuh>
#include <anylead/cuda/conv1d_gradients_bf16.cuh>
#include <anylead/cuda/conv1d_kernels.cuh>
#include <anylead/cuda/launchers.hpp>

namespace anylead::cuda_ops {
namespace {

/// dx [n] = dy (Phi(x) + x phi(x)); a thread has the elements 32 apart of a stretch of 128 of its warp.
__global__ __launch_bounds__(kElementThreads) void gelu_backward_bf16_kernel(Index n, Grad<bf16> dx, const bf16* dy,
                                                                             const bf16* x) {
  const Index first = (Index{blockIdx.x} * kElementThreads + threadIdx.x) / 32 * 128 + threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const Index i = first + 32 * k;
    if (i < n) deliver(dx, i, float(dy[i]) * gelu_slope(float(x[i])));
  }
}

}  // namespace

void gelu_backward(const Exec& exec, Index n, Grad<bf16> dx, const bf16* dy, const bf16* x) {
  if (dx) launch(exec, "gelu_backward_bf16", gelu_backward_bf16_kernel, element_grid(n), n, dx, dy, x);
}

Index conv1d_product(const Exec& exec, Conv1dDims d, bf16* z, bf16* activated, float* mean, float* squares, const bf16* x,
                     const float* weight, const float* bias) {
  return run_conv1d_forward<bf16, float>(exec, d, {.z = z, .activated = activated, .mean = mean, .squares = squares}, x, weight,
                                         bias);
}

void conv1d_normed_product(const Exec& exec, Conv1dDims d, bf16* z, bf16* activated, ChannelNorm<float> norm, const bf16* x,
                           const float* weight, const float* bias) {
  run_conv1d_forward<bf16, float, true>(exec, d, {.z = z, .activated = activated, .norm = norm}, x, weight, bias);
}

void conv1d_forward(const Exec& exec, Conv1dDims d, bf16* y, const bf16* x, const float* weight, const float* bias) {
  run_conv1d_forward<bf16, float>(exec, d, {.z = y}, x, weight, bias);
}

void conv1d_backward(const Exec& exec, Conv1dDims d, Grad<bf16> dx, Grad<float> dweight, Grad<float> dbias, const bf16* dy,
                     const bf16* x, const float* weight) {
  if (dx && dweight && fits_both_gradients(exec, d, dx.data, dy, x)) {
    column_sums<float>(exec, {d.batch * d.out_time(), d.out}, dbias, Widened<bf16>{dy, d.out});
    run_both_gradients(exec, d, dx, dweight, dy, x, weight);
  } else {
    run_conv1d_backward(exec, d, dx, dweight, dbias, dy, x, weight);
  }
}

void conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, bf16* y, bf16* z, float* mean, float* rstd,
                              const bf16* x, const float* weight, const float* bias, const float* norm_weight,
                              const float* norm_bias, float eps) {
  if (norm == BlockNorm::group && fits_first_block(d))
    return first_block_forward(exec, d, y, z, mean, rstd, x, weight, bias, norm_weight, norm_bias, eps);
  run_block_forward(exec, d, norm, y, z, mean, rstd, norm_weight, norm_bias, eps,
                    [&](auto... to) { return conv1d_product(exec, d, to..., x, weight, bias); });
}

void conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<bf16> dx, Grad<float> dweight,
                               Grad<float> dbias, Grad<float> dnorm_weight, Grad<float> dnorm_bias, bf16* dz, const bf16* dy,
                               const bf16* x, const bf16* z, const float* weight, const float* norm_weight,
                               const float* norm_bias, const float* mean, const float* rstd) {
  run_block_backward(exec, d, norm, dx, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy, x, z, weight, norm_weight, norm_bias,
                     mean, rstd);
}

}  // namespace anylead::cuda_ops
