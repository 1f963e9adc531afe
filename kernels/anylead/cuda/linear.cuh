// Affine maps: products by cuBLASLt (gemm.hpp), and what stands around them. Contracts: core/op_table.hpp.
//
//   y = x W^T + b;  dx = dy W;  dW = dy^T x;  db = column sums of dy.  With the GELU of the input: h = gelu(z) in place of x.
//
// The bias is added by the product's epilogue. Bound: the products, compute; the GELU and the column sums, bandwidth.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// Warp i: row i % m of matrix i / m. c [batch, m, n] = (accumulate ? c : 0) + bias [n], 0 if null.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void add_rows_kernel(Gemm<T> g) {
  const Index i = own_row();
  if (i >= g.batch * g.m) return;
  const Grad<T> row = {g.c + i / g.m * g.stride_c + i % g.m * g.ldc, g.accumulate ? GradMode::accumulate : GradMode::overwrite};
  for_row(g.n, [&](const Lanes& at) { at.deliver(row, g.bias ? at(g.bias) : Quad<T>{}); });
}

}  // namespace

template <Real T>
void add_rows(const Exec& exec, const Gemm<T>& g) {
  launch(exec, "add_rows", add_rows_kernel<T>, row_grid(g.batch * g.m), g);
}

template <Real T>
void linear_forward(const Exec& exec, LinearDims d, T* y, const T* x, const T* weight, const T* bias) {
  gemm(exec, linear_product(d, y, x, weight, bias));
}

template <Real T>
void linear_backward(const Exec& exec, LinearDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight) {
  if (dx) gemm(exec, linear_input_gradient(d, dx, dy, weight));
  if (dweight) gemm(exec, linear_weight_gradient(d, dweight, dy, x));
  column_sums(exec, {d.rows, d.out}, dbias, Plain<T>{dy, d.out});
}

template <Real T>
void gelu_linear_forward(const Exec& exec, LinearDims d, T* y, T* h, const T* z, const T* weight, const T* bias) {
  gelu_forward(exec, d.rows * d.in, h, z);
  linear_forward(exec, d, y, h, weight, bias);
}

template <Real T>
void gelu_linear_backward(const Exec& exec, LinearDims d, Grad<T> dz, Grad<T> dweight, Grad<T> dbias, T* h, const T* dy,
                          const T* z, const T* weight) {
  if (dweight) gelu_forward(exec, d.rows * d.in, h, z);
  linear_backward(exec, d, Grad<T>{}, dweight, dbias, dy, h, weight);
  if (!dz) return;
  linear_backward(exec, d, Grad<T>{h, GradMode::overwrite}, Grad<T>{}, Grad<T>{}, dy, h, weight);
  gelu_backward(exec, d.rows * d.in, dz, h, z);
}

template <Real T>
void provide_linear(OpTable<T>& table) {
  table.linear_forward = linear_forward<T>;
  table.linear_backward = linear_backward<T>;
  table.gelu_linear_forward = gelu_linear_forward<T>;
  table.gelu_linear_backward = gelu_linear_backward<T>;
}

}  // namespace anylead::cuda_ops
