// What the kernel files offer to g++: functions that enter their ops into the table, and ops that other files build on.
// Contracts: core/op_table.hpp. Each is defined in the .cuh of its name and instantiated for float and double in the .cu.
#pragma once

#include <anylead/core/op_table.hpp>
#include <anylead/cuda/gemm.hpp>

namespace anylead::cuda_ops {

template <Real T>
void provide_elementwise(OpTable<T>&);
template <Real T>
void provide_masking(OpTable<T>&);
template <Real T>
void provide_similarity(OpTable<T>&);
template <Real T>
void provide_layer_norm(OpTable<T>&);
template <Real T>
void provide_group_norm(OpTable<T>&);
template <Real T>
void provide_weight_norm(OpTable<T>&);
template <Real T>
void provide_linear(OpTable<T>&);
template <Real T>
void provide_pooling(OpTable<T>&);
template <Real T>
void provide_optimizer_step(OpTable<T>&);
template <Real T>
void provide_attention(OpTable<T>&);
template <Real T>
void provide_gumbel_quantize(OpTable<T>&);
template <Real T>
void provide_sampled_contrastive(OpTable<T>&);
template <Real T>
void provide_pair_contrastive(OpTable<T>&);

// elementwise.cuh
template <Real T>
void fill(const Exec&, Index n, T* y, T value);
template <Real T>
void gelu_forward(const Exec&, Index n, T* y, const T* x);
template <Real T>
void gelu_backward(const Exec&, Index n, Grad<T> dx, const T* dy, const T* x);

// linear.cuh
/// C = (accumulate ? C : 0) + bias: what a product adds to.
template <Real T>
void add_rows(const Exec&, const Gemm<T>&);

}  // namespace anylead::cuda_ops
