// Transposition of square blocks in registers.
#pragma once

#include <utility>

#include <anylead/core/isa.hpp>
#include <anylead/core/types.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// Exchanges the off-diagonal halves of blocks of two rows: lane l of the upper row is a's where l & kHalf is 0, else b's.
template <Index kHalf, class V, Index... lane>
ANYLEAD_SIMD void exchange(V& a, V& b, std::integer_sequence<Index, lane...>) {
  constexpr Index n = sizeof...(lane);
  const V upper = __builtin_shufflevector(a, b, (lane & kHalf ? n + lane - kHalf : lane)...);
  b = __builtin_shufflevector(a, b, (lane & kHalf ? n + lane : lane + kHalf)...);
  a = upper;
}

}  // namespace detail

/// row[i] lane j <-> row[j] lane i, for n rows of n lanes (a power of two): log2 n rounds of exchanges.
template <Index n, class V, Index kHalf = n / 2>
ANYLEAD_SIMD void transpose(V* row) {
  if constexpr (kHalf > 0) {
#pragma GCC unroll 16
    for (Index i = 0; i < n; ++i)
      if (!(i & kHalf)) detail::exchange<kHalf>(row[i], row[i + kHalf], std::make_integer_sequence<Index, n>{});
    transpose<n, V, kHalf / 2>(row);
  }
}

}  // namespace anylead::cpu_ops
