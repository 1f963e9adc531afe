// Contrast between two sets of rows. @see ops/pair_contrastive.hpp
#pragma once

#include <anylead/cpu/gemm.hpp>
#include <anylead/cpu/sampled_contrastive.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// u [n, E] = rows of z divided by max(norm, eps)
template <class T>
void unit_rows(Index n, Index width, T* u, const T* z, const T* norm, const Index32* rows, T eps) {
  parallel_for(n, row_grain(width), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const T factor = T(1) / at_least(eps, norm[rows[i]]);
      for (Index c = 0; c < width; ++c) u[i * width + c] = z[rows[i] * width + c] * factor;
    }
  });
}

/// Numbers of a strip of S, which stays in the caches near the processor.
constexpr Index kStripNumbers = Index{1} << 22;

/// log sum exp of n numbers, `step` apart, and of what `before` is the logarithm of; in double.
template <class T>
double line_logsum(const T* s, Index n, Index step, double before) {
  if (n == 0) return before;
  double best = before, sum = 0;
  for (Index k = 0; k < n; ++k) best = std::max(best, double(s[k * step]));
  if (before > -std::numeric_limits<double>::infinity()) sum = std::exp(before - best);
  for (Index k = 0; k < n; ++k) sum += std::exp(double(s[k * step]) - best);
  return best + std::log(sum);
}

/// What both passes work with: unit vectors, and S a strip of rows at a time.
template <class T>
class PairStrips {
 public:
  PairStrips(const PairDims& d, const T* z, const Index32* first, const Index32* second, T temperature, T eps)
      : d_(d), scale_(T(1) / temperature) {
    struct Norms;
    struct Units;
    T* norm = scratch<Norms, T>(d.rows);
    row_norms(d.rows, d.width, norm, z);
    T* u = scratch<Units, T>((d.first + d.second) * d.width);
    unit_rows(d.first, d.width, u, z, norm, first, eps);
    unit_rows(d.second, d.width, u + d.first * d.width, z, norm, second, eps);
    norm_ = norm;
    units_ = u;
  }

  const T* norm() const { return norm_; }    // [R]
  const T* units() const { return units_; }  // [n + m, E]
  const T* others() const { return units_ + d_.first * d_.width; }

  /// Calls f(begin, rows, S [rows, m] from row `begin` on).
  template <class F>
  void each(F&& f) const {
    struct Strip;
    const Index most = std::max<Index>(1, kStripNumbers / std::max<Index>(1, d_.second));
    T* scores = scratch<Strip, T>(std::min(most, d_.first) * d_.second);
    for (Index begin = 0; begin < d_.first; begin += most) {
      const Index rows = std::min(most, d_.first - begin);
      gemm(Gemm<T>{.m = rows,
                   .n = d_.second,
                   .k = d_.width,
                   .a = units_ + begin * d_.width,
                   .lda = d_.width,
                   .op_a = MatrixOp::none,
                   .b = others(),
                   .ldb = d_.width,
                   .op_b = MatrixOp::transpose,
                   .c = scores,
                   .ldc = d_.second,
                   .alpha = scale_});
      f(begin, rows, scores);
    }
  }

 private:
  PairDims d_;
  T scale_;
  const T *norm_, *units_;
};

}  // namespace detail

