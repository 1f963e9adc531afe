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
  /// y = exp(x - shift) and its sum; shift: the largest x.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, const T* x, T shift, T* sum) {
    *sum = sum_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto e = at.keep(exp_nonpositive(at(x) - shift));
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
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Grad<T> dx, const T* dy, const T* y) {
    for (Index r = 0; r < rows; ++r) {
      const Index o = r * cols;
      const T total = sum_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(dy + o); });
      for_lanes<isa, T>(
          cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, dx, o, at(dy + o) - exp_nonpositive(at(y + o)) * total); });
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

template <Isa isa, class T>
ANYLEAD_SIMD T length(const T* x, Index n) {
  return std::sqrt(dot<isa>(x, x, n));
}

/// Of some rows of a; those of b and y lie `repeats` times, `stride` rows apart.
struct CosinePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Index repeats, Index stride, T* y, const T* a, const T* b, T eps) {
    for (Index r = 0; r < rows; ++r, a += cols) {
      const T na = at_least(eps, length<isa>(a, cols));
      for (Index i = r; i < r + repeats * stride; i += stride)
        y[i] = dot<isa>(a, b + i * cols, cols) / (na * at_least(eps, length<isa>(b + i * cols, cols)));
    }
  }
};

template <class T>
void cosine_forward(const Exec&, RowDims d, Index repeats, T* y, const T* a, const T* b, T eps) {
  parallel_for(d.rows, row_grain(d.cols * repeats), [&](Index begin, Index end) {
    with_isa<CosinePass>(end - begin, d.cols, repeats, d.rows, y + begin, a + begin * d.cols, b + begin * d.cols, eps);
  });
}

struct CosineBackwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Index repeats, Index stride, Grad<T> da, Grad<T> db, const T* dy,
                               const T* y, const T* a, const T* b, T eps) {
    for (Index r = 0; r < rows; ++r) {
      const T* row = a + r * cols;
      const T la = length<isa>(row, cols), na = at_least(eps, la);
      Grad<T> own = da;
      for (Index i = r; i < r + repeats * stride; i += stride) {
        const T* other = b + i * cols;
        const T lb = length<isa>(other, cols), cross = dy[i] / (na * at_least(eps, lb));
        const T back_a = la > eps ? dy[i] * y[i] / (la * la) : T(0), back_b = lb > eps ? dy[i] * y[i] / (lb * lb) : T(0);
        for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA {
          deliver(at, own, r * cols, at(other) * cross - at(row) * back_a);
          deliver(at, db, i * cols, at(row) * cross - at(other) * back_b);
        });
        if (own) own.mode = GradMode::accumulate;
      }
    }
  }
};

template <class T>
void cosine_backward(const Exec&, RowDims d, Index repeats, Grad<T> da, Grad<T> db, const T* dy, const T* y, const T* a,
                     const T* b, T eps) {
  parallel_for(d.rows, row_grain(d.cols * repeats), [&](Index begin, Index end) {
    const Index o = begin * d.cols;
    with_isa<CosineBackwardPass>(end - begin, d.cols, repeats, d.rows, advanced(da, o), advanced(db, o), dy + begin, y + begin,
                                 a + o, b + o, eps);
  });
}

}  // namespace anylead::cpu_ops
