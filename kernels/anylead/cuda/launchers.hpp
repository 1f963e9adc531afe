// What the kernel files offer to g++: functions that enter their ops into the table, and ops that other files build on.
// Contracts: core/op_table.hpp. Each is defined in the .cuh of its name and instantiated for float and double in the .cu.
#pragma once

#include <anylead/core/bfloat16.hpp>
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

/// Entries of float ops that heed the precision of their sizes; the others round linear maps only. After those above.
void provide_rounded_products(OpTable<float>&);

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

// masking.cuh
template <Real T>
void lead_mask_forward(const Exec&, LeadMaskDims, T* y, const T* x, const Flag* keep);

// conv1d.cuh
/// z = conv1d_forward(x). With activated [B, T', K]: also gelu(z). With mean, squares [B tiles, K]: also the mean of each
/// column of each tile and the sum of squared deviations from it. A segment has tiles of as many rows as are returned, 32 at
/// least; its last may have fewer.
template <Real T>
Index conv1d_product(const Exec&, Conv1dDims, T* z, T* activated, T* mean, T* squares, const T* x, const T* weight,
                     const T* bias);
template <Real T>
void conv1d_backward(const Exec&, Conv1dDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight);

// lead_conv1d.cuh
/// conv1d_product of lead_mask_forward(x [B, C, T], keep [B, C] or null), without padding and groups. Masked leads are not
/// multiplied: what is not finite in them reaches nothing. z may be null where only activated is wanted.
template <Real T>
Index lead_conv1d_product(const Exec&, Conv1dDims, T* z, T* activated, T* mean, T* squares, const T* x, const Flag* keep,
                          const T* weight, const T* bias);

/// lead_conv1d_norm_gelu_forward with group norm. false: it has more terms than the kernel takes, nothing was done.
template <Real T>
bool lead_conv1d_group_norm_gelu_forward(const Exec&, Conv1dDims, T* y, T* mean, T* rstd, const T* x, const Flag* keep,
                                         const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps);
/// lead_conv1d_norm_gelu_backward with group norm. false: it has more terms than the kernels take, nothing was done.
bool lead_conv1d_group_norm_gelu_backward(const Exec&, Conv1dDims, Grad<float> dweight, Grad<float> dbias,
                                          Grad<float> dnorm_weight, Grad<float> dnorm_bias, const float* dy, const float* x,
                                          const Flag* keep, const float* weight, const float* bias, const float* norm_weight,
                                          const float* norm_bias, const float* mean, const float* rstd);

// --- activations in bf16 --------------------------------------------------------------------------------------------------
// The ops of the same name with activations and their gradients in bf16; weights, statistics and gradients of weights are
// float. Products take weights rounded to bf16 and add in float. Ops on float use them where products are asked for in bf16.

// attention_bf16.cuh
void attention_forward(const Exec&, AttentionDims, bf16* y, float* logsum, const bf16* q, const bf16* k, const bf16* v,
                       const Flag* padding, Dropout);
void attention_backward(const Exec&, AttentionDims, Grad<bf16> dq, Grad<bf16> dk, Grad<bf16> dv, const bf16* dy, const bf16* y,
                        const float* logsum, const bf16* q, const bf16* k, const bf16* v, const Flag* padding, Dropout);

// conv1d_bf16.cuh
void gelu_backward(const Exec&, Index n, Grad<bf16> dx, const bf16* dy, const bf16* x);
Index conv1d_product(const Exec&, Conv1dDims, bf16* z, bf16* activated, float* mean, float* squares, const bf16* x,
                     const float* weight, const float* bias);
void conv1d_forward(const Exec&, Conv1dDims, bf16* y, const bf16* x, const float* weight, const float* bias);
void conv1d_backward(const Exec&, Conv1dDims, Grad<bf16> dx, Grad<float> dweight, Grad<float> dbias, const bf16* dy,
                     const bf16* x, const float* weight);
void conv1d_norm_gelu_forward(const Exec&, Conv1dDims, BlockNorm, bf16* y, bf16* z, float* mean, float* rstd, const bf16* x,
                              const float* weight, const float* bias, const float* norm_weight, const float* norm_bias,
                              float eps);
void conv1d_norm_gelu_backward(const Exec&, Conv1dDims, BlockNorm, Grad<bf16> dx, Grad<float> dweight, Grad<float> dbias,
                               Grad<float> dnorm_weight, Grad<float> dnorm_bias, bf16* dz, const bf16* dy, const bf16* x,
                               const bf16* z, const float* weight, const float* norm_weight, const float* norm_bias,
                               const float* mean, const float* rstd);

// conv_positional_bf16.cuh
void conv_positional_forward(const Exec&, Conv1dDims, bf16* y, bf16* z, const bf16* x, const float* weight, const float* bias);
void conv_positional_backward(const Exec&, Conv1dDims, Grad<bf16> dx, Grad<float> dweight, Grad<float> dbias, bf16* dz,
                              const bf16* dy, const bf16* x, const bf16* z, const float* weight);

// gumbel_quantize.cuh: codewords are weights, noise stays float
void gumbel_quantize_forward(const Exec&, QuantizeDims, bool shared, bf16* y, Index32* codes, float* usage, float* perplexity,
                             const bf16* logits, const float* noise, const float* vars);
void gumbel_quantize_backward(const Exec&, QuantizeDims, bool shared, Grad<bf16> dlogits, Grad<float> dvars, const bf16* dy,
                              const float* dperplexity, const bf16* logits, const float* noise, const float* vars,
                              const Index32* codes, const float* usage, float tau);

// sampled_contrastive.cuh
void sampled_contrastive_forward(const Exec&, ContrastDims, float* loss, float* logits, Flag* correct, const bf16* context,
                                 const bf16* target, const Index32* negatives, const Index32* codes, Index code_groups,
                                 float temperature, float eps);
void sampled_contrastive_backward(const Exec&, ContrastDims, Grad<bf16> dcontext, Grad<bf16> dtarget, const float* dloss,
                                  const float* logits, const bf16* context, const bf16* target, const Index32* negatives,
                                  float temperature, float eps);

// pair_contrastive.cuh
void pair_contrastive_forward(const Exec&, PairDims, float* loss, float* lines, const bf16* z, const Index32* first,
                              const Index32* second, const Index32* id, float temperature, float eps);
void pair_contrastive_backward(const Exec&, PairDims, bool detached, Grad<bf16> dz, const float* dloss, const float* lines,
                               const bf16* z, const Index32* first, const Index32* second, const Index32* id, float temperature,
                               float eps);

}  // namespace anylead::cuda_ops
