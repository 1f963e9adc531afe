// Statistics per segment and group of channels over time, with the GELU that may follow. @see ops/group_norm.hpp
#pragma once

#include <anylead/cpu/layer_norm.hpp>

namespace anylead::cpu_ops {

/// Channels of one task: whole groups, at least a cache line or so.
inline Index stripe_width(const GroupNormDims& d) {
  const Index group = d.channels / d.groups;
  return group >= 64 ? group : 64 / group * group;
}

/// Column sums in blocks of rows: the error grows with the block and the number of blocks, not with their product.
inline constexpr Index kSumRows = 32;

/// sums [width] = sum over t of f(at, t, offset of row t)
template <Isa isa, class T, class F>
ANYLEAD_SIMD void column_sums(Index time, Index stride, Index width, T* sums, T* block, F&& f) {
  for (Index c = 0; c < width; ++c) sums[c] = 0;
  for (Index first = 0; first < time; first += kSumRows) {
    for (Index c = 0; c < width; ++c) block[c] = 0;
    const Index last = first + kSumRows < time ? first + kSumRows : time;
    for (Index t = first; t < last; ++t)
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(block, at(block) + f(at, t * stride)); });
    for (Index c = 0; c < width; ++c) sums[c] += block[c];
  }
}

/// values [width]: each group's mean of sums / time, or the same after `last`.
template <class T, class F>
ANYLEAD_SIMD void group_means(Index width, Index group, Index time, T* values, F&& last) {
  for (Index c = 0; c < width; c += group) {
    T total = 0;
    for (Index i = 0; i < group; ++i) total += values[c + i];
    const T v = last(total / static_cast<T>(time * group), c / group);
    for (Index i = 0; i < group; ++i) values[c + i] = v;
  }
}

struct GroupNormPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, Index group, bool gelu, T* y, T* mean, T* rstd,
                               const T* x, const T* weight, const T* bias, T eps, T* room) {
    T *m = room, *s = room + width, *block = room + 2 * width;
    column_sums<isa>(time, stride, width, m, block, [&](auto at, Index o) ANYLEAD_SIMD_LAMBDA { return at(x + o); });
    group_means(width, group, time, m, [&](T v, Index g) ANYLEAD_SIMD_LAMBDA { return mean[g] = v; });
    column_sums<isa>(time, stride, width, s, block, [&](auto at, Index o) ANYLEAD_SIMD_LAMBDA {
      const auto v = at(x + o) - at(m);
      return v * v;
    });
    group_means(width, group, time, s, [&](T v, Index g) ANYLEAD_SIMD_LAMBDA { return rstd[g] = T(1) / std::sqrt(v + eps); });
    for (Index t = 0; t < time; ++t) {
      T* row = y + t * stride;
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        at.store(row, (at(x + t * stride) - at(m)) * at(s) * at(weight) + at(bias));
      });
      if (gelu) with_isa<GeluPass>(isa, width, row, static_cast<const T*>(row));
    }
  }
};

template <class T>
void group_norm(GroupNormDims d, bool gelu, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps) {
  const Index width = stripe_width(d), group = d.channels / d.groups, stripes = (d.channels + width - 1) / width;
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      struct Room;
      const Index b = i / stripes, c = i % stripes * width, w = std::min(width, d.channels - c);
      const Index o = b * d.time * d.channels + c, g = b * d.groups + c / group;
      with_isa<GroupNormPass>(d.time, d.channels, w, group, gelu, y + o, mean + g, rstd + g, x + o, weight + c, bias + c, eps,
                              scratch<Room, T>(3 * w));
    }
  });
}

template <class T>
void group_norm_forward(const Exec&, GroupNormDims d, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                        T eps) {
  group_norm(d, false, y, mean, rstd, x, weight, bias, eps);
}

struct GroupNormBackwardPass {
  /// dn: gradient of the normalised value, from dy; with gelu it is written to the scratch that dx then overwrites.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, Index group, bool gelu, Grad<T> dx, T* sum_dn, T* sum_dnx,
                               const T* dy, const T* x, const T* weight, const T* bias, const T* mean, const T* rstd, T* room) {
    T *m = room, *s = room + width, *block = room + 2 * width, *a = room + 3 * width, *b = room + 4 * width;
    for (Index c = 0; c < width; ++c) {
      m[c] = mean[c / group];
      s[c] = rstd[c / group];
    }
    if (gelu) {
      for (Index t = 0; t < time; ++t) {
        T* row = dx.data + t * stride;
        for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
          at.store(row, (at(x + t * stride) - at(m)) * at(s) * at(weight) + at(bias));
        });
        with_isa<GeluBackwardPass>(isa, width, Grad<T>{row, GradMode::overwrite}, dy + t * stride, static_cast<const T*>(row));
      }
      dy = dx.data;
    }
    column_sums<isa>(time, stride, width, sum_dn, block, [&](auto at, Index o) ANYLEAD_SIMD_LAMBDA { return at(dy + o); });
    column_sums<isa>(time, stride, width, sum_dnx, block,
                     [&](auto at, Index o) ANYLEAD_SIMD_LAMBDA { return at(dy + o) * (at(x + o) - at(m)) * at(s); });
    if (!dx) return;
    for (Index c = 0; c < width; ++c) {
      a[c] = sum_dn[c] * weight[c];
      b[c] = sum_dnx[c] * weight[c];
    }
    group_means(width, group, time, a, [](T v, Index) ANYLEAD_SIMD_LAMBDA { return v; });
    group_means(width, group, time, b, [](T v, Index) ANYLEAD_SIMD_LAMBDA { return v; });
    for (Index t = 0; t < time; ++t)
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const Index o = t * stride;
        const auto normal = (at(x + o) - at(m)) * at(s);
        deliver(at, dx, o, (at(dy + o) * at(weight) - at(a) - normal * at(b)) * at(s));
      });
  }
};

/// With gelu, dx must be in mode overwrite.
template <class T>
void group_norm_backward(GroupNormDims d, bool gelu, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                         const T* weight, const T* bias, const T* mean, const T* rstd) {
  struct Sums;
  const Index width = stripe_width(d), group = d.channels / d.groups, stripes = (d.channels + width - 1) / width;
  T* sums = scratch<Sums, T>(2 * d.batch * d.channels);
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      struct Room;
      const Index b = i / stripes, c = i % stripes * width, w = std::min(width, d.channels - c);
      const Index o = b * d.time * d.channels + c, g = b * d.groups + c / group;
      T* own = sums + 2 * b * d.channels + c;
      with_isa<GroupNormBackwardPass>(d.time, d.channels, w, group, gelu, advanced(dx, o), own, own + d.channels, dy + o, x + o,
                                      weight + c, bias ? bias + c : bias, mean + g, rstd + g, scratch<Room, T>(5 * w));
    }
  });
  for (Index c = 0; c < d.channels; ++c) {
    T w = 0, b = 0;
    for (Index i = 0; i < d.batch; ++i) {
      b += sums[2 * i * d.channels + c];
      w += sums[(2 * i + 1) * d.channels + c];
    }
    deliver(dweight, c, w);
    deliver(dbias, c, b);
  }
}

template <class T>
void group_norm_backward(const Exec&, GroupNormDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                         const T* weight, const T* mean, const T* rstd) {
  group_norm_backward(d, false, dx, dweight, dbias, dy, x, weight, static_cast<const T*>(nullptr), mean, rstd);
}

}  // namespace anylead::cpu_ops
