#pragma once

#include "reference/norms.hpp"

namespace anylead::reference {

/// Calls f(y place, x place, weight place) for every product of the convolution; x place -1: the padding, which is 0.
template <class F>
void each_product(const Conv1dDims& d, F&& f) {
  const Index in = d.in / d.groups, out = d.out / d.groups;
  for (Index b = 0; b < d.batch; ++b)
    for (Index t = 0; t < d.out_time(); ++t)
      for (Index k = 0; k < d.out; ++k)
        for (Index c = 0; c < in; ++c)
          for (Index l = 0; l < d.taps; ++l) {
            const Index frame = t * d.stride + l - d.padding;
            const bool inside = frame >= 0 && frame < d.time;
            f((b * d.out_time() + t) * d.out + k, inside ? (b * d.time + frame) * d.in + k / out * in + c : -1,
              (k * in + c) * d.taps + l);
          }
}

inline void conv1d_forward(const Exec&, Conv1dDims d, double* y, const double* x, const double* weight, const double* bias) {
  for (Index i = 0; i < d.batch * d.out_time() * d.out; ++i) y[i] = bias ? bias[i % d.out] : 0;
  each_product(d, [&](Index i, Index j, Index w) { y[i] += (j < 0 ? 0 : x[j]) * weight[w]; });
}

inline void conv1d_backward(const Exec&, Conv1dDims d, Grad<double> dx, Grad<double> dweight, Grad<double> dbias,
                            const double* dy, const double* x, const double* weight) {
  std::vector<double> gx = zeros(d.batch * d.time * d.in), gw = zeros(d.out * d.in / d.groups * d.taps), gb = zeros(d.out);
  each_product(d, [&](Index i, Index j, Index w) {
    if (j >= 0) gx[static_cast<std::size_t>(j)] += dy[i] * weight[w];
    gw[static_cast<std::size_t>(w)] += dy[i] * (j < 0 ? 0 : x[j]);
  });
  for (Index i = 0; i < d.batch * d.out_time() * d.out; ++i) gb[static_cast<std::size_t>(i % d.out)] += dy[i];
  put(dx, gx);
  put(dweight, gw);
  put(dbias, gb);
}

inline void block_norm_forward(const Exec& e, Conv1dDims d, BlockNorm norm, double* y, double* mean, double* rstd,
                               const double* z, const double* weight, const double* bias, double eps) {
  if (norm == BlockNorm::group)
    group_norm_forward(e, {d.batch, d.out_time(), d.out, d.out}, y, mean, rstd, z, weight, bias, eps);
  else if (norm == BlockNorm::layer)
    layer_norm_forward(e, {d.batch * d.out_time(), d.out}, y, mean, rstd, z, weight, bias, eps);
  else
    scale(e, d.batch * d.out_time() * d.out, {y, GradMode::overwrite}, z, 1);
}

inline void conv1d_norm_gelu_forward(const Exec& e, Conv1dDims d, BlockNorm norm, double* y, double* z, double* mean,
                                     double* rstd, const double* x, const double* weight, const double* bias,
                                     const double* norm_weight, const double* norm_bias, double eps) {
  conv1d_forward(e, d, z, x, weight, bias);
  block_norm_forward(e, d, norm, y, mean, rstd, z, norm_weight, norm_bias, eps);
  gelu_forward(e, d.batch * d.out_time() * d.out, y, y);
}

/// dz [B, T', K], through the GELU and the norm.
inline std::vector<double> block_norm_backward(const Exec& e, Conv1dDims d, BlockNorm norm, Grad<double> dnorm_weight,
                                               Grad<double> dnorm_bias, const double* dy, const double* z,
                                               const double* norm_weight, const double* norm_bias, const double* mean,
                                               const double* rstd) {
  const Index n = d.batch * d.out_time() * d.out, time = d.out_time();
  std::vector<double> normed = zeros(n), dn = zeros(n), dz = zeros(n);
  for (Index i = 0; i < n; ++i) {
    const Index s = norm == BlockNorm::group ? i / (time * d.out) * d.out + i % d.out : i / d.out;
    normed[static_cast<std::size_t>(i)] =
        norm == BlockNorm::none ? z[i] : (z[i] - mean[s]) * rstd[s] * norm_weight[i % d.out] + norm_bias[i % d.out];
  }
  gelu_backward(e, n, whole(dn), dy, normed.data());
  if (norm == BlockNorm::group)
    group_norm_backward(e, {d.batch, time, d.out, d.out}, whole(dz), dnorm_weight, dnorm_bias, dn.data(), z, norm_weight, mean,
                        rstd);
  else if (norm == BlockNorm::layer)
    layer_norm_backward(e, {d.batch * time, d.out}, whole(dz), dnorm_weight, dnorm_bias, dn.data(), z, norm_weight, mean, rstd);
  else
    dz = dn;
  return dz;
}

inline void conv1d_norm_gelu_backward(const Exec& e, Conv1dDims d, BlockNorm norm, Grad<double> dx, Grad<double> dweight,
                                      Grad<double> dbias, Grad<double> dnorm_weight, Grad<double> dnorm_bias, double*,
                                      const double* dy, const double* x, const double* z, const double* weight,
                                      const double* norm_weight, const double* norm_bias, const double* mean,
                                      const double* rstd) {
  const std::vector<double> dz =
      block_norm_backward(e, d, norm, dnorm_weight, dnorm_bias, dy, z, norm_weight, norm_bias, mean, rstd);
  conv1d_backward(e, d, dx, dweight, dbias, dz.data(), x, weight);
}

/// Calls f(y place, place in the recording, weight place) for every product with a lead that is kept.
template <class F>
void each_lead_product(const Conv1dDims& d, const Flag* keep, F&& f) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index t = 0; t < d.out_time(); ++t)
      for (Index k = 0; k < d.out; ++k)
        for (Index c = 0; c < d.in; ++c)
          for (Index l = 0; l < d.taps; ++l)
            if (!keep || keep[b * d.in + c])
              f((b * d.out_time() + t) * d.out + k, (b * d.in + c) * d.time + t * d.stride + l, (k * d.in + c) * d.taps + l);
}

