// Products of matrices: cuBLASLt, the only place where the library calls it.
#pragma once

#include <anylead/core/exec.hpp>
#include <anylead/core/types.hpp>

namespace anylead::cuda_ops {

enum class Op { none, transpose };

/// C [m, n] = (accumulate ? C : 0) + op(A) op(B) + bias, row-major, leading dimensions in elements, for each matrix of a batch.
/// op(A) is [m, k], op(B) [k, n]; bias [n] is added to every row unless null. m, n, k, batch may be 0. C overlaps nothing.
/// float is added in float, and multiplied in float (no TF32) unless the precision says bf16: then cuBLASLt may round factors
/// to bfloat16 for the tensor cores. The same bits in every run on the same kind of device.
template <class T>
struct Gemm {
  Index m, n, k;
  const T* a;
  Index lda;
  Op op_a;
  const T* b;
  Index ldb;
  Op op_b;
  T* c;
  Index ldc;
  bool accumulate = false;
  const T* bias = nullptr;
  Index batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;  ///< elements from one matrix to the next
  Precision precision = Precision::full;                      ///< bf16 for float only
};

/// Plans are made once per shape and kept. @throws DeviceError
template <Real T>
void gemm(const Exec&, const Gemm<T>&);

}  // namespace anylead::cuda_ops
