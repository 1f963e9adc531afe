// The one way to start a kernel.
#pragma once

#include <cstddef>
#include <type_traits>

#include <anylead/cuda/launch.hpp>

namespace anylead::cuda_ops {

/// dims: structs of Index; a precision may follow.
template <class P>
constexpr ArgumentKind argument_kind() {
  constexpr bool dims = (std::is_same_v<P, RowDims> || std::is_same_v<P, LeadMaskDims> || std::is_same_v<P, Conv1dDims> ||
                         std::is_same_v<P, GroupNormDims> || std::is_same_v<P, AttentionDims> ||
                         std::is_same_v<P, WeightNormDims> || std::is_same_v<P, QuantizeDims> ||
                         std::is_same_v<P, ContrastDims> || std::is_same_v<P, PairDims> || std::is_same_v<P, PoolDims>);
  return dims ? ArgumentKind::dims : std::is_integral_v<P> ? ArgumentKind::integer : ArgumentKind::other;
}

/// Bytes of an argument that a message shows.
template <class P>
constexpr std::size_t shown_bytes() {
  if constexpr (requires(P p) { p.precision; })
    return offsetof(P, precision);
  else
    return sizeof(P);
}

/// Starts a kernel on the stream of exec; arguments are converted to the kernel's types. name: the kernel's, without "_kernel".
template <class... P>
void launch(const Exec& exec, const char* name, void (*kernel)(P...), Grid grid, std::type_identity_t<P>... arguments) {
  static constexpr ArgumentKind kinds[] = {argument_kind<P>()...};
  static constexpr std::size_t sizes[] = {shown_bytes<P>()...};
  void* pointers[] = {&arguments...};
  launch(exec, Launch{name, reinterpret_cast<const void*>(kernel), grid, pointers, kinds, sizes, sizeof...(P)});
}

/// ceil(n / size)
constexpr Index pieces(Index n, Index size) { return (n + size - 1) / size; }

}  // namespace anylead::cuda_ops
