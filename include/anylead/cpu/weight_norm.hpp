// Weight normalisation. @see ops/weight_norm.hpp
//
// v is read as a matrix of `outer` rows and kept * inner columns, whose factor is that of their kept index.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

/// sums [cols] of the products a b over some rows, column by column.
struct ColumnProductsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, T* sums, const T* a, const T* b) {
    std::fill(sums, sums + cols, T(0));
    for (Index o = 0; o < rows * cols; o += cols)
      for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(sums, at(sums) + at(a + o) * at(b + o)); });
  }
};

/// totals [n] in double of the first columns of some rows, `stride` apart.
struct ColumnTotalsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index stride, Index n, double* totals, const T* x) {
    std::fill(totals, totals + n, 0.0);
    for (Index o = 0; o < rows * stride; o += stride)
      for (Index c = 0; c < n; ++c) totals[c] += double(x[o + c]);
  }
};

/// dots [kept]: the sum of a b over outer and inner; short sums in T, their total in double.
template <class T>
void kept_dots(WeightNormDims d, double* dots, const T* a, const T* b) {
  struct Partial;
  struct Totals;
  constexpr Index kRows = 64;
  const Index cols = d.kept * d.inner, chunks = (d.outer + kRows - 1) / kRows;
  T* partial = scratch<Partial, T>(chunks * cols);
  parallel_for(chunks, 4, [&](Index begin, Index end) {
    for (Index chunk = begin; chunk < end; ++chunk) {
      const Index first = chunk * kRows;
      with_isa<ColumnProductsPass>(std::min(kRows, d.outer - first), cols, partial + chunk * cols, a + first * cols,
                                   b + first * cols);
    }
  });
  parallel_for(d.kept, 16, [&](Index begin, Index end) {
    double* totals = scratch<Totals, double>((end - begin) * d.inner);
    with_isa<ColumnTotalsPass>(chunks, cols, (end - begin) * d.inner, totals, static_cast<const T*>(partial + begin * d.inner));
    for (Index k = begin; k < end; ++k, totals += d.inner) dots[k] = std::accumulate(totals, totals + d.inner, 0.0);
  });
}

/// to = factor (x - y back), or += by the mode, with the factor and the share of y of each column; back null: to = factor x.
struct ScaleColumnsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Grad<T> to, const T* factor, const T* x, const T* back, const T* y) {
    for (Index r = 0; r < rows; ++r)
      for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const auto value = at(x + r * cols);
        deliver(at, to, r * cols, (back ? value - at(y + r * cols) * at(back) : value) * at(factor));
      });
  }
};

template <class T>
void scale_columns(WeightNormDims d, Grad<T> to, const T* factor, const T* x, const T* back, const T* y) {
  const Index cols = d.kept * d.inner;
  parallel_for(d.outer, 64, [&](Index begin, Index end) {
    with_isa<ScaleColumnsPass>(end - begin, cols, advanced(to, begin * cols), factor, x + begin * cols, back, y + begin * cols);
  });
}

template <class T>
void weight_norm_forward(const Exec&, WeightNormDims d, T* w, T* norm, const T* v, const T* g) {
  struct Squares;
  struct Factors;
  double* squares = scratch<Squares, double>(d.kept);
  T* factor = scratch<Factors, T>(d.kept * d.inner);
  kept_dots(d, squares, v, v);
  for (Index k = 0; k < d.kept; ++k) {
    norm[k] = static_cast<T>(std::sqrt(squares[k]));
    std::fill_n(factor + k * d.inner, d.inner, g[k] / norm[k]);
  }
  scale_columns<T>(d, {w, GradMode::overwrite}, factor, v, nullptr, v);
}

template <class T>
void weight_norm_backward(const Exec&, WeightNormDims d, Grad<T> dv, Grad<T> dg, const T* dw, const T* v, const T* g,
                          const T* norm) {
  struct Dots;
  struct Factors;
  struct Backs;
  double* along = scratch<Dots, double>(d.kept);  // <dw, v>
  T* factor = scratch<Factors, T>(d.kept * d.inner);
  T* back = scratch<Backs, T>(d.kept * d.inner);
  kept_dots(d, along, dw, v);
  for (Index k = 0; k < d.kept; ++k) {
    deliver(dg, k, static_cast<T>(along[k] / norm[k]));
    std::fill_n(factor + k * d.inner, d.inner, g[k] / norm[k]);
    std::fill_n(back + k * d.inner, d.inner, static_cast<T>(along[k] / (double(norm[k]) * norm[k])));
  }
  if (dv) scale_columns<T>(d, dv, factor, dw, back, v);
}

}  // namespace anylead::cpu_ops
