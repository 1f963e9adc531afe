#pragma once

#include <algorithm>
#include <limits>

#include "reference/put.hpp"

namespace anylead::reference {

/// log sum exp of n numbers, `step` apart; -infinity for none. A NaN gives NaN.
inline double log_sum_exp(const double* x, Index n, Index step = 1) {
  double best = -std::numeric_limits<double>::infinity(), sum = 0;
  for (Index i = 0; i < n; ++i)
    if (std::isnan(x[i * step])) return x[i * step];
  for (Index i = 0; i < n; ++i) best = std::max(best, x[i * step]);
  if (std::isinf(best) && best < 0) return best;
  for (Index i = 0; i < n; ++i) sum += std::exp(x[i * step] - best);
  return best + std::log(sum);
}

inline double dot(const double* a, const double* b, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

inline double length(const double* a, Index n) { return std::sqrt(dot(a, a, n)); }

/// max(x, eps), NaN if x is.
inline double bounded(double x, double eps) { return x < eps ? eps : x; }

inline void log_softmax_forward(const Exec&, RowDims d, double* y, const double* x) {
  for (Index r = 0; r < d.rows; ++r) {
    const double l = log_sum_exp(x + r * d.cols, d.cols);
    for (Index c = 0; c < d.cols; ++c) y[r * d.cols + c] = x[r * d.cols + c] - l;
  }
}

inline void log_softmax_backward(const Exec&, RowDims d, Grad<double> dx, const double* dy, const double* y) {
  for (Index r = 0; r < d.rows; ++r) {
    double sum = 0;
    for (Index c = 0; c < d.cols; ++c) sum += dy[r * d.cols + c];
    for (Index c = 0; c < d.cols; ++c) put(dx, r * d.cols + c, dy[r * d.cols + c] - std::exp(y[r * d.cols + c]) * sum);
  }
}

inline void cosine_forward(const Exec&, RowDims d, Index repeats, double* y, const double* a, const double* b, double eps) {
  for (Index s = 0; s < repeats; ++s)
    for (Index r = 0; r < d.rows; ++r) {
      const double *u = a + r * d.cols, *v = b + (s * d.rows + r) * d.cols;
      y[s * d.rows + r] = dot(u, v, d.cols) / (bounded(length(u, d.cols), eps) * bounded(length(v, d.cols), eps));
    }
}

/// d/du of <u, v> / (max(|u|, eps) max(|v|, eps)), times dy, added to du.
inline void add_cosine_slope(Index n, double* du, double dy, const double* u, const double* v, double eps) {
  const double lu = length(u, n), nu = bounded(lu, eps), nv = bounded(length(v, n), eps), along = dot(u, v, n);
  for (Index c = 0; c < n; ++c) du[c] += dy * (v[c] / (nu * nv) - (lu > eps ? along * u[c] / (lu * lu * lu * nv) : 0));
}

inline void cosine_backward(const Exec&, RowDims d, Index repeats, Grad<double> da, Grad<double> db, const double* dy,
                            const double*, const double* a, const double* b, double eps) {
  std::vector<double> ga = zeros(d.rows * d.cols), gb = zeros(repeats * d.rows * d.cols);
  for (Index s = 0; s < repeats; ++s)
    for (Index r = 0; r < d.rows; ++r) {
      const Index i = s * d.rows + r;
      add_cosine_slope(d.cols, ga.data() + r * d.cols, dy[i], a + r * d.cols, b + i * d.cols, eps);
      add_cosine_slope(d.cols, gb.data() + i * d.cols, dy[i], b + i * d.cols, a + r * d.cols, eps);
    }
  put(da, ga);
  put(db, gb);
}

}  // namespace anylead::reference
