// Passes over single elements.
#pragma once

#include <algorithm>

#include <anylead/core/dims.hpp>
#include <anylead/core/exec.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/random.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

inline constexpr Index kElementGrain = 1 << 14;

/// to = v, or to += v: how a pass delivers a gradient.
template <class T, Index kBytes>
ANYLEAD_SIMD void deliver(const Lanes<T, kBytes>& at, const Grad<T>& to, Index offset, Vec<T, kBytes> v) {
  if (to.mode == GradMode::accumulate) v += at(to.data + offset);
  if (to.mode != GradMode::skip) at.store(to.data + offset, v);
}

/// The same for one element.
template <class T>
void deliver(const Grad<T>& to, Index i, T v) {
  if (to.mode == GradMode::accumulate)
    to.data[i] += v;
  else if (to.mode == GradMode::overwrite)
    to.data[i] = v;
}

/// The same gradient from an offset on.
template <class T>
Grad<T> advanced(Grad<T> g, Index offset) {
  if (g) g.data += offset;
  return g;
}

/// Sums of the first n columns of some rows, `stride` apart: of 64 rows at a time, in their order. Four vectors of columns side
/// by side: rows may be so far apart that a line is gone before the next sweep.
struct ColumnSumsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index stride, Index n, Grad<T> sums, const T* x) {
    constexpr Index lanes = Vec<T, register_bytes(isa)>::lanes;
    Index c = 0;
    for (; c + 4 * lanes <= n; c += 4 * lanes) columns<isa, 4>(rows, stride, 4 * lanes, advanced(sums, c), x + c);
    for (; c < n; c += lanes) columns<isa, 1>(rows, stride, n - c, advanced(sums, c), x + c);
  }

  template <Isa isa, Index kVectors, class T>
  ANYLEAD_SIMD static void columns(Index rows, Index stride, Index n, Grad<T> sums, const T* x) {
    using At = Lanes<T, register_bytes(isa)>;
    using V = typename At::V;
    constexpr Index kRows = 64;
    V total[kVectors] = {};
    for (Index first = 0; first < rows; first += kRows) {
      V part[kVectors] = {};
      const Index last = first + kRows < rows ? first + kRows : rows;
      for (Index r = first; r < last; ++r)
        for (Index v = 0; v < kVectors; ++v) part[v] += At{v * V::lanes, kVectors > 1 ? V::lanes : n}(x + r * stride);
      for (Index v = 0; v < kVectors; ++v) total[v] += part[v];
    }
    for (Index v = 0; v < kVectors; ++v) deliver(At{v * V::lanes, kVectors > 1 ? V::lanes : n}, sums, 0, total[v]);
  }
};

struct FillPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, T value) {
    const auto all = broadcast<Vec<T, register_bytes(isa)>>(value);
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, all); });
  }
};

template <class T>
void fill(const Exec&, Index n, T* y, T value) {
  parallel_for(n, kElementGrain, [&](Index begin, Index end) { with_isa<FillPass>(end - begin, y + begin, value); });
}

struct ScalePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, Grad<T> y, const T* x, T factor) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, y, 0, at(x) * factor); });
  }
};

template <class T>
void scale(const Exec&, Index n, Grad<T> y, const T* x, T factor) {
  if (!y) return;
  parallel_for(n, kElementGrain,
               [&](Index begin, Index end) { with_isa<ScalePass>(end - begin, advanced(y, begin), x + begin, factor); });
}

struct DropoutAddPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index begin, Index n, T* y, const T* x, const T* a, Dropout dropout) {
    T factors[256];
    for (Index i = 0; i < n; i += 256) {
      const Index m = n - i < 256 ? n - i : 256;
      if (dropout.p != 0) dropout_factors<isa>(factors, dropout, static_cast<std::uint64_t>(begin + i), m);
      for_lanes<isa, T>(m, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        auto v = at(a + i);
        if (dropout.p != 0) v *= at(factors);
        if (x) v += at(x + i);
        at.store(y + i, v);
      });
    }
  }
};

template <class T>
void dropout_add_forward(const Exec&, Index n, T* y, const T* x, const T* a, Dropout dropout) {
  parallel_for(n, kElementGrain, [&](Index begin, Index end) {
    with_isa<DropoutAddPass>(begin, end - begin, y + begin, x ? x + begin : x, a + begin, dropout);
  });
}

struct DropoutBackwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index begin, Index n, Grad<T> da, const T* dy, Dropout dropout) {
    T factors[256];
    for (Index i = 0; i < n; i += 256) {
      const Index m = n - i < 256 ? n - i : 256;
      if (dropout.p != 0) dropout_factors<isa>(factors, dropout, static_cast<std::uint64_t>(begin + i), m);
      for_lanes<isa, T>(m, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        auto v = at(dy + i);
        if (dropout.p != 0) v *= at(factors);
        deliver(at, da, i, v);
      });
    }
  }
};

