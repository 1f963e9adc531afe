// Affine maps. @see ops/linear.hpp
#pragma once

#include <anylead/cpu/elementwise.hpp>
#include <anylead/cpu/gemm.hpp>

namespace anylead::cpu_ops {

/// sums [cols] of the rows of x, in chunks that are added up in order.
template <class T>
void column_sums(Index rows, Index cols, Grad<T> sums, const T* x) {
  if (!sums) return;
  parallel_for(cols, 64, [&](Index begin, Index end) {
    with_isa<ColumnSumsPass>(rows, cols, end - begin, advanced(sums, begin), x + begin);
  });
}

template <class T>
void linear_forward(const Exec&, LinearDims d, T* y, const T* x, const T* weight, const T* bias) {
  gemm(linear_product(d, y, x, weight, bias));
}

template <class T>
Index linear_prepared_size(const Exec&, LinearDims d) {
  return packed_size<T>(d.in, d.out, d.precision);
}

template <class T>
void linear_prepare(const Exec&, LinearDims d, T* prepared, const T* weight) {
  pack_b(prepared, d.in, d.out, weight, d.in, MatrixOp::transpose, d.precision);
}

template <class T>
void linear_prepared_forward(const Exec&, LinearDims d, T* y, const T* x, const T* prepared, const T* bias) {
  const T* const packed = nullptr;
  gemm(linear_product(d, y, x, packed, bias), PackedB<T>{d.in, d.out, prepared, d.precision});
}

template <class T>
void linear_backward(const Exec&, LinearDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight) {
  if (dx) gemm(linear_input_gradient(d, dx, dy, weight));
  if (dweight) gemm(linear_weight_gradient(d, dweight, dy, x));
  column_sums(d.rows, d.out, dbias, dy);
}

template <class T>
void gelu_linear_forward(const Exec& exec, LinearDims d, T* y, T* h, const T* z, const T* weight, const T* bias) {
  gelu_forward(exec, d.rows * d.in, h, z);
  linear_forward(exec, d, y, h, weight, bias);
}

template <class T>
void gelu_linear_backward(const Exec& exec, LinearDims d, Grad<T> dz, Grad<T> dweight, Grad<T> dbias, T* h, const T* dy,
                          const T* z, const T* weight) {
  const bool slope_waits = dweight && dz && !dz.accumulates();  // in the place of what it will be multiplied to
  if (slope_waits)
    gelu_and_slope(d.rows * d.in, h, dz.data, z);
  else if (dweight)
    gelu_forward(exec, d.rows * d.in, h, z);
  linear_backward(exec, d, Grad<T>{}, dweight, dbias, dy, h, weight);
  if (!dz) return;
  linear_backward(exec, d, Grad<T>{h, GradMode::overwrite}, Grad<T>{}, Grad<T>{}, dy, h, weight);
  if (slope_waits)
    multiply(d.rows * d.in, dz.data, h);
  else
    gelu_backward(exec, d.rows * d.in, dz, h, z);
}

}  // namespace anylead::cpu_ops
