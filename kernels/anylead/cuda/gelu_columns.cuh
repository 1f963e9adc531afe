// The gradient of a GELU, and its sums over rows, in one pass.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/reduce.cuh>

namespace anylead::cuda_ops {
namespace {

/// What column sums read: dz [R, C] = dy gelu'(z), which is written on the way.
template <class T>
struct GeluGradient {
  T* dz;
  const T *dy, *z;
  Index stride;
  __device__ sum_t<T> operator()(Index r, Index c) const {
    const Index i = r * stride + c;
    const T v(sum_t<T>(dy[i]) * gelu_slope(sum_t<T>(z[i])));
    dz[i] = v;
    return sum_t<T>(v);
  }
};

/// dz = dy gelu'(z), sums its columns.
template <class T>
void gelu_backward_sums(const Exec& exec, RowDims d, T* dz, Grad<sum_t<T>> sums, const T* dy, const T* z) {
  if (sums)
    column_sums(exec, d, sums, GeluGradient<T>{dz, dy, z, d.cols});
  else
    gelu_backward(exec, d.rows * d.cols, Grad<T>{dz, GradMode::overwrite}, dy, z);
}

}  // namespace
}  // namespace anylead::cuda_ops
