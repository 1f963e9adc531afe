#pragma once

#include "ops/composed/passes.hpp"

namespace anylead::composed {

/// sums [cols] of the rows of x.
inline void column_sums(RowDims d, float* sums, const float* x) {
  pass(d.cols, [&](Index c, Index m) { row(sums + c, m) = array(x + c, d.rows, m, d.cols).colwise().sum(); });
}

inline void layer_norm_forward(const Exec&, RowDims d, float* y, float* mean, float* rstd, const float* x, const float* weight,
                               const float* bias, float eps) {
  const Temporary centred(d.rows * d.cols);
  pass(d.rows, [&](Index r, Index m) { array(mean + r, m) = array(x + r * d.cols, m, d.cols).rowwise().mean(); });
  pass(d.rows, [&](Index r, Index m) {
    array(centred + r * d.cols, m, d.cols) = array(x + r * d.cols, m, d.cols).colwise() - array(mean + r, m);
  });
  pass(d.rows, [&](Index r, Index m) {
    array(rstd + r, m) = (array(centred + r * d.cols, m, d.cols).square().rowwise().mean() + eps).rsqrt();
  });
  pass(d.rows, [&](Index r, Index m) { array(centred + r * d.cols, m, d.cols).colwise() *= array(rstd + r, m); });
  pass(d.rows, [&](Index r, Index m) {
    array(y + r * d.cols, m, d.cols) =
        (array(centred + r * d.cols, m, d.cols).rowwise() * row(weight, d.cols)).rowwise() + row(bias, d.cols);
  });
}

inline void layer_norm_backward(const Exec&, RowDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias, const float* dy,
                                const float* x, const float* weight, const float* mean, const float* rstd) {
  const Index n = d.rows * d.cols;
  const Temporary normal(n), g(n), mean_g(d.rows), mean_gn(d.rows);
  pass(d.rows, [&](Index r, Index m) {
    array(normal + r * d.cols, m, d.cols) =
        (array(x + r * d.cols, m, d.cols).colwise() - array(mean + r, m)).colwise() * array(rstd + r, m);
  });
  pass(n, [&](Index i, Index m) { array(g + i, m) = array(dy + i, m) * array(normal + i, m); });
  column_sums(d, dweight.data, g);
  column_sums(d, dbias.data, dy);
  pass(d.rows, [&](Index r, Index m) {
    array(g + r * d.cols, m, d.cols) = array(dy + r * d.cols, m, d.cols).rowwise() * row(weight, d.cols);
  });
  pass(d.rows, [&](Index r, Index m) { array(mean_g + r, m) = array(g + r * d.cols, m, d.cols).rowwise().mean(); });
  pass(d.rows, [&](Index r, Index m) {
    array(mean_gn + r, m) = (array(g + r * d.cols, m, d.cols) * array(normal + r * d.cols, m, d.cols)).rowwise().mean();
  });
  pass(d.rows, [&](Index r, Index m) {
    array(dx.data + r * d.cols, m, d.cols) = ((array(g + r * d.cols, m, d.cols).colwise() - array(mean_g + r, m)) -
                                              array(normal + r * d.cols, m, d.cols).colwise() * array(mean_gn + r, m))
                                                 .colwise() *
                                             array(rstd + r, m);
  });
}

// Own parts: dropout with a sum, then the norm.

inline void residual_norm_forward(const Exec& e, RowDims d, float* y, float* s, float* mean, float* rstd, const float* x,
                                  const float* a, Dropout dropout, const float* weight, const float* bias, float eps) {
  own().dropout_add_forward(e, d.rows * d.cols, s, x, a, dropout);
  own().layer_norm_forward(e, d, y, mean, rstd, s, weight, bias, eps);
}

inline void residual_norm_backward(const Exec& e, RowDims d, Grad<float> dx, Grad<float> da, Grad<float> dweight,
                                   Grad<float> dbias, const float* dy, const float* s, Dropout dropout, const float* weight,
                                   const float* mean, const float* rstd) {
  const Temporary ds(d.rows * d.cols);
  own().layer_norm_backward(e, d, {ds, GradMode::overwrite}, dweight, dbias, dy, s, weight, mean, rstd);
  own().dropout_add_backward(e, d.rows * d.cols, dx, da, ds, dropout);
}

/// wide [B, C] = narrow [B, G], each number for all channels of its group.
inline void widen(GroupNormDims d, float* wide, const float* narrow) {
  array(wide, d.batch * d.groups, d.channels / d.groups).colwise() = array(narrow, d.batch * d.groups);
}

/// f(b) for each segment, as one pass.
template <class F>
void each_segment(GroupNormDims d, F&& f) {
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first; b < first + m; ++b) f(b);
  });
}

/// narrow [B, G] = mean over time and the channels of a group.
inline void group_means(GroupNormDims d, float* narrow, const float* x) {
  const Temporary sums(d.batch * d.channels);
  each_segment(d, [&](Index b) {
    row(sums + b * d.channels, d.channels) = array(x + b * d.time * d.channels, d.time, d.channels).colwise().sum();
  });
  array(narrow, d.batch * d.groups) =
      array(sums, d.batch * d.groups, d.channels / d.groups).rowwise().sum() * (float(d.groups) / float(d.time * d.channels));
}

