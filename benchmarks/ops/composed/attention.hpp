// Attention with its scores, probabilities and masks [B, H, T, T] in memory.
#pragma once

#include "ops/composed/elementwise.hpp"
#include "ops/composed/rows.hpp"

namespace anylead::composed {

/// The rows of one segment and head in a tensor [B, T, H D], [T, D].
template <class T>
auto head(AttentionDims d, T* x, Index i) {
  const Index width = d.heads * d.head_width;
  return array(x + i / d.heads * d.time * width + i % d.heads * d.head_width, d.time, d.head_width, width).matrix();
}

/// The square [T, T] of one segment and head.
inline auto square(AttentionDims d, float* x, Index i) { return array(x + i * d.time * d.time, d.time, d.time).matrix(); }

/// One pass over segments and heads.
template <class F>
void each_head(AttentionDims d, F&& f) {
  pass(d.batch * d.heads, [&](Index first, Index m) {
    for (Index i = first; i < first + m; ++i) f(i);
  });
}

inline void scores(AttentionDims d, float* s, const float* q, const float* k) {
  const Index n = d.batch * d.heads * d.time * d.time;
  each_head(d, [&](Index i) { square(d, s, i).noalias() = head(d, q, i) * head(d, k, i).transpose(); });
  pass(n, [&](Index i, Index m) { array(s + i, m) *= 1 / std::sqrt(static_cast<float>(d.head_width)); });
}

inline void attention_forward(const Exec&, AttentionDims d, float* y, float* logsum, const float* q, const float* k,
                              const float* v, const Flag*, Dropout dropout) {
  const RowDims rows = {d.batch * d.heads * d.time, d.time};
  const Index n = rows.rows * rows.cols;
  const Temporary s(n), max(rows.rows), sum(rows.rows);
  scores(d, s, q, k);
  exp_rows(rows, s, max, sum, s);
  pass(rows.rows, [&](Index r, Index m) { array(logsum + r, m) = array(max + r, m) + array(sum + r, m).log(); });
  pass(rows.rows, [&](Index r, Index m) { array(s + r * d.time, m, d.time).colwise() /= array(sum + r, m); });
  if (dropout.p != 0) {
    const Temporary mask(n);
    draw_mask(n, mask, dropout);
    pass(n, [&](Index i, Index m) { array(s + i, m) *= array(mask + i, m); });
  }
  each_head(d, [&](Index i) { head(d, y, i).noalias() = square(d, s, i) * head(d, v, i); });
}

inline void attention_backward(const Exec&, AttentionDims d, Grad<float> dq, Grad<float> dk, Grad<float> dv, const float* dy,
                               const float*, const float*, const float* q, const float* k, const float* v, const Flag*,
                               Dropout dropout) {
  const RowDims rows = {d.batch * d.heads * d.time, d.time};
  const Index n = rows.rows * rows.cols;
  const Temporary p(n), dropped(n), ds(n), mask(n), along(rows.rows);
  scores(d, p, q, k);
  softmax_rows(rows, p);
  each_head(d, [&](Index i) { square(d, ds, i).noalias() = head(d, dy, i) * head(d, v, i).transpose(); });
  if (dropout.p != 0) {
    draw_mask(n, mask, dropout);
    pass(n, [&](Index i, Index m) { array(dropped + i, m) = array(p + i, m) * array(mask + i, m); });
    pass(n, [&](Index i, Index m) { array(ds + i, m) *= array(mask + i, m); });
  }
  float* kept = dropout.p != 0 ? dropped : p;
  each_head(d, [&](Index i) { head(d, dv.data, i).noalias() = square(d, kept, i).transpose() * head(d, dy, i); });
  pass(rows.rows, [&](Index r, Index m) {
    array(along + r, m) = (array(p + r * d.time, m, d.time) * array(ds + r * d.time, m, d.time)).rowwise().sum();
  });
  pass(rows.rows, [&](Index r, Index m) { array(ds + r * d.time, m, d.time).colwise() -= array(along + r, m); });
  pass(n, [&](Index i, Index m) {
    array(ds + i, m) = array(p + i, m) * array(ds + i, m) * (1 / std::sqrt(static_cast<float>(d.head_width)));
  });
  each_head(d, [&](Index i) { head(d, dq.data, i).noalias() = square(d, ds, i) * head(d, k, i); });
  each_head(d, [&](Index i) { head(d, dk.data, i).noalias() = square(d, ds, i).transpose() * head(d, q, i); });
}

inline void attention_weights(const Exec&, AttentionDims d, float* weights, const float*, const float* q, const float* k,
                              const Flag*) {
  const Temporary p(d.batch * d.heads * d.time * d.time);
  scores(d, p, q, k);
  softmax_rows({d.batch * d.heads * d.time, d.time}, p);
  const Index square_size = d.time * d.time;
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first; b < first + m; ++b)
      row(weights + b * square_size, square_size) = array(p + b * d.heads * square_size, d.heads, square_size).colwise().mean();
  });
}

}  // namespace anylead::composed
