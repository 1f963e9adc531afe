// Layer norm, alone and after dropout and a residual sum. @see ops/layer_norm.hpp
#pragma once

#include <anylead/cpu/similarity.hpp>

namespace anylead::cpu_ops {

template <Isa isa, class T>
ANYLEAD_SIMD void normalize_row(Index cols, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps) {
  const T m = sum_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(x); }) / static_cast<T>(cols);
  const T var = sum_lanes<isa, T>(cols,
                                  [&](auto at) ANYLEAD_SIMD_LAMBDA {
                                    const auto v = at.keep(at(x) - m);
                                    return v * v;
                                  }) /
                static_cast<T>(cols);
  const T s = T(1) / std::sqrt(var + eps);
  for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, (at(x) - m) * s * at(weight) + at(bias)); });
  *mean = m;
  *rstd = s;
}

/// dx of one row; adds its part to dweight and dbias where they are not null.
template <Isa isa, class T, class Deliver>
ANYLEAD_SIMD void normalize_row_backward(Index cols, const T* dy, const T* x, const T* weight, T mean, T rstd, T* dweight,
                                         T* dbias, Deliver&& dx) {
  const T sum_g = dot<isa>(dy, weight, cols) / static_cast<T>(cols);
  const T sum_gx = sum_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(dy) * at(weight) * (at(x) - mean); }) *
                   rstd / static_cast<T>(cols);
  for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA {
    const auto normal = (at(x) - mean) * rstd, g = at(dy);
    dx(at, (g * at(weight) - sum_g - normal * sum_gx) * rstd);
    if (dweight) at.store(dweight, at(dweight) + g * normal);
    if (dbias) at.store(dbias, at(dbias) + g);
  });
}

inline constexpr Index kNormRows = 32;

struct LayerNormPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                               T eps) {
    for (Index r = 0; r < rows; ++r)
      normalize_row<isa>(cols, y + r * cols, mean + r, rstd + r, x + r * cols, weight, bias, eps);
  }
};

template <class T>
void layer_norm_forward(const Exec&, RowDims d, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps) {
  parallel_for(d.rows, kNormRows, [&](Index begin, Index end) {
    const Index o = begin * d.cols;
    with_isa<LayerNormPass>(end - begin, d.cols, y + o, mean + begin, rstd + begin, x + o, weight, bias, eps);
  });
}

template <class T>
void residual_norm_forward(const Exec&, RowDims d, T* y, T* s, T* mean, T* rstd, const T* x, const T* a, Dropout dropout,
                           const T* weight, const T* bias, T eps) {
  parallel_for(d.rows, kNormRows, [&](Index begin, Index end) {
    const Index o = begin * d.cols, rows = end - begin;
    with_isa<DropoutAddPass>(o, rows * d.cols, s + o, x + o, a + o, dropout);
    with_isa<LayerNormPass>(rows, d.cols, y + o, mean + begin, rstd + begin, static_cast<const T*>(s + o), weight, bias, eps);
  });
}

struct NormBackwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index begin, Index end, Index cols, Grad<T> dx, Grad<T> da, T* dweight, T* dbias, const T* dy,
                               const T* s, Dropout dropout, const T* weight, const T* mean, const T* rstd, T* factors) {
    for (Index r = begin; r < end; ++r) {
      const Index o = r * cols;
      if (da && dropout.p != 0) dropout_factors<isa>(factors, dropout, static_cast<std::uint64_t>(o), cols);
      normalize_row_backward<isa>(cols, dy + o, s + o, weight, mean[r], rstd[r], dweight, dbias,
                                  [&](auto at, auto v) ANYLEAD_SIMD_LAMBDA {
                                    deliver(at, dx, o, v);
                                    deliver(at, da, o, dropout.p != 0 ? v * at(factors) : v);
                                  });
    }
  }
};

/// Row chunks with partial sums of the parameter gradients, added up in order: the same for any number of threads.
template <class T>
void residual_norm_backward(const Exec&, RowDims d, Grad<T> dx, Grad<T> da, Grad<T> dweight, Grad<T> dbias, const T* dy,
                            const T* s, Dropout dropout, const T* weight, const T* mean, const T* rstd) {
  struct Partials;
  struct Factors;
  const bool sums = dweight || dbias;
  const Index chunks = (d.rows + kNormRows - 1) / kNormRows;
  T* partials = sums ? scratch<Partials, T>(chunks * 2 * d.cols) : nullptr;
  parallel_for(d.rows, kNormRows, [&](Index begin, Index end) {
    T* own = sums ? partials + begin / kNormRows * 2 * d.cols : nullptr;
    if (sums) std::fill(own, own + 2 * d.cols, T(0));
    with_isa<NormBackwardPass>(begin, end, d.cols, dx, da, own, sums ? own + d.cols : own, dy, s, dropout, weight, mean, rstd,
                               scratch<Factors, T>(d.cols));
  });
  if (!sums) return;
  parallel_for(d.cols, 64, [&](Index begin, Index end) {
    const T* own = partials + begin;
    if (dweight) with_isa<ColumnSumsPass>(chunks, 2 * d.cols, end - begin, advanced(dweight, begin), own);
    if (dbias) with_isa<ColumnSumsPass>(chunks, 2 * d.cols, end - begin, advanced(dbias, begin), own + d.cols);
  });
}

template <class T>
void layer_norm_backward(const Exec& exec, RowDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                         const T* weight, const T* mean, const T* rstd) {
  residual_norm_backward(exec, d, dx, Grad<T>{}, dweight, dbias, dy, x, Dropout{}, weight, mean, rstd);
}

}  // namespace anylead::cpu_ops
