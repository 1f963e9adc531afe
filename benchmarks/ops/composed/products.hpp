#pragma once

#include "ops/composed/norms.hpp"

namespace anylead::composed {

inline void linear_forward(const Exec&, LinearDims d, float* y, const float* x, const float* weight, const float* bias) {
  product(y, d.out, array(x, d.rows, d.in).matrix(), array(weight, d.out, d.in).matrix().transpose());
  if (bias) pass(d.rows, [&](Index r, Index m) { array(y + r * d.out, m, d.out).rowwise() += row(bias, d.out); });
}

inline void linear_backward(const Exec&, LinearDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias, const float* dy,
                            const float* x, const float* weight) {
  const auto slope = array(dy, d.rows, d.out).matrix();
  product(dx.data, d.in, slope, array(weight, d.out, d.in).matrix());
  product(dweight.data, d.in, slope.transpose(), array(x, d.rows, d.in).matrix());
  column_sums({d.rows, d.out}, dbias.data, dy);
}

// Own parts: GELU, then the map.

inline void gelu_linear_forward(const Exec& e, LinearDims d, float* y, float* h, const float* z, const float* weight,
                                const float* bias) {
  own().gelu_forward(e, d.rows * d.in, h, z);
  own().linear_forward(e, d, y, h, weight, bias);
}

inline void gelu_linear_backward(const Exec& e, LinearDims d, Grad<float> dz, Grad<float> dweight, Grad<float> dbias, float* h,
                                 const float* dy, const float* z, const float* weight) {
  const Temporary dh(d.rows * d.in);
  own().gelu_forward(e, d.rows * d.in, h, z);
  own().linear_backward(e, d, {dh, GradMode::overwrite}, dweight, dbias, dy, h, weight);
  own().gelu_backward(e, d.rows * d.in, dz, dh, z);
}

/// windows [B T', C/G L] of one group, from channel to channel.
inline void gather_windows(Conv1dDims d, Index group, float* windows, const float* x) {
  const Index time = d.out_time(), in = d.in / d.groups;
  pass(d.batch * time, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i)
      for (Index l = 0; l < d.taps; ++l) {
        const Index frame = i % time * d.stride + l - d.padding;
        auto to = array(windows + i * in * d.taps, in, d.taps).col(l);
        if (frame >= 0 && frame < d.time)
          to = array(x + (i / time * d.time + frame) * d.in + group * in, in);
        else
          to.setZero();
      }
  });
}

/// The windows of a group in memory, then a product with its weight.
inline void conv1d_forward(const Exec&, Conv1dDims d, float* y, const float* x, const float* weight, const float* bias) {
  const Index rows = d.batch * d.out_time(), window = d.in / d.groups * d.taps, out = d.out / d.groups;
  const Temporary windows(rows * window);
  for (Index g = 0; g < d.groups; ++g) {
    gather_windows(d, g, windows, x);
    product(y + g * out, d.out, array(static_cast<const float*>(windows), rows, window).matrix(),
            array(weight + g * out * window, out, window).matrix().transpose());
  }
  if (bias) pass(rows, [&](Index r, Index m) { array(y + r * d.out, m, d.out).rowwise() += row(bias, d.out); });
}

inline void conv1d_backward(const Exec&, Conv1dDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias, const float* dy,
                            const float* x, const float* weight) {
  const Index time = d.out_time(), rows = d.batch * time, in = d.in / d.groups, window = in * d.taps, out = d.out / d.groups;
  const Temporary windows(rows * window);
  pass(d.batch * d.time * d.in, [&](Index i, Index m) { array(dx.data + i, m).setZero(); });
  for (Index g = 0; g < d.groups; ++g) {
    const auto slope = array(dy + g * out, rows, out, d.out).matrix();
    gather_windows(d, g, windows, x);
    product(dweight.data + g * out * window, window, slope.transpose(),
            array(static_cast<const float*>(windows), rows, window).matrix());
    product(windows, window, slope, array(weight + g * out * window, out, window).matrix());
    pass(d.batch, [&](Index first, Index m) {
      for (Index i = first * time; i < (first + m) * time; ++i)
        for (Index l = 0; l < d.taps; ++l) {
          const Index frame = i % time * d.stride + l - d.padding;
          if (frame >= 0 && frame < d.time)
            array(dx.data + (i / time * d.time + frame) * d.in + g * in, in) += array(windows + i * window, in, d.taps).col(l);
        }
    });
  }
  column_sums({rows, d.out}, dbias.data, dy);
}

// Own parts: convolution, norm, GELU. The convolution multiplies overlapping rows: no transform.