template <class T>
void dropout_add_backward(const Exec& exec, Index n, Grad<T> dx, Grad<T> da, const T* dy, Dropout dropout) {
  scale(exec, n, dx, dy, T(1));
  if (!da) return;
  parallel_for(n, kElementGrain, [&](Index begin, Index end) {
    with_isa<DropoutBackwardPass>(begin, end - begin, advanced(da, begin), dy + begin, dropout);
  });
}

struct GeluPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, const T* x) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, at(x) * normal(at(x)).cdf); });
  }
};

/// d gelu / dx = Phi(x) + x phi(x)
template <class V>
ANYLEAD_SIMD V gelu_slope(V x, const Normal<V>& at_x) {
  return at_x.cdf + x * at_x.density;
}

struct GeluBackwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, Grad<T> dx, const T* dy, const T* x) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto v = at(x);
      deliver(at, dx, 0, at(dy) * gelu_slope(v, normal(v)));
    });
  }
};

/// Both at once, for a pass backward that needs the output again.
struct GeluAndSlopePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, T* slope, const T* x) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto v = at(x);
      const auto at_v = normal(v);
      at.store(y, v * at_v.cdf);
      at.store(slope, gelu_slope(v, at_v));
    });
  }
};

struct MultiplyPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, const T* x) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, at(y) * at(x)); });
  }
};

template <class T>
void gelu_forward(const Exec&, Index n, T* y, const T* x) {
  parallel_for(n, kElementGrain / 4, [&](Index begin, Index end) { with_isa<GeluPass>(end - begin, y + begin, x + begin); });
}

template <class T>
void gelu_backward(const Exec&, Index n, Grad<T> dx, const T* dy, const T* x) {
  if (!dx) return;
  parallel_for(n, kElementGrain / 4, [&](Index begin, Index end) {
    with_isa<GeluBackwardPass>(end - begin, advanced(dx, begin), dy + begin, x + begin);
  });
}

/// y = gelu(x), slope = its derivative there.
template <class T>
void gelu_and_slope(Index n, T* y, T* slope, const T* x) {
  parallel_for(n, kElementGrain / 4,
               [&](Index begin, Index end) { with_isa<GeluAndSlopePass>(end - begin, y + begin, slope + begin, x + begin); });
}

/// y *= x
template <class T>
void multiply(Index n, T* y, const T* x) {
  parallel_for(n, kElementGrain, [&](Index begin, Index end) { with_isa<MultiplyPass>(end - begin, y + begin, x + begin); });
}

/// Sum of squares in double, the same for any number of threads.
struct SquarePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, const T* x, double* sum) {
    double total = 0;
    for (Index i = 0; i < n; i += 1024) {  // short sums in T, their total in double
      const Index m = n - i < 1024 ? n - i : 1024;
      total += double(sum_lanes<isa, T>(m, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const auto v = at(x + i);
        return v * v;
      }));
    }
    *sum = total;
  }
};

template <class T>
double sum_of_squares(Index n, const T* x) {
  struct Partial;
  const Index pieces = (n + kElementGrain - 1) / kElementGrain;
  double* partial = scratch<Partial, double>(pieces);
  parallel_for(n, kElementGrain,
               [&](Index begin, Index end) { with_isa<SquarePass>(end - begin, x + begin, partial + begin / kElementGrain); });
  double total = 0;
  for (Index i = 0; i < pieces; ++i) total += partial[i];
  return total;
}

template <class T>
void mean_square_forward(const Exec&, Index n, T* y, const T* x) {
  *y = n == 0 ? T(0) : T(sum_of_squares(n, x) / static_cast<double>(n));
}

template <class T>
void mean_square_backward(const Exec& exec, Index n, Grad<T> dx, const T* dy, const T* x) {
  if (n > 0) scale(exec, n, dx, x, T(2 * double(*dy) / static_cast<double>(n)));
}

struct GumbelPass {
  /// Numbers 64 group, 64 group + 1, ... of stream.gumbel; in double, whatever T, for a number near 0 has the relative error of
  /// its inner logarithm, near 1, many times over.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* noise, RandomStream stream, std::uint64_t group) {
    using V = Vec<double, register_bytes(isa)>;
    float uniform[64];
    double numbers[64];
    for (Index i = 0; i < n; i += 64, ++group) {
      detail::uniform_group<isa>(uniform, stream, group);
      for (int j = 0; j < 64; ++j) numbers[j] = double(uniform[j]) + 0x1p-25;
      for (Index j = 0; j < 64; j += V::lanes)
        cpu_ops::store(numbers + j, -log_in_range(-log_in_range(load_as<V>(numbers + j))));
      const Index m = n - i < 64 ? n - i : 64;
      for (Index j = 0; j < m; ++j) noise[i + j] = static_cast<T>(numbers[j]);
    }
  }
};

template <class T>
void gumbel_noise(const Exec&, Index n, T* noise, RandomStream stream) {
  parallel_for(n, 1024, [&](Index begin, Index end) {
    with_isa<GumbelPass>(end - begin, noise + begin, stream, static_cast<std::uint64_t>(begin / 64));
  });
}

}  // namespace anylead::cpu_ops
