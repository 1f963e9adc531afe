#pragma once

#include "reference/elementwise.hpp"

namespace anylead::reference {

/// Statistics of the elements at the given places, and the normalised values before weight and bias.
inline void moments(const std::vector<Index>& places, const double* x, double eps, double* mean, double* rstd) {
  const auto n = static_cast<double>(places.size());
  double m = 0, v = 0;
  for (const Index i : places) m += x[i] / n;
  for (const Index i : places) v += (x[i] - m) * (x[i] - m) / n;
  *mean = m;
  *rstd = 1 / std::sqrt(v + eps);
}

/// The gradient of x from that of the normalised value, g: rstd (g - mean(g) - n mean(g n)).
inline void moments_backward(const std::vector<Index>& places, const std::vector<double>& g, const double* x, double mean,
                             double rstd, const Grad<double>& dx) {
  const auto n = static_cast<double>(places.size());
  double mean_g = 0, mean_gn = 0;
  for (const Index i : places) {
    mean_g += g[static_cast<std::size_t>(i)] / n;
    mean_gn += g[static_cast<std::size_t>(i)] * (x[i] - mean) * rstd / n;
  }
  for (const Index i : places) put(dx, i, rstd * (g[static_cast<std::size_t>(i)] - mean_g - (x[i] - mean) * rstd * mean_gn));
}

/// Group norm of [B, T, C]; a layer norm of [R, C] is that of [R, 1, C] with one group.
inline std::vector<Index> group_places(const GroupNormDims& d, Index b, Index g) {
  std::vector<Index> places;
  for (Index t = 0; t < d.time; ++t)
    for (Index c = g * d.channels / d.groups; c < (g + 1) * d.channels / d.groups; ++c)
      places.push_back((b * d.time + t) * d.channels + c);
  return places;
}

inline void group_norm_forward(const Exec&, GroupNormDims d, double* y, double* mean, double* rstd, const double* x,
                               const double* weight, const double* bias, double eps) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index g = 0; g < d.groups; ++g) {
      const auto places = group_places(d, b, g);
      double *m = mean + b * d.groups + g, *s = rstd + b * d.groups + g;
      moments(places, x, eps, m, s);
      for (const Index i : places) y[i] = (x[i] - *m) * *s * weight[i % d.channels] + bias[i % d.channels];
    }
}

inline void group_norm_backward(const Exec&, GroupNormDims d, Grad<double> dx, Grad<double> dweight, Grad<double> dbias,
                                const double* dy, const double* x, const double* weight, const double* mean,
                                const double* rstd) {
  std::vector<double> dw = zeros(d.channels), db = zeros(d.channels), g = zeros(d.batch * d.time * d.channels);
  for (Index b = 0; b < d.batch; ++b)
    for (Index k = 0; k < d.groups; ++k) {
      const auto places = group_places(d, b, k);
      const double m = mean[b * d.groups + k], s = rstd[b * d.groups + k];
      for (const Index i : places) {
        const auto c = static_cast<std::size_t>(i % d.channels);
        dw[c] += dy[i] * (x[i] - m) * s;
        db[c] += dy[i];
        g[static_cast<std::size_t>(i)] = dy[i] * weight[c];
      }
      moments_backward(places, g, x, m, s, dx);
    }
  put(dweight, dw);
  put(dbias, db);
}

inline void layer_norm_forward(const Exec& e, RowDims d, double* y, double* mean, double* rstd, const double* x,
                               const double* weight, const double* bias, double eps) {
  group_norm_forward(e, {d.rows, 1, d.cols, 1}, y, mean, rstd, x, weight, bias, eps);
}

inline void layer_norm_backward(const Exec& e, RowDims d, Grad<double> dx, Grad<double> dweight, Grad<double> dbias,
                                const double* dy, const double* x, const double* weight, const double* mean,
                                const double* rstd) {
  group_norm_backward(e, {d.rows, 1, d.cols, 1}, dx, dweight, dbias, dy, x, weight, mean, rstd);
}

inline void residual_norm_forward(const Exec& e, RowDims d, double* y, double* s, double* mean, double* rstd, const double* x,
                                  const double* a, Dropout dropout, const double* weight, const double* bias, double eps) {
  dropout_add_forward(e, d.rows * d.cols, s, x, a, dropout);
  layer_norm_forward(e, d, y, mean, rstd, s, weight, bias, eps);
}

inline void residual_norm_backward(const Exec& e, RowDims d, Grad<double> dx, Grad<double> da, Grad<double> dweight,
                                   Grad<double> dbias, const double* dy, const double* s, Dropout dropout, const double* weight,
                                   const double* mean, const double* rstd) {
  std::vector<double> ds = zeros(d.rows * d.cols);
  layer_norm_backward(e, d, whole(ds), dweight, dbias, dy, s, weight, mean, rstd);
  dropout_add_backward(e, d.rows * d.cols, dx, da, ds.data(), dropout);
}

inline void weight_norm_forward(const Exec&, WeightNormDims d, double* w, double* norm, const double* v, const double* g) {
  for (Index k = 0; k < d.kept; ++k) {
    double square = 0;
    for (Index o = 0; o < d.outer; ++o)
      for (Index i = 0; i < d.inner; ++i) square += std::pow(v[(o * d.kept + k) * d.inner + i], 2);
    norm[k] = std::sqrt(square);
    for (Index o = 0; o < d.outer; ++o)
      for (Index i = 0; i < d.inner; ++i)
        w[(o * d.kept + k) * d.inner + i] = g[k] * v[(o * d.kept + k) * d.inner + i] / norm[k];
  }
}

inline void weight_norm_backward(const Exec&, WeightNormDims d, Grad<double> dv, Grad<double> dg, const double* dw,
                                 const double* v, const double* g, const double* norm) {
  for (Index k = 0; k < d.kept; ++k) {
    double along = 0;  // <dw, v> / |v|
    for (Index o = 0; o < d.outer; ++o)
      for (Index i = 0; i < d.inner; ++i)
        along += dw[(o * d.kept + k) * d.inner + i] * v[(o * d.kept + k) * d.inner + i] / norm[k];
    put(dg, k, along);
    for (Index o = 0; o < d.outer; ++o)
      for (Index i = 0; i < d.inner; ++i) {
        const Index at = (o * d.kept + k) * d.inner + i;
        put(dv, at, g[k] * (dw[at] / norm[k] - along * v[at] / (norm[k] * norm[k])));
      }
  }
}

}  // namespace anylead::reference
