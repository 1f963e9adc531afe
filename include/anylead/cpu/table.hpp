// The table of CPU ops.
#pragma once

#include <anylead/core/op_table.hpp>
#include <anylead/cpu/attention.hpp>
#include <anylead/cpu/conv1d.hpp>
#include <anylead/cpu/gumbel_quantize.hpp>
#include <anylead/cpu/layer_norm.hpp>
#include <anylead/cpu/lead_conv1d.hpp>
#include <anylead/cpu/linear.hpp>
#include <anylead/cpu/masking.hpp>
#include <anylead/cpu/optimizer_step.hpp>
#include <anylead/cpu/pair_contrastive.hpp>
#include <anylead/cpu/pooling.hpp>
#include <anylead/cpu/sampled_contrastive.hpp>
#include <anylead/cpu/similarity.hpp>
#include <anylead/cpu/weight_norm.hpp>

namespace anylead::cpu_ops {

/// @see cpu/backend.hpp
template <Real T>
const OpTable<T>& op_table() {
  static constexpr OpTable<T> table = {
      .fill = fill<T>,
      .scale = scale<T>,
      .dropout_add_forward = dropout_add_forward<T>,
      .dropout_add_backward = dropout_add_backward<T>,
      .gelu_forward = gelu_forward<T>,
      .gelu_backward = gelu_backward<T>,
      .lead_mask_forward = lead_mask_forward<T>,
      .lead_mask_backward = lead_mask_backward<T>,
      .mask_rows_forward = mask_rows_forward<T>,
      .mask_rows_backward = mask_rows_backward<T>,
      .gather_rows_forward = gather_rows_forward<T>,
      .gather_rows_backward = gather_rows_backward<T>,
      .log_softmax_forward = log_softmax_forward<T>,
      .log_softmax_backward = log_softmax_backward<T>,
      .cosine_forward = cosine_forward<T>,
      .cosine_backward = cosine_backward<T>,
      .layer_norm_forward = layer_norm_forward<T>,
      .layer_norm_backward = layer_norm_backward<T>,
      .residual_norm_forward = residual_norm_forward<T>,
      .residual_norm_backward = residual_norm_backward<T>,
      .group_norm_forward = group_norm_forward<T>,
      .group_norm_backward = group_norm_backward<T>,
      .weight_norm_forward = weight_norm_forward<T>,
      .weight_norm_backward = weight_norm_backward<T>,
      .linear_forward = linear_forward<T>,
      .linear_backward = linear_backward<T>,
      .linear_prepared_size = linear_prepared_size<T>,
      .linear_prepare = linear_prepare<T>,
      .linear_prepared_forward = linear_prepared_forward<T>,
      .gelu_linear_forward = gelu_linear_forward<T>,
      .gelu_linear_backward = gelu_linear_backward<T>,
      .conv1d_forward = conv1d_forward<T>,
      .conv1d_backward = conv1d_backward<T>,
      .conv1d_norm_gelu_forward = conv1d_norm_gelu_forward<T>,
      .conv1d_norm_gelu_backward = conv1d_norm_gelu_backward<T>,
      .lead_conv1d_norm_gelu_forward = lead_conv1d_norm_gelu_forward<T>,
      .lead_conv1d_norm_gelu_backward = lead_conv1d_norm_gelu_backward<T>,
      .conv_positional_forward = conv_positional_forward<T>,
      .conv_positional_prepared_size = conv_positional_prepared_size<T>,
      .conv_positional_prepare = conv_positional_prepare<T>,
      .conv_positional_prepared_forward = conv_positional_prepared_forward<T>,
      .conv_positional_backward = conv_positional_backward<T>,
      .attention_forward = attention_forward<T>,
      .attention_backward = attention_backward<T>,
      .attention_weights = attention_weights<T>,
      .mean_square_forward = mean_square_forward<T>,
      .mean_square_backward = mean_square_backward<T>,
      .mean_pool_forward = mean_pool_forward<T>,
      .mean_pool_backward = mean_pool_backward<T>,
      .gumbel_quantize_forward = gumbel_quantize_forward<T>,
      .gumbel_quantize_backward = gumbel_quantize_backward<T>,
      .gumbel_noise = gumbel_noise<T>,
      .sampled_contrastive_forward = sampled_contrastive_forward<T>,
      .sampled_contrastive_backward = sampled_contrastive_backward<T>,
      .pair_contrastive_forward = pair_contrastive_forward<T>,
      .pair_contrastive_backward = pair_contrastive_backward<T>,
      .sum_squares = sum_squares<T>,
      .adam_step = adam_step<T>,
  };
  return table;
}

}  // namespace anylead::cpu_ops
