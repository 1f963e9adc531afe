#pragma once

#include "reference/similarity.hpp"

namespace anylead::reference {

inline void sampled_contrastive_forward(const Exec&, ContrastDims d, double* loss, double* logits, Flag* correct,
                                        const double* context, const double* target, const Index32* negatives,
                                        const Index32* codes, Index code_groups, double temperature, double eps) {
  *loss = 0;
  for (Index r = 0; r < d.rows; ++r) {
    double* l = logits + r * (1 + d.negatives);
    for (Index n = 0; n <= d.negatives; ++n) {
      const Index j = n == 0 ? r : negatives[r * d.negatives + n - 1];
      bool equal = n > 0;
      for (Index g = 0; g < code_groups && codes; ++g)
        equal = equal && codes[j * code_groups + g] == codes[r * code_groups + g];
      for (Index c = 0; c < d.width && !codes; ++c) equal = equal && target[j * d.width + c] == target[r * d.width + c];
      const double *u = context + r * d.width, *v = target + j * d.width;
      l[n] = equal ? -std::numeric_limits<double>::infinity()
                   : dot(u, v, d.width) / (bounded(length(u, d.width), eps) * bounded(length(v, d.width), eps)) / temperature;
    }
    *loss += log_sum_exp(l, 1 + d.negatives) - l[0];
    bool largest = true, smallest = true;
    for (Index n = 0; n <= d.negatives; ++n) {
      largest = largest && l[0] >= l[n];
      smallest = smallest && l[0] <= l[n];
    }
    correct[r] = largest && !smallest;
  }
}

inline void sampled_contrastive_backward(const Exec&, ContrastDims d, Grad<double> dcontext, Grad<double> dtarget,
                                         const double* dloss, const double* logits, const double* context, const double* target,
                                         const Index32* negatives, double temperature, double eps) {
  std::vector<double> gc = zeros(d.rows * d.width), gt = zeros(d.candidates * d.width);
  for (Index r = 0; r < d.rows; ++r) {
    const double* l = logits + r * (1 + d.negatives);
    const double all = log_sum_exp(l, 1 + d.negatives);
    for (Index n = 0; n <= d.negatives; ++n) {
      if (std::isinf(l[n])) continue;
      const Index j = n == 0 ? r : negatives[r * d.negatives + n - 1];
      const double slope = *dloss * (std::exp(l[n] - all) - (n == 0)) / temperature;
      add_cosine_slope(d.width, gc.data() + r * d.width, slope, context + r * d.width, target + j * d.width, eps);
      add_cosine_slope(d.width, gt.data() + j * d.width, slope, target + j * d.width, context + r * d.width, eps);
    }
  }
  put(dcontext, gc);
  put(dtarget, gt);
}

/// S [n, m]
inline std::vector<double> pair_scores(const PairDims& d, const double* z, const Index32* first, const Index32* second,
                                       double temperature, double eps) {
  std::vector<double> scores;
  for (Index i = 0; i < d.first; ++i)
    for (Index j = 0; j < d.second; ++j) {
      const double *u = z + first[i] * d.width, *v = z + second[j] * d.width;
      scores.push_back(dot(u, v, d.width) / (bounded(length(u, d.width), eps) * bounded(length(v, d.width), eps)) /
                       temperature);
    }
  return scores;
}

inline void pair_contrastive_forward(const Exec&, PairDims d, double* loss, double* lines, const double* z,
                                     const Index32* first, const Index32* second, const Index32* id, double temperature,
                                     double eps) {
  const std::vector<double> scores = pair_scores(d, z, first, second, temperature, eps);
  double* counts = lines + d.first + d.second;
  for (Index i = 0; i < d.first; ++i) lines[i] = log_sum_exp(scores.data() + i * d.second, d.second);
  for (Index j = 0; j < d.second; ++j) lines[d.first + j] = log_sum_exp(scores.data() + j, d.first, d.second);
  for (Index i = 0; i < d.first + d.second; ++i) counts[i] = 0;
  double sum = 0, positives = 0;
  for (Index i = 0; i < d.first; ++i)
    for (Index j = 0; j < d.second; ++j)
      if (id[first[i]] == id[second[j]]) {
        const double s = scores[static_cast<std::size_t>(i * d.second + j)];
        sum -= (s - lines[i]) / 2 + (s - lines[d.first + j]) / 2;
        positives += 1;
        counts[i] += 1;
        counts[d.first + j] += 1;
      }
  *loss = positives > 0 ? sum / positives : 0;
}

inline void pair_contrastive_backward(const Exec&, PairDims d, bool detached, Grad<double> dz, const double* dloss,
                                      const double* lines, const double* z, const Index32* first, const Index32* second,
                                      const Index32* id, double temperature, double eps) {
  const std::vector<double> scores = pair_scores(d, z, first, second, temperature, eps);
  std::vector<double> ds = zeros(d.first * d.second), gz = zeros(d.rows * d.width);
  const double* counts = lines + d.first + d.second;
  double positives = 0;
  for (Index i = 0; i < d.first; ++i) positives += counts[i];
  for (Index i = 0; i < d.first && positives > 0; ++i)
    for (Index j = 0; j < d.second; ++j) {
      const auto at = static_cast<std::size_t>(i * d.second + j);
      ds[at] = *dloss / positives / 2 *
               (counts[i] * std::exp(scores[at] - lines[i]) + counts[d.first + j] * std::exp(scores[at] - lines[d.first + j]) -
                (id[first[i]] == id[second[j]] ? 2 : 0));
    }
  for (Index i = 0; i < d.first; ++i)
    for (Index j = 0; j < d.second; ++j) {
      const double slope = ds[static_cast<std::size_t>(i * d.second + j)] / temperature;
      const double *u = z + first[i] * d.width, *v = z + second[j] * d.width;
      double *gu = gz.data() + first[i] * d.width, *gv = gz.data() + second[j] * d.width;
      if (detached) {
        const double n = bounded(length(u, d.width), eps) * bounded(length(v, d.width), eps);
        for (Index c = 0; c < d.width; ++c) {
          gu[c] += slope * v[c] / n;
          gv[c] += slope * u[c] / n;
        }
      } else {
        add_cosine_slope(d.width, gu, slope, u, v, eps);
        add_cosine_slope(d.width, gv, slope, v, u, eps);
      }
    }
  put(dz, gz);
}

}  // namespace anylead::reference
