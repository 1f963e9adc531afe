// A product of matrices as data, the same for every device, and the three products of an affine map.
#pragma once

#include <anylead/core/dims.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/types.hpp>

namespace anylead {

enum class MatrixOp { none, transpose };

/// C [m, n] = (accumulate ? C : 0) + op(A) (alpha op(B)) + bias, row-major, leading dimensions in elements, for each matrix of
/// a batch. op(A) is [m, k], op(B) [k, n]; bias [n] is added to every row unless null. m, n, k, batch may be 0. C overlaps
/// nothing.
template <class T>
struct Gemm {
  Index m, n, k;
  const T* a;
  Index lda;
  MatrixOp op_a;
  const T* b;
  Index ldb;
  MatrixOp op_b;
  T* c;
  Index ldc;
  T alpha = 1;
  bool accumulate = false;
  const T* bias = nullptr;
  Index batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;  ///< elements from one matrix to the next
  Precision precision = Precision::full;                      ///< of the factors; bf16 for float only
};

/// y = x weight^T + bias; weight may be null where it comes packed.
template <class T>
Gemm<T> linear_product(LinearDims d, T* y, const T* x, const T* weight, const T* bias) {
  return {.m = d.rows,
          .n = d.out,
          .k = d.in,
          .a = x,
          .lda = d.in,
          .op_a = MatrixOp::none,
          .b = weight,
          .ldb = d.in,
          .op_b = MatrixOp::transpose,
          .c = y,
          .ldc = d.out,
          .bias = bias,
          .precision = d.precision};
}

/// dx = dy weight
template <class T>
Gemm<T> linear_input_gradient(LinearDims d, Grad<T> dx, const T* dy, const T* weight) {
  return {.m = d.rows,
          .n = d.in,
          .k = d.out,
          .a = dy,
          .lda = d.out,
          .op_a = MatrixOp::none,
          .b = weight,
          .ldb = d.in,
          .op_b = MatrixOp::none,
          .c = dx.data,
          .ldc = d.in,
          .accumulate = dx.accumulates(),
          .precision = d.precision};
}

/// dweight = dy^T x
template <class T>
Gemm<T> linear_weight_gradient(LinearDims d, Grad<T> dweight, const T* dy, const T* x) {
  return {.m = d.out,
          .n = d.in,
          .k = d.rows,
          .a = dy,
          .lda = d.out,
          .op_a = MatrixOp::transpose,
          .b = x,
          .ldb = d.in,
          .op_b = MatrixOp::none,
          .c = dweight.data,
          .ldc = d.in,
          .accumulate = dweight.accumulates(),
          .precision = d.precision};
}

}  // namespace anylead
