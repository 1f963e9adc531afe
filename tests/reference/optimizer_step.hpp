#pragma once

#include "reference/put.hpp"

namespace anylead::reference {

inline double sum_squares(const Exec&, const AdamSegment<double>* segments, Index count) {
  double sum = 0;
  for (Index s = 0; s < count; ++s)
    for (Index i = 0; i < segments[s].count; ++i) sum += segments[s].grad[i] * segments[s].grad[i];
  return sum;
}

inline void adam_step(const Exec&, AdamDims d, const AdamSegment<double>* segments, Index count) {
  const auto k = static_cast<double>(d.step);
  for (Index s = 0; s < count; ++s)
    for (Index i = 0; i < segments[s].count; ++i) {
      double &p = segments[s].value[i], &m = segments[s].mean[i], &v = segments[s].square[i];
      const double g = d.grad_scale * segments[s].grad[i];
      m = d.beta1 * m + (1 - d.beta1) * g;
      v = d.beta2 * v + (1 - d.beta2) * g * g;
      if (segments[s].decays) p -= d.rate * d.decay * p;
      if (d.corrected_epsilon)
        p -= d.rate * m / (1 - std::pow(d.beta1, k)) / (std::sqrt(v / (1 - std::pow(d.beta2, k))) + d.epsilon);
      else
        p -= d.rate * std::sqrt(1 - std::pow(d.beta2, k)) / (1 - std::pow(d.beta1, k)) * m / (std::sqrt(v) + d.epsilon);
    }
}

}  // namespace anylead::reference
