// One pass of Adam over all tensors. @see core/op_table.hpp
#pragma once

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

template <class T>
double sum_squares(const Exec&, const AdamSegment<T>* segments, Index count) {
  double total = 0;
  for (Index i = 0; i < count; ++i) total += sum_of_squares(segments[i].count, segments[i].grad);
  return total;
}

struct AdamPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(AdamSegment<T> s, Index begin, Index n, AdamDims d, double correction1, double correction2) {
    const T b1 = static_cast<T>(d.beta1), b2 = static_cast<T>(d.beta2), c1 = static_cast<T>(1 - d.beta1),
            c2 = static_cast<T>(1 - d.beta2), scale = static_cast<T>(d.grad_scale), eps = static_cast<T>(d.epsilon);
    const T keep = s.decays ? static_cast<T>(1 - d.rate * d.decay) : T(1);
    // the reference: rate sqrt(1 - b2^k) / (1 - b1^k) m / (sqrt(v) + eps)
    const T rate = static_cast<T>(d.corrected_epsilon ? d.rate / correction1 : d.rate * std::sqrt(correction2) / correction1);
    const T root = static_cast<T>(d.corrected_epsilon ? 1 / std::sqrt(correction2) : 1);
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto g = at(s.grad + begin) * scale;
      const auto m = at(s.mean + begin) * b1 + g * c1;
      const auto v = at(s.square + begin) * b2 + g * g * c2;
      at.store(s.mean + begin, m);
      at.store(s.square + begin, v);
      at.store(s.value + begin, at(s.value + begin) * keep - m * rate / (sqrt(v) * root + eps));
    });
  }
};

template <class T>
void adam_step(const Exec&, AdamDims d, const AdamSegment<T>* segments, Index count) {
  const double correction1 = 1 - std::pow(d.beta1, static_cast<double>(d.step));
  const double correction2 = 1 - std::pow(d.beta2, static_cast<double>(d.step));
  for (Index i = 0; i < count; ++i)
    parallel_for(segments[i].count, kElementGrain, [&](Index begin, Index end) {
      with_isa<AdamPass>(segments[i], begin, end - begin, d, correction1, correction2);
    });
}

}  // namespace anylead::cpu_ops