inline void conv1d_norm_gelu_forward(const Exec& e, Conv1dDims d, BlockNorm norm, float* y, float* z, float* mean, float* rstd,
                                     const float* x, const float* weight, const float* bias, const float* norm_weight,
                                     const float* norm_bias, float eps) {
  const Index n = d.batch * d.out_time() * d.out;
  const Temporary normed(n);
  own().conv1d_forward(e, d, z, x, weight, bias);
  if (norm == BlockNorm::group)
    own().group_norm_forward(e, {d.batch, d.out_time(), d.out, d.out}, normed, mean, rstd, z, norm_weight, norm_bias, eps);
  own().gelu_forward(e, n, y, norm == BlockNorm::group ? normed : z);
}

inline void conv1d_norm_gelu_backward(const Exec& e, Conv1dDims d, BlockNorm norm, Grad<float> dx, Grad<float> dweight,
                                      Grad<float> dbias, Grad<float> dnorm_weight, Grad<float> dnorm_bias, float* dz,
                                      const float* dy, const float* x, const float* z, const float* weight,
                                      const float* norm_weight, const float* norm_bias, const float* mean, const float* rstd) {
  const GroupNormDims dims = {d.batch, d.out_time(), d.out, d.out};
  const Index n = d.batch * d.out_time() * d.out;
  if (norm == BlockNorm::group) {
    const Temporary normed(n), slope(n), means(d.batch * d.out), factors(d.batch * d.out);
    own().group_norm_forward(e, dims, normed, means, factors, z, norm_weight, norm_bias, 1e-5f);
    own().gelu_backward(e, n, {slope, GradMode::overwrite}, dy, normed);
    own().group_norm_backward(e, dims, {dz, GradMode::overwrite}, dnorm_weight, dnorm_bias, slope, z, norm_weight, mean, rstd);
  } else {
    own().gelu_backward(e, n, {dz, GradMode::overwrite}, dy, z);
  }
  own().conv1d_backward(e, d, dx, dweight, dbias, dz, x, weight);
}

// Own parts: the mask with its transposition, then the block, which computes z anew backward, too.

inline void lead_conv1d_norm_gelu_forward(const Exec& e, Conv1dDims d, BlockNorm norm, float* y, float* mean, float* rstd,
                                          const float* x, const Flag* keep, const float* weight, const float* bias,
                                          const float* norm_weight, const float* norm_bias, float eps) {
  const Temporary masked(d.batch * d.time * d.in), z(d.batch * d.out_time() * d.out);
  own().lead_mask_forward(e, {d.batch, d.in, d.time}, masked, x, keep);
  own().conv1d_norm_gelu_forward(e, d, norm, y, z, mean, rstd, masked, weight, bias, norm_weight, norm_bias, eps);
}

inline void lead_conv1d_norm_gelu_backward(const Exec& e, Conv1dDims d, BlockNorm norm, Grad<float> dweight, Grad<float> dbias,
                                           Grad<float> dnorm_weight, Grad<float> dnorm_bias, const float* dy, const float* x,
                                           const Flag* keep, const float* weight, const float* bias, const float* norm_weight,
                                           const float* norm_bias, const float* mean, const float* rstd) {
  const Index n = d.batch * d.out_time() * d.out;
  const Temporary masked(d.batch * d.time * d.in), z(n), dz(n);
  own().lead_mask_forward(e, {d.batch, d.in, d.time}, masked, x, keep);
  own().conv1d_forward(e, d, z, masked, weight, bias);
  own().conv1d_norm_gelu_backward(e, d, norm, {}, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy, masked, z, weight,
                                  norm_weight, norm_bias, mean, rstd);
}

inline void conv_positional_forward(const Exec& e, Conv1dDims d, float* y, float* z, const float* x, const float* weight,
                                    const float* bias) {
  const Index n = d.batch * d.time * d.in, segment = d.time * d.in, full_segment = d.out_time() * d.in;
  const Temporary full(d.batch * full_segment), h(n);
  own().conv1d_forward(e, d, full, x, weight, bias);
  pass(d.batch, [&](Index b, Index m) {
    array(z + b * segment, m, segment) = array(full + b * full_segment, m, segment, full_segment);
  });
  own().gelu_forward(e, n, h, z);
  own().dropout_add_forward(e, n, y, x, h, {});
}

inline void conv_positional_backward(const Exec& e, Conv1dDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias,
                                     float* dz, const float* dy, const float* x, const float* z, const float* weight) {
  const Index n = d.batch * d.time * d.in, segment = d.time * d.in, full_segment = d.out_time() * d.in;
  const Temporary full(d.batch * full_segment), through(n);
  own().gelu_backward(e, n, {dz, GradMode::overwrite}, dy, z);
  pass(d.batch, [&](Index b, Index m) {
    array(full + b * full_segment, m, full_segment).setZero();
    array(full + b * full_segment, m, segment, full_segment) = array(dz + b * segment, m, segment);
  });
  own().conv1d_backward(e, d, {through, GradMode::overwrite}, dweight, dbias, full, x, weight);
  own().dropout_add_forward(e, n, dx.data, dy, through, {});
}

}  // namespace anylead::composed
