// Mean over time. @see ops/pooling.hpp
#pragma once

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

struct MeanPoolPass {
  /// y and count of some channels of a segment, whose frames lie `stride` apart; they hold the sums in the meantime.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, bool non_zero, T* y, T* count, const T* x,
                               const Flag* padding) {
    using V = Vec<T, register_bytes(isa)>;
    const V one = broadcast<V>(T(1));
    std::fill(y, y + width, T(0));
    std::fill(count, count + width, T(0));
    for (Index t = 0; t < time; ++t) {
      if (padding && padding[t]) continue;
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const V v = at(x + t * stride);
        at.store(y, at(y) + v);
        at.store(count, at(count) + (non_zero ? select(v != V{}, one, V{}) : one));
      });
    }
    for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const V n = at(count);
      at.store(y, select(n > T(0), at(y) / n, V{}));
    });
  }
};

template <class T>
void mean_pool_forward(const Exec&, PoolDims d, bool non_zero, T* y, T* count, const T* x, const Flag* padding) {
  constexpr Index kWidth = 128;
  const Index stripes = (d.channels + kWidth - 1) / kWidth;
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index b = i / stripes, first = i % stripes * kWidth, o = b * d.channels + first;
      with_isa<MeanPoolPass>(d.time, d.channels, std::min(kWidth, d.channels - first), non_zero, y + o, count + o,
                             x + b * d.time * d.channels + first, padding ? padding + b * d.time : padding);
    }
  });
}

template <class T>
void mean_pool_backward(const Exec&, PoolDims d, Grad<T> dx, const T* dy, const T* count, const Flag* padding) {
  if (!dx) return;
  parallel_for(d.batch * d.time, 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index o = i / d.time * d.channels;
      const bool used = !padding || !padding[i];
      for (Index c = 0; c < d.channels; ++c)
        deliver(dx, i * d.channels + c, used && count[o + c] != T(0) ? dy[o + c] / count[o + c] : T(0));
    }
  });
}

}  // namespace anylead::cpu_ops
