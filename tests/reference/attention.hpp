#pragma once

#include "reference/similarity.hpp"

namespace anylead::reference {

/// scores [T] of one query: q k^T / sqrt(D), -infinity where padded.
inline std::vector<double> attention_scores(const AttentionDims& d, Index b, Index h, Index i, const double* q, const double* k,
                                            const Flag* padding) {
  const Index width = d.heads * d.head_width;
  std::vector<double> s = zeros(d.time);
  for (Index j = 0; j < d.time; ++j)
    s[static_cast<std::size_t>(j)] = padding && padding[b * d.time + j]
                                         ? -std::numeric_limits<double>::infinity()
                                         : dot(q + (b * d.time + i) * width + h * d.head_width,
                                               k + (b * d.time + j) * width + h * d.head_width, d.head_width) /
                                               std::sqrt(static_cast<double>(d.head_width));
  return s;
}

/// Calls f(b, h, i, j, p, factor): the probability of key j for query i, and its dropout factor.
template <class F>
void each_probability(const AttentionDims& d, const double* logsum, const double* q, const double* k, const Flag* padding,
                      const Dropout& dropout, F&& f) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index h = 0; h < d.heads; ++h)
      for (Index i = 0; i < d.time; ++i) {
        const std::vector<double> s = attention_scores(d, b, h, i, q, k, padding);
        for (Index j = 0; j < d.time; ++j) {
          const Index row = (b * d.heads + h) * d.time + i;
          f(b, h, i, j, std::exp(s[static_cast<std::size_t>(j)] - logsum[row]),
            double(dropout.factor(static_cast<std::uint64_t>(row * d.time + j))));
        }
      }
}

inline void attention_forward(const Exec&, AttentionDims d, double* y, double* logsum, const double* q, const double* k,
                              const double* v, const Flag* padding, Dropout dropout) {
  const Index width = d.heads * d.head_width;
  for (Index b = 0; b < d.batch; ++b)
    for (Index h = 0; h < d.heads; ++h)
      for (Index i = 0; i < d.time; ++i) {
        const double l = log_sum_exp(attention_scores(d, b, h, i, q, k, padding).data(), d.time);
        logsum[(b * d.heads + h) * d.time + i] = std::isinf(l) && l < 0 ? 0 : l;
      }
  for (Index i = 0; i < d.batch * d.time * width; ++i) y[i] = 0;
  each_probability(d, logsum, q, k, padding, dropout, [&](Index b, Index h, Index i, Index j, double p, double factor) {
    for (Index c = h * d.head_width; c < (h + 1) * d.head_width; ++c)
      y[(b * d.time + i) * width + c] += p * factor * v[(b * d.time + j) * width + c];
  });
}

inline void attention_backward(const Exec&, AttentionDims d, Grad<double> dq, Grad<double> dk, Grad<double> dv,
                               const double* dy, const double* y, const double* logsum, const double* q, const double* k,
                               const double* v, const Flag* padding, Dropout dropout) {
  const Index width = d.heads * d.head_width, n = d.batch * d.time * width;
  std::vector<double> gq = zeros(n), gk = zeros(n), gv = zeros(n);
  each_probability(d, logsum, q, k, padding, dropout, [&](Index b, Index h, Index i, Index j, double p, double factor) {
    const Index at_i = (b * d.time + i) * width + h * d.head_width, at_j = (b * d.time + j) * width + h * d.head_width;
    const double dp = factor * dot(dy + at_i, v + at_j, d.head_width);
    const double ds = p * (dp - dot(dy + at_i, y + at_i, d.head_width)) / std::sqrt(static_cast<double>(d.head_width));
    for (Index c = 0; c < d.head_width; ++c) {
      gq[static_cast<std::size_t>(at_i + c)] += ds * k[at_j + c];
      gk[static_cast<std::size_t>(at_j + c)] += ds * q[at_i + c];
      gv[static_cast<std::size_t>(at_j + c)] += p * factor * dy[at_i + c];
    }
  });
  put(dq, gq);
  put(dk, gk);
  put(dv, gv);
}

inline void attention_weights(const Exec&, AttentionDims d, double* weights, const double* logsum, const double* q,
                              const double* k, const Flag* padding) {
  for (Index i = 0; i < d.batch * d.time * d.time; ++i) weights[i] = 0;
  each_probability(d, logsum, q, k, padding, {}, [&](Index b, Index, Index i, Index j, double p, double) {
    weights[(b * d.time + i) * d.time + j] += p / static_cast<double>(d.heads);
  });
}

}  // namespace anylead::reference
