// Product quantisation by the Gumbel softmax.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// n numbers -log(-log u) of the stream, of the given shape.
template <Real T>
Tensor<T> gumbel_noise(const Shape& shape, RandomStream stream, const Device& device) {
  Tensor<T> noise(shape, device);
  detail::run<T>(device, "gumbel_noise", &OpTable<T>::gumbel_noise, shape.count(), noise.data(), stream);
  return noise;
}

template <Real T>
struct Quantized {
  Var<T> vectors;             ///< [..., G D] chosen codebook rows, groups side by side
  Var<T> prob_perplexity;     ///< scalar, of the mean softmax
  Tensor<T> code_perplexity;  ///< scalar, of the argmax frequencies
  Tensor<Index32> codes;      ///< [R, G] chosen entry of each group
  Tensor<T> usage;            ///< [2, G, V] mean softmax of the logits; frequency of their argmax
};

/// One codebook entry per group: the argmax of logits + noise, differentiated as softmax((logits + noise) / tau) (straight
/// through). logits: [..., G V]; noise: as many numbers, or undefined: plain argmax, which passes no gradient to the logits
/// (evaluation); vars: [G V, D] (with a leading 1 or not), or [V, D] with shared = true. Perplexities: sum over groups of
/// exp(-sum_v p log(p + 1e-7)); p from the logits without noise and temperature. Keeps logits and noise. @throws ShapeError.
/// Reference: Baevski et al. 2020, eq. 1 and section 3.2; Jang et al. 2017.
template <Real T>
Quantized<T> gumbel_quantize(const Var<T>& logits, const Var<T>& vars, Index groups, const Tensor<T>& noise, double tau,
                             bool shared = false) {
  const Index width = vars.shape().rank() ? vars.shape()[-1] : 0, rows = vars.shape().rows();
  const Index entries = groups > 0 ? (shared ? rows : rows / groups) : 0;
  ANYLEAD_CHECK(groups > 0 && entries > 0 && logits.shape().rank() >= 1 && logits.shape()[-1] == groups * entries &&
                    (shared || rows % groups == 0),
                ShapeError, "gumbel_quantize", "logits ", logits.shape(), " and vars ", vars.shape(), " in ", groups,
                " groups");
  ANYLEAD_CHECK(!noise.defined() || noise.count() == logits.value().count(), ShapeError, "gumbel_quantize", "noise ",
                noise.shape(), " for logits ", logits.shape());
  ANYLEAD_CHECK(tau > 0, OptionError, "gumbel_quantize", "temperature ", tau, " is not positive");
  detail::check_devices("gumbel_quantize", logits, vars, noise);
  const Device device = logits.device();
  const QuantizeDims d = {logits.shape().rows(), groups, entries, width};
  Tensor<T> y(logits.shape().with_last(groups * width), device), perplexity;
  Quantized<T> q;
  q.codes = Tensor<Index32>({d.rows, groups}, device);
  {
    const Headroom exact(1);  // no size that changes with the number of rows
    perplexity = Tensor<T>({2}, device);
    q.usage = Tensor<T>({2, groups, entries}, device);
  }
  detail::run<T>(device, "gumbel_quantize", &OpTable<T>::gumbel_quantize_forward, d, shared, y.data(), q.codes.data(),
                 q.usage.data(), perplexity.data(), logits.data(), noise.data(), vars.data());
  q.code_perplexity = perplexity.slice(1, 2).reshaped(Shape{});
  auto outputs = record<T>(
      {std::move(y), perplexity.slice(0, 1).reshaped(Shape{})}, {&logits, &vars},
      [=, codes = q.codes, usage = q.usage, logits = logits.value(), vars = vars.value()](Gradients<T>& g) {
        detail::run<T>(device, "gumbel_quantize", &OpTable<T>::gumbel_quantize_backward, d, shared, g[0], g[1], g.out(0),
                       g.out(1), logits.data(), noise.data(), vars.data(), codes.data(), usage.data(), T(tau));
      });
  q.vectors = std::move(outputs[0]);
  q.prob_perplexity = std::move(outputs[1]);
  return q;
}

}  // namespace anylead::ops
