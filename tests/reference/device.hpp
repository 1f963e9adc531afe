// The plain loops as a device: whole models run on it too.
#pragma once

#include <cstdlib>
#include <cstring>

#include <anylead/core/storage.hpp>

#include "reference/attention.hpp"
#include "reference/contrastive.hpp"
#include "reference/conv1d.hpp"
#include "reference/elementwise.hpp"
#include "reference/gumbel_quantize.hpp"
#include "reference/linear.hpp"
#include "reference/masking.hpp"
#include "reference/norms.hpp"
#include "reference/optimizer_step.hpp"
#include "reference/pooling.hpp"
#include "reference/similarity.hpp"

namespace anylead::reference {

constexpr OpTable<double> table() {
  return {
      .fill = fill,
      .scale = scale,
      .dropout_add_forward = dropout_add_forward,
      .dropout_add_backward = dropout_add_backward,
      .gelu_forward = gelu_forward,
      .gelu_backward = gelu_backward,
      .lead_mask_forward = lead_mask_forward,
      .lead_mask_backward = lead_mask_backward,
      .mask_rows_forward = mask_rows_forward,
      .mask_rows_backward = mask_rows_backward,
      .gather_rows_forward = gather_rows_forward,
      .gather_rows_backward = gather_rows_backward,
      .log_softmax_forward = log_softmax_forward,
      .log_softmax_backward = log_softmax_backward,
      .cosine_forward = cosine_forward,
      .cosine_backward = cosine_backward,
      .layer_norm_forward = layer_norm_forward,
      .layer_norm_backward = layer_norm_backward,
      .residual_norm_forward = residual_norm_forward,
      .residual_norm_backward = residual_norm_backward,
      .group_norm_forward = group_norm_forward,
      .group_norm_backward = group_norm_backward,
      .weight_norm_forward = weight_norm_forward,
      .weight_norm_backward = weight_norm_backward,
      .linear_forward = linear_forward,
      .linear_backward = linear_backward,
      .linear_prepared_size = linear_prepared_size,
      .linear_prepare = linear_prepare,
      .linear_prepared_forward = linear_forward,
      .gelu_linear_forward = gelu_linear_forward,
      .gelu_linear_backward = gelu_linear_backward,
      .conv1d_forward = conv1d_forward,
      .conv1d_backward = conv1d_backward,
      .conv1d_norm_gelu_forward = conv1d_norm_gelu_forward,
      .conv1d_norm_gelu_backward = conv1d_norm_gelu_backward,
      .lead_conv1d_norm_gelu_forward = lead_conv1d_norm_gelu_forward,
      .lead_conv1d_norm_gelu_backward = lead_conv1d_norm_gelu_backward,
      .conv_positional_forward = conv_positional_forward,
      .conv_positional_prepared_size = conv_positional_prepared_size,
      .conv_positional_prepare = conv_positional_prepare,
      .conv_positional_prepared_forward = conv_positional_forward,
      .conv_positional_backward = conv_positional_backward,
      .attention_forward = attention_forward,
      .attention_backward = attention_backward,
      .attention_weights = attention_weights,
      .mean_square_forward = mean_square_forward,
      .mean_square_backward = mean_square_backward,
      .mean_pool_forward = mean_pool_forward,
      .mean_pool_backward = mean_pool_backward,
      .gumbel_quantize_forward = gumbel_quantize_forward,
      .gumbel_quantize_backward = gumbel_quantize_backward,
      .gumbel_noise = gumbel_noise,
      .sampled_contrastive_forward = sampled_contrastive_forward,
      .sampled_contrastive_backward = sampled_contrastive_backward,
      .pair_contrastive_forward = pair_contrastive_forward,
      .pair_contrastive_backward = pair_contrastive_backward,
      .sum_squares = sum_squares,
      .adam_step = adam_step,
  };
}

namespace detail {

inline MemoryPool& pool(const Exec&) {
  static MemoryPool* const pool = new MemoryPool;
  return *pool;
}
inline void* allocate(const Exec&, std::size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }
inline void release(const Exec&, void* data, std::size_t) { std::free(data); }
inline void copy(const Exec&, void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

}  // namespace detail

inline constexpr Backend kBackend = {
    .name = "reference",
    .allocate = detail::allocate,
    .release = detail::release,
    .copy_from_host = detail::copy,
    .copy_to_host = detail::copy,
    .copy = detail::copy,
    .synchronize = [](const Exec&) {},
    .pool = detail::pool,
    .ops_float = {},
    .ops_double = table(),
};

/// Double only.
inline Device device() { return Device(&kBackend, 0, nullptr); }

}  // namespace anylead::reference