template <class T>
void pair_contrastive_forward(const Exec&, PairDims d, T* loss, T* lines, const T* z, const Index32* first,
                              const Index32* second, const Index32* id, T temperature, T eps) {
  struct Logsums;
  const Index n = d.first, m = d.second;
  double *logsums = scratch<Logsums, double>(2 * (n + m)), *counts = logsums + n + m;
  std::fill(logsums, logsums + n + m, -std::numeric_limits<double>::infinity());
  std::fill(counts, counts + n + m, 0.0);
  double positive_sum = 0, positives = 0, total = 0;
  const detail::PairStrips<T> strips(d, z, first, second, temperature, eps);
  strips.each([&](Index begin, Index rows, const T* scores) {
    parallel_for(rows, 4, [&](Index from, Index to) {
      for (Index i = from; i < to; ++i) logsums[begin + i] = detail::line_logsum(scores + i * m, m, 1, logsums[begin + i]);
    });
    parallel_for(m, 4, [&](Index from, Index to) {
      for (Index j = from; j < to; ++j) logsums[n + j] = detail::line_logsum(scores + j, rows, m, logsums[n + j]);
    });
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < m; ++j)
        if (id[first[begin + i]] == id[second[j]]) {
          positive_sum += double(scores[i * m + j]);
          counts[begin + i] += 1;
          counts[n + j] += 1;
        }
  });
  for (Index i = 0; i < n + m; ++i) {
    lines[i] = static_cast<T>(logsums[i]);
    lines[n + m + i] = static_cast<T>(counts[i]);
    if (counts[i] > 0) total += counts[i] * logsums[i];
    if (i < n) positives += counts[i];
  }
  *loss = positives > 0 ? static_cast<T>((total - 2 * positive_sum) / (2 * positives)) : T(0);
}

template <class T>
void pair_contrastive_backward(const Exec& exec, PairDims d, bool detached, Grad<T> dz, const T* dloss, const T* lines,
                               const T* z, const Index32* first, const Index32* second, const Index32* id, T temperature,
                               T eps) {
  if (!dz) return;
  struct UnitGradients;
  const Index n = d.first, m = d.second;
  const T* counts = lines + n + m;
  double positives = 0;
  for (Index i = 0; i < n; ++i) positives += double(counts[i]);
  const double factor = positives > 0 ? double(*dloss) / (2 * positives * double(temperature)) : 0;
  const detail::PairStrips<T> strips(d, z, first, second, temperature, eps);
  T* du = scratch<UnitGradients, T>((n + m) * d.width);
  if (n == 0) std::fill(du, du + m * d.width, T(0));
  strips.each([&](Index begin, Index rows, T* scores) {
    parallel_for(rows, 4, [&](Index from, Index to) {
      for (Index i = from; i < to; ++i)
        for (Index j = 0; j < m; ++j) {
          const double s = double(scores[i * m + j]), positive = id[first[begin + i]] == id[second[j]] ? 2 : 0;
          scores[i * m + j] = static_cast<T>(factor * (double(counts[begin + i]) * std::exp(s - double(lines[begin + i])) +
                                                       double(counts[n + j]) * std::exp(s - double(lines[n + j])) - positive));
        }
    });
    gemm(Gemm<T>{.m = rows,
                 .n = d.width,
                 .k = m,
                 .a = scores,
                 .lda = m,
                 .op_a = MatrixOp::none,
                 .b = strips.others(),
                 .ldb = d.width,
                 .op_b = MatrixOp::none,
                 .c = du + begin * d.width,
                 .ldc = d.width});
    gemm(Gemm<T>{.m = m,
                 .n = d.width,
                 .k = rows,
                 .a = scores,
                 .lda = m,
                 .op_a = MatrixOp::transpose,
                 .b = strips.units() + begin * d.width,
                 .ldb = d.width,
                 .op_b = MatrixOp::none,
                 .c = du + n * d.width,
                 .ldc = d.width,
                 .accumulate = begin > 0});
  });
  if (!dz.accumulates()) fill(exec, d.rows * d.width, dz.data, T(0));
  for (Index i = 0; i < n + m; ++i) {
    const Index r = i < n ? first[i] : second[i - n];
    const T *g = du + i * d.width, *unit = strips.units() + i * d.width;
    double along = 0;
    if (!detached && strips.norm()[r] > eps)
      for (Index c = 0; c < d.width; ++c) along += double(g[c]) * double(unit[c]);
    const T inverse = T(1) / at_least(eps, strips.norm()[r]);
    for (Index c = 0; c < d.width; ++c) dz.data[r * d.width + c] += (g[c] - static_cast<T>(along) * unit[c]) * inverse;
  }
}

}  // namespace anylead::cpu_ops