/// normal = (x - mean) rstd
inline void group_normal(GroupNormDims d, float* normal, const float* x, const float* mean, const float* rstd) {
  const Temporary means(d.batch * d.channels), factors(d.batch * d.channels);
  widen(d, means, mean);
  widen(d, factors, rstd);
  each_segment(d, [&](Index b) {
    const Index o = b * d.time * d.channels;
    array(normal + o, d.time, d.channels) =
        (array(x + o, d.time, d.channels).rowwise() - row(means + b * d.channels, d.channels)).rowwise() *
        row(factors + b * d.channels, d.channels);
  });
}

inline void group_norm_forward(const Exec&, GroupNormDims d, float* y, float* mean, float* rstd, const float* x,
                               const float* weight, const float* bias, float eps) {
  const Index n = d.batch * d.time * d.channels;
  const Temporary centred(n), ones(d.batch * d.groups);
  group_means(d, mean, x);
  array(ones, d.batch * d.groups).setOnes();
  group_normal(d, centred, x, mean, ones);
  const Temporary squares(n);
  pass(n, [&](Index i, Index m) { array(squares + i, m) = array(centred + i, m).square(); });
  group_means(d, rstd, squares);
  array(rstd, d.batch * d.groups) = (array(rstd, d.batch * d.groups) + eps).rsqrt();
  group_normal(d, centred, x, mean, rstd);
  pass(d.batch * d.time, [&](Index r, Index m) {
    array(y + r * d.channels, m, d.channels) =
        (array(centred + r * d.channels, m, d.channels).rowwise() * row(weight, d.channels)).rowwise() + row(bias, d.channels);
  });
}

inline void group_norm_backward(const Exec&, GroupNormDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias,
                                const float* dy, const float* x, const float* weight, const float* mean, const float* rstd) {
  const Index n = d.batch * d.time * d.channels, groups = d.batch * d.groups;
  const RowDims rows = {d.batch * d.time, d.channels};
  const Temporary normal(n), g(n), mean_g(groups), mean_gn(groups), wide(d.batch * d.channels);
  group_normal(d, normal, x, mean, rstd);
  pass(n, [&](Index i, Index m) { array(g + i, m) = array(dy + i, m) * array(normal + i, m); });
  column_sums(rows, dweight.data, g);
  column_sums(rows, dbias.data, dy);
  const auto times = [&](float* to, const float* from) {
    pass(rows.rows, [&](Index r, Index m) {
      array(to + r * d.channels, m, d.channels) =
          array(from + r * d.channels, m, d.channels).rowwise() * row(weight, d.channels);
    });
  };
  times(g, g);
  group_means(d, mean_gn, g);
  times(g, dy);
  group_means(d, mean_g, g);
  const auto segments = [&](const float* of_groups, auto&& f) {
    widen(d, wide, of_groups);
    each_segment(d, [&](Index b) {
      const Index o = b * d.time * d.channels;
      f(array(g + o, d.time, d.channels), array(normal + o, d.time, d.channels), row(wide + b * d.channels, d.channels), o);
    });
  };
  segments(mean_g, [](auto to, auto, auto m, Index) { to.rowwise() -= m; });
  segments(mean_gn, [](auto to, auto normed, auto m, Index) { to -= normed.rowwise() * m; });
  segments(rstd, [&](auto to, auto, auto s, Index o) { array(dx.data + o, d.time, d.channels) = to.rowwise() * s; });
}

/// The kept axis is the last: inner is 1.
inline void weight_norm_forward(const Exec&, WeightNormDims d, float* w, float* norm, const float* v, const float* g) {
  ANYLEAD_CHECK(d.inner == 1, NotImplemented, "weight_norm", "composed for the last axis only");
  pass(d.kept, [&](Index c, Index m) { row(norm + c, m) = array(v + c, d.outer, m, d.kept).square().colwise().sum().sqrt(); });
  pass(d.outer, [&](Index r, Index m) {
    array(w + r * d.kept, m, d.kept) = array(v + r * d.kept, m, d.kept).rowwise() * (row(g, d.kept) / row(norm, d.kept)).eval();
  });
}

inline void weight_norm_backward(const Exec&, WeightNormDims d, Grad<float> dv, Grad<float> dg, const float* dw, const float* v,
                                 const float* g, const float* norm) {
  const Index n = d.outer * d.kept;
  const Temporary products(n), factor(d.kept), along(d.kept);
  pass(n, [&](Index i, Index m) { array(products + i, m) = array(dw + i, m) * array(v + i, m); });
  column_sums({d.outer, d.kept}, dg.data, products);
  array(dg.data, d.kept) /= array(norm, d.kept);
  array(factor, d.kept) = array(g, d.kept) / array(norm, d.kept);
  array(along, d.kept) = array(factor, d.kept) * array(dg.data, d.kept) / array(norm, d.kept);
  pass(d.outer, [&](Index r, Index m) {
    array(dv.data + r * d.kept, m, d.kept) = array(dw + r * d.kept, m, d.kept).rowwise() * row(factor, d.kept) -
                                             array(v + r * d.kept, m, d.kept).rowwise() * row(along, d.kept);
  });
}

}  // namespace anylead::composed
