// Mean over time. @see ops/pooling.hpp
#pragma once

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

template <class T>
void mean_pool_forward(const Exec&, PoolDims d, bool non_zero, T* y, T* count, const T* x, const Flag* padding) {
  constexpr Index kWidth = 64;
  const Index stripes = (d.channels + kWidth - 1) / kWidth;
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index b = i / stripes, first = i % stripes * kWidth, width = std::min(kWidth, d.channels - first);
      T sum[kWidth] = {}, n[kWidth] = {};
      for (Index t = 0; t < d.time; ++t) {
        if (padding && padding[b * d.time + t]) continue;
        const T* row = x + (b * d.time + t) * d.channels + first;
        for (Index c = 0; c < width; ++c) {
          sum[c] += row[c];
          n[c] += T(!non_zero || row[c] != T(0));
        }
      }
      for (Index c = 0; c < width; ++c) {
        count[b * d.channels + first + c] = n[c];
        y[b * d.channels + first + c] = n[c] == T(0) ? T(0) : sum[c] / n[c];
      }
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
