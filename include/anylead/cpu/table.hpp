// The CPU backend: its memory and its table of ops.
#pragma once

#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <anylead/core/storage.hpp>
#include <anylead/cpu/attention.hpp>
#include <anylead/cpu/conv1d.hpp>
#include <anylead/cpu/gumbel_quantize.hpp>
#include <anylead/cpu/layer_norm.hpp>
#include <anylead/cpu/linear.hpp>
#include <anylead/cpu/masking.hpp>
#include <anylead/cpu/optimizer_step.hpp>
#include <anylead/cpu/pair_contrastive.hpp>
#include <anylead/cpu/pooling.hpp>
#include <anylead/cpu/sampled_contrastive.hpp>
#include <anylead/cpu/similarity.hpp>
#include <anylead/cpu/weight_norm.hpp>

namespace anylead::cpu_ops {

namespace detail {

inline MemoryPool& pool(const Exec&) {
  static MemoryPool* const pool = new MemoryPool;  // never destroyed: tensors with static storage may outlive it otherwise
  return *pool;
}

inline void* allocate(const Exec& exec, std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  ANYLEAD_CHECK(data, DeviceError, "cpu", "out of memory: asked for ", bytes, " bytes, holds ",
                pool(exec).statistics().reserved);
#if defined(__linux__)
  if (bytes >= kHugePage) madvise(data, bytes, MADV_HUGEPAGE);  // fewer page faults and TLB misses; a refusal costs nothing
#endif
  return data;
}

inline void release(const Exec&, void* data, std::size_t) { std::free(data); }
inline void copy(const Exec&, void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
inline void synchronize(const Exec&) {}

}  // namespace detail

template <Real T>
constexpr OpTable<T> table() {
  return {
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
      .gelu_linear_forward = gelu_linear_forward<T>,
      .gelu_linear_backward = gelu_linear_backward<T>,
      .conv1d_forward = conv1d_forward<T>,
      .conv1d_backward = conv1d_backward<T>,
      .conv1d_norm_gelu_forward = conv1d_norm_gelu_forward<T>,
      .conv1d_norm_gelu_backward = conv1d_norm_gelu_backward<T>,
      .conv_positional_forward = conv_positional_forward<T>,
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
}

inline constexpr Backend kBackend = {
    .name = "cpu",
    .allocate = detail::allocate,
    .release = detail::release,
    .copy_from_host = detail::copy,
    .copy_to_host = detail::copy,
    .copy = detail::copy,
    .synchronize = detail::synchronize,
    .pool = detail::pool,
    .ops_float = table<float>(),
    .ops_double = table<double>(),
};

}  // namespace anylead::cpu_ops
