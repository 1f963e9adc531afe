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

struct ColumnMomentsPass {
  /// sums [width] = sum over t of x - m, or of (x - m) (z - k) unless z is null. x, z: rows `stride` apart; m, k [width].
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, T* sums, const T* x, const T* m, const T* z, const T* k) {
    std::fill(sums, sums + width, T(0));
    for (Index first = 0; first < time; first += kSumRows) {
      const Index begin = first * stride, end = (first + kSumRows < time ? first + kSumRows : time) * stride;
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        Vec<T, register_bytes(isa)> block = {};
        const auto center = at(m);
        if (z) {
          const auto other = at(k);
          for (Index o = begin; o < end; o += stride) block += (at(x + o) - center) * (at(z + o) - other);
        } else {
          for (Index o = begin; o < end; o += stride) block += at(x + o) - center;
        }
        at.store(sums, at(sums) + block);
      });
    }
  }
};

/// What a norm makes of a stripe of a segment: n = (x - m) s weight + bias. All [width].
template <class T>
struct ColumnNorm {
  const T *m, *s, *weight, *bias;
};

struct NormalizeColumnsPass {
  /// y = n of all rows, or gelu(n). Rows of y and x: y_stride and x_stride apart.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index width, bool gelu, T* y, Index y_stride, const T* x, Index x_stride,
                               ColumnNorm<T> norm) {
    for (Index t = 0; t < time; ++t, y += y_stride, x += x_stride)
      if (gelu)
        for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
          const auto v = (at(x) - at(norm.m)) * at(norm.s) * at(norm.weight) + at(norm.bias);
          at.store(y, v * normal(v).cdf);
        });
      else
        for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
          at.store(y, (at(x) - at(norm.m)) * at(norm.s) * at(norm.weight) + at(norm.bias));
        });
  }
};

struct NormalizeGeluBackwardPass {
  /// dx = dy gelu'(n) of all rows.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, T* dx, const T* dy, const T* x, ColumnNorm<T> norm) {
    for (Index o = 0; o < time * stride; o += stride)
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const auto v = (at(x + o) - at(norm.m)) * at(norm.s) * at(norm.weight) + at(norm.bias);
        at.store(dx + o, at(dy + o) * gelu_slope(v, normal(v)));
      });
  }
};

/// values [width]: each group's mean of sums over time, or the same after `last`.
template <class T, class F>
void group_means(Index width, Index group, Index time, T* values, F&& last) {
  for (Index c = 0; c < width; c += group) {
    T total = 0;
    for (Index i = 0; i < group; ++i) total += values[c + i];
    const T v = last(total / static_cast<T>(time * group), c / group);
    for (Index i = 0; i < group; ++i) values[c + i] = v;
  }
}

/// Calls f(width, offset, first channel, first statistic) for stripes of whole groups of every segment, in parallel.
template <class F>
void for_stripes(const GroupNormDims& d, F&& f) {
  const Index width = stripe_width(d), stripes = (d.channels + width - 1) / width;
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index b = i / stripes, c = i % stripes * width;
      f(std::min(width, d.channels - c), b * d.time * d.channels + c, c, b * d.groups + c / (d.channels / d.groups));
    }
  });
}

template <class T>
void group_norm(GroupNormDims d, bool gelu, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps) {
  const Index group = d.channels / d.groups;
  for_stripes(d, [&](Index width, Index o, Index c, Index g) {
    struct Room;
    T *m = scratch<Room, T>(3 * width), *s = m + width, *zeros = s + width;
    std::fill(zeros, zeros + width, T(0));
    with_isa<ColumnMomentsPass>(d.time, d.channels, width, m, x + o, static_cast<const T*>(zeros),
                                static_cast<const T*>(nullptr), static_cast<const T*>(nullptr));
    group_means(width, group, d.time, m, [&](T v, Index i) { return mean[g + i] = v; });
    with_isa<ColumnMomentsPass>(d.time, d.channels, width, s, x + o, static_cast<const T*>(m), x + o, static_cast<const T*>(m));
    group_means(width, group, d.time, s, [&](T v, Index i) { return rstd[g + i] = T(1) / std::sqrt(v + eps); });
    with_isa<NormalizeColumnsPass>(d.time, width, gelu, y + o, d.channels, x + o, d.channels,
                                   ColumnNorm<T>{m, s, weight + c, bias + c});
  });
}

template <class T>
void group_norm_forward(const Exec&, GroupNormDims d, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                        T eps) {
  group_norm(d, false, y, mean, rstd, x, weight, bias, eps);
}

struct GroupNormBackwardPass {
  /// dx = (dy weight - a - (x - m) s b) s, of all rows
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index time, Index stride, Index width, Grad<T> dx, const T* dy, const T* x, const T* weight,
                               const T* m, const T* s, const T* a, const T* b) {
    for (Index o = 0; o < time * stride; o += stride)
      for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
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
  const Index group = d.channels / d.groups;
  T* sums = scratch<Sums, T>(2 * d.batch * d.channels);
  for_stripes(d, [&](Index width, Index o, Index c, Index g) {
    struct Room;
    T *room = scratch<Room, T>(5 * width), *a = room, *b = a + width, *m = b + width, *s = m + width, *zeros = s + width;
    for (Index i = 0; i < width; ++i) {
      m[i] = mean[g + i / group];
      s[i] = rstd[g + i / group];
      zeros[i] = 0;
    }
    const T *center = m, *scale = s, *zero = zeros, *own_dy = dy + o, *own_x = x + o, *none = nullptr;
    const Grad<T> own_dx = advanced(dx, o);
    if (gelu) {  // dx receives the gradient of the normalised value first
      with_isa<NormalizeGeluBackwardPass>(d.time, d.channels, width, own_dx.data, own_dy, own_x,
                                          ColumnNorm<T>{center, scale, weight + c, bias + c});
      own_dy = own_dx.data;
    }
    T *sum_dn = sums + o / (d.time * d.channels) * 2 * d.channels + c, *sum_dnx = sum_dn + d.channels;
    with_isa<ColumnMomentsPass>(d.time, d.channels, width, sum_dn, own_dy, zero, none, none);
    with_isa<ColumnMomentsPass>(d.time, d.channels, width, sum_dnx, own_x, center, own_dy, zero);
    for (Index i = 0; i < width; ++i) {
      sum_dnx[i] *= s[i];
      a[i] = sum_dn[i] * weight[c + i];
      b[i] = sum_dnx[i] * weight[c + i];
    }
    if (!dx) return;
    group_means(width, group, d.time, a, [](T v, Index) { return v; });
    group_means(width, group, d.time, b, [](T v, Index) { return v; });
    with_isa<GroupNormBackwardPass>(d.time, d.channels, width, own_dx, own_dy, own_x, weight + c, center, scale,
                                    static_cast<const T*>(a), static_cast<const T*>(b));
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
