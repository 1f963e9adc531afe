// Products of matrices: cuBLASLt, the only place where the library calls it.
#pragma once

#include <anylead/core/exec.hpp>
#include <anylead/core/gemm.hpp>

namespace anylead::cuda_ops {

/// Enqueues the product. float is added in float, and multiplied in float (no TF32) unless the precision says bf16: then
/// cuBLASLt may round factors to bfloat16 for the tensor cores. The same bits in every run on the same kind of device. Plans
/// are made once per shape and kept. @throws DeviceError
template <Real T>
void gemm(const Exec&, const Gemm<T>&);

}  // namespace anylead::cuda_ops
