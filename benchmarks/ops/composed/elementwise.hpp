#pragma once

#include <unsupported/Eigen/SpecialFunctions>

#include "ops/composed/passes.hpp"

namespace anylead::composed {

inline void fill(const Exec&, Index n, float* y, float value) {
  pass(n, [&](Index i, Index m) { array(y + i, m).setConstant(value); });
}

inline void scale(const Exec&, Index n, Grad<float> y, const float* x, float factor) {
  pass(n, [&](Index i, Index m) { array(y.data + i, m) = array(x + i, m) * factor; });
}

/// to [n] = f of each random word, drawn block by block.
template <class F>
void draw(Index n, float* to, const RandomStream& stream, F&& f) {
  pass((n + 63) / 64, [&](Index first, Index count) {
    for (Index block = first * 16; block < (first + count) * 16; ++block) {
      const PhiloxBlock words = stream.block(static_cast<std::uint64_t>(block));
      for (std::uint64_t w = 0; w < 4; ++w)
        if (const auto i = static_cast<Index>(RandomStream::number(static_cast<std::uint64_t>(block), w)); i < n)
          to[i] = f(words.word[w]);
    }
  });
}

inline void draw_mask(Index n, float* mask, const Dropout& dropout) {
  draw(n, mask, dropout.stream, [&](std::uint32_t word) { return dropout.factor_of(word); });
}

inline void dropout_add_forward(const Exec&, Index n, float* y, const float* x, const float* a, Dropout dropout) {
  const Temporary dropped(n);
  const float* from = a;
  if (dropout.p != 0) {
    draw_mask(n, dropped, dropout);
    pass(n, [&](Index i, Index m) { array(dropped + i, m) *= array(a + i, m); });
    from = dropped;
  }
  pass(n, [&](Index i, Index m) {
    if (x)
      array(y + i, m) = array(x + i, m) + array(from + i, m);
    else
      array(y + i, m) = array(from + i, m);
  });
}

inline void dropout_add_backward(const Exec& e, Index n, Grad<float> dx, Grad<float> da, const float* dy, Dropout dropout) {
  const Temporary mask(n);
  draw_mask(n, mask, dropout);
  scale(e, n, dx, dy, 1);
  pass(n, [&](Index i, Index m) { array(da.data + i, m) = array(dy + i, m) * array(mask + i, m); });
}

inline constexpr float kRootHalf = 0.70710678f, kDensity = 0.39894228f;

inline void gelu_forward(const Exec&, Index n, float* y, const float* x) {
  pass(n, [&](Index i, Index m) { array(y + i, m) = 0.5f * array(x + i, m) * (1 + (array(x + i, m) * kRootHalf).erf()); });
}

inline void gelu_backward(const Exec&, Index n, Grad<float> dx, const float* dy, const float* x) {
  pass(n, [&](Index i, Index m) {
    const auto v = array(x + i, m);
    array(dx.data + i, m) = array(dy + i, m) * (0.5f * (1 + (v * kRootHalf).erf()) + v * (v.square() * -0.5f).exp() * kDensity);
  });
}

inline void gumbel_noise(const Exec&, Index n, float* noise, RandomStream stream) {
  const Temporary uniform(n);
  draw(n, uniform, stream, [](std::uint32_t word) { return RandomStream::uniform_of(word); });
  pass(n, [&](Index i, Index m) {
    array(noise + i, m) = (-(-(array(uniform + i, m).cast<double>() + 0x1p-25).log()).log()).cast<float>();
  });
}

inline double sum_squares(const Exec&, const AdamSegment<float>* segments, Index count) {
  double total = 0;
  for (Index s = 0; s < count; ++s) {
    Eigen::ArrayXd parts = Eigen::ArrayXd::Zero(threads());
    const Index n = segments[s].count, share = (n + threads() - 1) / threads();
    pass(n, [&](Index i, Index m) { parts[i / share] = double(array(segments[s].grad + i, m).square().sum()); });
    total += parts.sum();
  }
  return total;
}

inline void mean_square_forward(const Exec& e, Index n, float* y, const float* x) {
  const AdamSegment<float> all = {nullptr, x, nullptr, nullptr, n, false};
  *y = static_cast<float>(sum_squares(e, &all, 1) / static_cast<double>(n));
}

inline void mean_square_backward(const Exec& e, Index n, Grad<float> dx, const float* dy, const float* x) {
  scale(e, n, dx, x, *dy * 2 / static_cast<float>(n));
}

/// Moments first, then the step, as the formula is written.
inline void adam_step(const Exec&, AdamDims d, const AdamSegment<float>* segments, Index count) {
  const double correction1 = 1 - std::pow(d.beta1, d.step), correction2 = 1 - std::pow(d.beta2, d.step);
  const auto b1 = static_cast<float>(d.beta1), b2 = static_cast<float>(d.beta2), eps = static_cast<float>(d.epsilon);
  const auto rate = static_cast<float>(d.rate * std::sqrt(correction2) / correction1);
  for (const AdamSegment<float>* s = segments; s < segments + count; ++s) {
    const Temporary g(s->count), step(s->count);
    pass(s->count, [&](Index i, Index m) { array(g + i, m) = array(s->grad + i, m) * static_cast<float>(d.grad_scale); });
    pass(s->count, [&](Index i, Index m) { array(s->mean + i, m) = array(s->mean + i, m) * b1 + array(g + i, m) * (1 - b1); });
    pass(s->count, [&](Index i, Index m) {
      array(s->square + i, m) = array(s->square + i, m) * b2 + array(g + i, m).square() * (1 - b2);
    });
    pass(s->count,
         [&](Index i, Index m) { array(step + i, m) = array(s->mean + i, m) / (array(s->square + i, m).sqrt() + eps); });
    if (s->decays)
      pass(s->count, [&](Index i, Index m) { array(s->value + i, m) *= static_cast<float>(1 - d.rate * d.decay); });
    pass(s->count, [&](Index i, Index m) { array(s->value + i, m) -= rate * array(step + i, m); });
  }
}

}  // namespace anylead::composed
