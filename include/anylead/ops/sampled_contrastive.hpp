// The local contrastive loss, against sampled negatives.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

template <Real T>
struct SampledContrastive {
  Var<T> loss;           ///< scalar: sum over rows of the cross entropy with class 0
  Tensor<T> logits;      ///< [R, 1 + N]
  Tensor<Flag> correct;  ///< [R] 1 where the positive wins
};

/// InfoNCE over cosine similarities: logits[r] = cos(context[r], [target[r]; target[negatives[r]]]) / temperature,
/// loss = sum_r -log softmax(logits[r])[0]. A negative equal to the positive gets -inf: equal means equal codes, or, without
/// codes, equal vectors. Nothing of size [R, N, D] is made. context, target: [..., D] with R rows each; negatives: [R, N] row
/// numbers of target; codes: [R, G] or undefined. Keeps context, target and logits. @throws ShapeError. Reference: Baevski et
/// al. 2020, eq. 3.
template <Real T>
SampledContrastive<T> sampled_contrastive(const Var<T>& context, const Var<T>& target, const Tensor<Index32>& negatives,
                                          const Tensor<Index32>& codes, double temperature = 0.1, double eps = 1e-8) {
  const ContrastDims d = {context.shape().rows(), target.shape().rows(), context.shape()[-1],
                          negatives.shape().rank() == 2 ? negatives.shape()[1] : -1};
  ANYLEAD_CHECK(context.shape()[-1] == target.shape()[-1] && d.candidates >= d.rows && d.negatives >= 0 &&
                    negatives.shape()[0] == d.rows &&
                    (!codes.defined() || (codes.shape().rank() == 2 && codes.shape()[0] == d.candidates)),
                ShapeError, "sampled_contrastive", "context ", context.shape(), ", target ", target.shape(), ", negatives ",
                negatives.shape(), ", codes ", codes.shape());
  detail::check_devices("sampled_contrastive", context, target, negatives, codes);
  const Device device = context.device();
  SampledContrastive<T> out;
  Tensor<T> loss(Shape{}, device);
  out.logits = Tensor<T>({d.rows, 1 + d.negatives}, device);
  out.correct = Tensor<Flag>({d.rows}, device);
  detail::run<T>(device, "sampled_contrastive", &OpTable<T>::sampled_contrastive_forward, d, loss.data(), out.logits.data(),
                 out.correct.data(), context.data(), target.data(), negatives.data(), codes.data(),
                 codes.defined() ? codes.shape()[1] : Index{0}, T(temperature), T(eps));
  out.loss =
      record(std::move(loss), {&context, &target},
             [=, logits = out.logits, context = context.value(), target = target.value()](Gradients<T>& g) {
               detail::run<T>(device, "sampled_contrastive", &OpTable<T>::sampled_contrastive_backward, d, g[0], g[1], g.out(),
                              logits.data(), context.data(), target.data(), negatives.data(), T(temperature), T(eps));
             });
  return out;
}

}  // namespace anylead::ops
