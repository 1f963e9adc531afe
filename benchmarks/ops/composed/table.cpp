#include "ops/composed/table.hpp"

#include "ops/composed/attention.hpp"
#include "ops/composed/objectives.hpp"
#include "ops/composed/products.hpp"

namespace anylead::composed {

const OpTable<float>& table() {
  static constexpr OpTable<float> table = {
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
      .linear_prepared_size = nullptr,
      .linear_prepare = nullptr,
      .linear_prepared_forward = nullptr,
      .gelu_linear_forward = gelu_linear_forward,
      .gelu_linear_backward = gelu_linear_backward,
      .conv1d_forward = conv1d_forward,
      .conv1d_backward = conv1d_backward,
      .conv1d_norm_gelu_forward = conv1d_norm_gelu_forward,
      .conv1d_norm_gelu_backward = conv1d_norm_gelu_backward,
      .lead_conv1d_norm_gelu_forward = lead_conv1d_norm_gelu_forward,
      .lead_conv1d_norm_gelu_backward = lead_conv1d_norm_gelu_backward,
      .conv_positional_forward = conv_positional_forward,
      .conv_positional_prepared_size = nullptr,
      .conv_positional_prepare = nullptr,
      .conv_positional_prepared_forward = nullptr,
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
  return table;
}

}  // namespace anylead::composed