inline std::vector<double> lead_conv1d(Conv1dDims d, const double* x, const Flag* keep, const double* weight,
                                       const double* bias) {
  std::vector<double> z = zeros(d.batch * d.out_time() * d.out);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = bias ? bias[static_cast<Index>(i) % d.out] : 0;
  each_lead_product(d, keep, [&](Index i, Index j, Index w) { z[static_cast<std::size_t>(i)] += x[j] * weight[w]; });
  return z;
}

inline void lead_conv1d_norm_gelu_forward(const Exec& e, Conv1dDims d, BlockNorm norm, double* y, double* mean, double* rstd,
                                          const double* x, const Flag* keep, const double* weight, const double* bias,
                                          const double* norm_weight, const double* norm_bias, double eps) {
  const std::vector<double> z = lead_conv1d(d, x, keep, weight, bias);
  block_norm_forward(e, d, norm, y, mean, rstd, z.data(), norm_weight, norm_bias, eps);
  gelu_forward(e, d.batch * d.out_time() * d.out, y, y);
}

inline void lead_conv1d_norm_gelu_backward(const Exec& e, Conv1dDims d, BlockNorm norm, Grad<double> dweight,
                                           Grad<double> dbias, Grad<double> dnorm_weight, Grad<double> dnorm_bias,
                                           const double* dy, const double* x, const Flag* keep, const double* weight,
                                           const double* bias, const double* norm_weight, const double* norm_bias,
                                           const double* mean, const double* rstd) {
  const std::vector<double> z = lead_conv1d(d, x, keep, weight, bias);
  const std::vector<double> dz =
      block_norm_backward(e, d, norm, dnorm_weight, dnorm_bias, dy, z.data(), norm_weight, norm_bias, mean, rstd);
  std::vector<double> gw = zeros(d.out * d.in * d.taps), gb = zeros(d.out);
  each_lead_product(
      d, keep, [&](Index i, Index j, Index w) { gw[static_cast<std::size_t>(w)] += dz[static_cast<std::size_t>(i)] * x[j]; });
  for (std::size_t i = 0; i < dz.size(); ++i) gb[i % static_cast<std::size_t>(d.out)] += dz[i];
  put(dweight, gw);
  put(dbias, gb);
}

/// Copies [B, from, C] to [B, to, C], cutting or filling with zeros.
inline std::vector<double> refit(Index batch, Index from, Index to, Index channels, const double* x) {
  std::vector<double> y = zeros(batch * to * channels);
  for (Index b = 0; b < batch; ++b)
    for (Index i = 0; i < std::min(from, to) * channels; ++i)
      y[static_cast<std::size_t>(b * to * channels + i)] = x[b * from * channels + i];
  return y;
}

inline void conv_positional_forward(const Exec& e, Conv1dDims d, double* y, double* z, const double* x, const double* weight,
                                    const double* bias) {
  std::vector<double> full = zeros(d.batch * d.out_time() * d.out);
  conv1d_forward(e, d, full.data(), x, weight, bias);
  const std::vector<double> cut = refit(d.batch, d.out_time(), d.time, d.out, full.data());
  for (Index i = 0; i < d.batch * d.time * d.in; ++i) {
    z[i] = cut[static_cast<std::size_t>(i)];
    y[i] = x[i] + gelu(z[i]);
  }
}

inline Index conv_positional_prepared_size(const Exec&, Conv1dDims d) { return d.out * (d.in / d.groups) * d.taps; }
inline void conv_positional_prepare(const Exec& e, Conv1dDims d, double* prepared, const double* weight) {
  std::copy_n(weight, conv_positional_prepared_size(e, d), prepared);
}
inline void conv_positional_backward(const Exec& e, Conv1dDims d, Grad<double> dx, Grad<double> dweight, Grad<double> dbias,
                                     double*, const double* dy, const double* x, const double* z, const double* weight) {
  const Index n = d.batch * d.time * d.in;
  std::vector<double> dz = zeros(n), gx = zeros(n);
  gelu_backward(e, n, whole(dz), dy, z);
  const std::vector<double> full = refit(d.batch, d.time, d.out_time(), d.out, dz.data());
  conv1d_backward(e, d, whole(gx), dweight, dbias, full.data(), x, weight);
  for (Index i = 0; i < n; ++i) put(dx, i, gx[static_cast<std::size_t>(i)] + dy[i]);
}

}  // namespace anylead::reference
