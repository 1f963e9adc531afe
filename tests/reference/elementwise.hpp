#pragma once

#include <limits>

#include "reference/put.hpp"

namespace anylead::reference {

inline void fill(const Exec&, Index n, double* y, double value) {
  for (Index i = 0; i < n; ++i) y[i] = value;
}

inline void scale(const Exec&, Index n, Grad<double> y, const double* x, double factor) {
  for (Index i = 0; i < n; ++i) put(y, i, factor * x[i]);
}

inline void dropout_add_forward(const Exec&, Index n, double* y, const double* x, const double* a, Dropout dropout) {
  for (Index i = 0; i < n; ++i) y[i] = (x ? x[i] : 0) + a[i] * double(dropout.factor(static_cast<std::uint64_t>(i)));
}

inline void dropout_add_backward(const Exec&, Index n, Grad<double> dx, Grad<double> da, const double* dy, Dropout dropout) {
  for (Index i = 0; i < n; ++i) {
    put(dx, i, dy[i]);
    put(da, i, dy[i] * double(dropout.factor(static_cast<std::uint64_t>(i))));
  }
}

/// Phi(x); erfc keeps the lower tail.
inline double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
inline double gelu(double x) { return x * normal_cdf(x); }
inline double gelu_slope(double x) { return normal_cdf(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846); }

inline void gelu_forward(const Exec&, Index n, double* y, const double* x) {
  for (Index i = 0; i < n; ++i) y[i] = gelu(x[i]);
}

inline void gelu_backward(const Exec&, Index n, Grad<double> dx, const double* dy, const double* x) {
  for (Index i = 0; i < n; ++i) put(dx, i, dy[i] * gelu_slope(x[i]));
}

inline void mean_square_forward(const Exec&, Index n, double* y, const double* x) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += x[i] * x[i];
  *y = n ? sum / static_cast<double>(n) : 0;
}

inline void mean_square_backward(const Exec&, Index n, Grad<double> dx, const double* dy, const double* x) {
  for (Index i = 0; i < n; ++i) put(dx, i, *dy * 2 * x[i] / static_cast<double>(n));
}

inline void gumbel_noise(const Exec&, Index n, double* noise, RandomStream stream) {
  for (Index i = 0; i < n; ++i) noise[i] = stream.gumbel(static_cast<std::uint64_t>(i));
}

}  // namespace anylead::reference
