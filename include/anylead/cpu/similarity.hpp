// Log-softmax and cosines of rows. @see ops/similarity.hpp
#pragma once

#include <anylead/cpu/masking.hpp>

namespace anylead::cpu_ops {

/// log sum exp of a row, and its parts.
template <class T>
struct RowLogSum {
  T max, sum;
  T value() const { return max + std::log(sum); }
};

template <Isa isa, class T>
ANYLEAD_SIMD T row_max(const T* x, Index n) {
  T best = -std::numeric_limits<T>::infinity();
  Index i = 0;
  using V = Vec<T, register_bytes(isa)>;
  if (n >= V::lanes) {
    V m = load_as<V>(x);
    for (i = V::lanes; i + V::lanes <= n; i += V::lanes) m = max(m, load_as<V>(x + i));
    best = max(m);
  }
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

struct ExpPass {
  /// y = exp(x - shift) and its sum.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, const T* x, T shift, T* sum) {
    *sum = sum_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto e = at.keep(exp(at(x) - shift));
      at.store(y, e);
      return e;
    });
  }
};

/// y = exp(x - max x) of a row; all 0 where x is nothing but -infinity. y may be x.
template <Isa isa, class T>
ANYLEAD_SIMD RowLogSum<T> row_exp(T* y, const T* x, Index n) {
  RowLogSum<T> l = {row_max<isa>(x, n), T(1)};
  if (l.max == -std::numeric_limits<T>::infinity()) {  // or NaN, which no comparison finds
    T all = 0;
    for (Index i = 0; i < n; ++i)
      if (x[i] != x[i]) all = l.max = x[i];
    std::fill(y, y + n, all);
  } else {
    with_isa<ExpPass>(isa, n, y, x, l.max, &l.sum);
  }
  return l;
}

/// y = softmax of x. y may be x.
template <Isa isa, class T>
ANYLEAD_SIMD void row_softmax(T* y, const T* x, Index n) {
  const T inverse = T(1) / row_exp<isa>(y, x, n).sum;
  for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, at(y) * inverse); });
}

template <Isa isa, class T>
ANYLEAD_SIMD T dot(const T* a, const T* b, Index n) {
  return sum_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(a) * at(b); });
}

/// max(x, least), but NaN stays NaN: std::max would hide it behind the bound.
template <class T>
ANYLEAD_SIMD T at_least(T least, T x) {
  return x < least ? least : x;
}

struct LogSoftmaxPass {
  static constexpr bool kOnce = true;
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, T* y, const T* x) {
    for (Index r = 0; r < rows; ++r, x += cols, y += cols) {
      const T logsum = row_exp<isa>(y, x, cols).value();  // y is scratch until the next line
      for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, at(x) - logsum); });
    }
  }
};

template <class T>
void log_softmax_forward(const Exec&, RowDims d, T* y, const T* x) {
  parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
    with_isa<LogSoftmaxPass>(end - begin, d.cols, y + begin * d.cols, x + begin * d.cols);
  });
}

struct LogSoftmaxBackwardPass {
  static constexpr bool kOnce = true;
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Grad<T> dx, const T* dy, const T* y) {
    for (Index r = 0; r < rows; ++r) {
      const Index o = r * cols;
      const T total = sum_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(dy + o); });
      for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, dx, o, at(dy + o) - exp(at(y + o)) * total); });
    }
  }
};

template <class T>
void log_softmax_backward(const Exec&, RowDims d, Grad<T> dx, const T* dy, const T* y) {
  if (!dx) return;
  parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
    with_isa<LogSoftmaxBackwardPass>(end - begin, d.cols, advanced(dx, begin * d.cols), dy + begin * d.cols,
                                     y + begin * d.cols);
  });
}

struct CosinePass {
  static constexpr bool kOnce = true;
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, Index cols, T* y, const T* a, const T* b, T eps) {
    for (Index i = 0; i < n; ++i, a += cols, b += cols) {
      const T na = at_least(eps, std::sqrt(dot<isa>(a, a, cols))), nb = at_least(eps, std::sqrt(dot<isa>(b, b, cols)));
      y[i] = dot<isa>(a, b, cols) / (na * nb);
    }
  }
};

template <class T>
void cosine_forward(const Exec&, RowDims d, Index repeats, T* y, const T* a, const T* b, T eps) {
  for (Index s = 0; s < repeats; ++s)
    parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
      with_isa<CosinePass>(end - begin, d.cols, y + s * d.rows + begin, a + begin * d.cols, b + (s * d.rows + begin) * d.cols,
                           eps);
    });
}

struct CosineBackwardPass {
  static constexpr bool kOnce = true;
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index cols, Grad<T> da, Grad<T> db, T dy, T y, const T* a, const T* b, T eps) {
    const T la = std::sqrt(dot<isa>(a, a, cols)), lb = std::sqrt(dot<isa>(b, b, cols)), na = at_least(eps, la),
            nb = at_least(eps, lb);
    const T cross = dy / (na * nb);
    const T own_a = la > eps ? dy * y / (la * la) : T(0), own_b = lb > eps ? dy * y / (lb * lb) : T(0);
    for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      deliver(at, da, 0, at(b) * cross - at(a) * own_a);
      deliver(at, db, 0, at(a) * cross - at(b) * own_b);
    });
  }
};

template <class T>
void cosine_backward(const Exec&, RowDims d, Index repeats, Grad<T> da, Grad<T> db, const T* dy, const T* y, const T* a,
                     const T* b, T eps) {
  parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      for (Index s = 0; s < repeats; ++s) {
        const Index i = s * d.rows + r;
        Grad<T> own = advanced(da, r * d.cols);
        if (own && s > 0) own.mode = GradMode::accumulate;
        with_isa<CosineBackwardPass>(d.cols, own, advanced(db, i * d.cols), dy[i], y[i], a + r * d.cols, b + i * d.cols, eps);
      }
  });
}

}  // namespace anylead::cpu_ops
