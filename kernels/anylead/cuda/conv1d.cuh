// Convolutions in float and double: products in plain arithmetic. @see conv1d_kernels.cuh
#pragma once

#include <anylead/cuda/conv1d_kernels.cuh>
#include <anylead/cuda/launchers.hpp>

namespace anylead::cuda_ops {

template <Real T>
Index conv1d_product(const Exec& exec, Conv1dDims d, T* z, T* activated, T* mean, T* squares, const T* x, const T* weight,
                     const T* bias) {
  return run_conv1d_forward<T, T>(exec, d, {.z = z, .activated = activated, .mean = mean, .squares = squares}, x, weight, bias);
}

template <Real T>
void conv1d_normed_product(const Exec& exec, Conv1dDims d, T* z, T* activated, ChannelNorm<T> norm, const T* x, const T* weight,
                           const T* bias) {
  run_conv1d_forward<T, T, true>(exec, d, {.z = z, .activated = activated, .norm = norm}, x, weight, bias);
}

template <Real T>
void conv1d_forward(const Exec& exec, Conv1dDims d, T* y, const T* x, const T* weight, const T* bias) {
  run_conv1d_forward<T, T>(exec, d, {.z = y}, x, weight, bias);
}

template <Real T>
void conv1d_backward(const Exec& exec, Conv1dDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight) {
  run_conv1d_backward(exec, d, dx, dweight, dbias, dy, x, weight);
}

template <Real T>
void provide_conv1d(OpTable<T>& table) {
  table.conv1d_forward = conv1d_forward<T>;
  table.conv1d_backward = conv1d_backward<T>;
}

}  // namespace anylead::cuda_ops
