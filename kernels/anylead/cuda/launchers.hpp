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
void provide_conv1d(OpTable<T>&);
template <Real T>
void provide_conv1d_block(OpTable<T>&);
template <Real T>
void provide_conv_positional(OpTable<T>&);
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

// conv1d.cuh
/// z = conv1d_forward(x). With activated [B, T', K]: also gelu(z). With mean, squares [B tiles, K]: also the mean of each
/// column of each tile and the sum of squared deviations from it; a segment has tiles of conv1d_statistics_rows rows, its last
/// fewer.
template <Real T>
void conv1d_product(const Exec&, Conv1dDims, T* z, T* activated, T* mean, T* squares, const T* x, const T* weight,
                    const T* bias);
template <Real T>
Index conv1d_statistics_rows(const Conv1dDims&);
template <Real T>
void conv1d_backward(const Exec&, Conv1dDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight);

}  // namespace anylead::cuda_ops
