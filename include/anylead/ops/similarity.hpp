// Building blocks of contrastive losses; the fused losses are tested against them.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// y = x - log sum exp x over the last axis, any shape. Keeps y.
template <Real T>
Var<T> log_softmax(const Var<T>& x) {
  const RowDims d = {x.shape().rows(), x.shape()[-1]};
  Tensor<T> y = Tensor<T>::like(x.value());
  detail::run<T>(x.device(), "log_softmax", &OpTable<T>::log_softmax_forward, d, y.data(), x.data());
  return record(y, {&x}, [d, y](Gradients<T>& g) {
    detail::run<T>(y.device(), "log_softmax", &OpTable<T>::log_softmax_backward, d, g[0], g.out(), y.data());
  });
}

/// y = <a, b> / (max(|a|, eps) max(|b|, eps)) over the last axis; a: [..., C], b: [S, ..., C] or of a's shape; y: b's shape
/// without the last axis. Keeps a, b and y. @throws ShapeError
template <Real T>
Var<T> cosine_similarity(const Var<T>& a, const Var<T>& b, double eps = 1e-8) {
  const RowDims d = {a.shape().rows(), a.shape()[-1]};
  const bool repeated = b.shape().rank() == a.shape().rank() + 1;
  bool fits = b.shape().rank() >= a.shape().rank() && (repeated || b.shape().rank() == a.shape().rank());
  for (int i = 1; fits && i <= a.shape().rank(); ++i) fits = a.shape()[-i] == b.shape()[-i];
  ANYLEAD_CHECK(fits, ShapeError, "cosine_similarity", "a ", a.shape(), ", b ", b.shape());
  detail::check_devices("cosine_similarity", a, b);
  const Index repeats = repeated ? b.shape()[0] : 1;
  Tensor<T> y(Shape(std::vector<Index>(b.shape().begin(), b.shape().end() - 1)), a.device());
  detail::run<T>(a.device(), "cosine_similarity", &OpTable<T>::cosine_forward, d, repeats, y.data(), a.data(), b.data(),
                 T(eps));
  return record(y, {&a, &b}, [=, a = a.value(), b = b.value()](Gradients<T>& g) {
    detail::run<T>(y.device(), "cosine_similarity", &OpTable<T>::cosine_backward, d, repeats, g[0], g[1], g.out(), y.data(),
                   a.data(), b.data(), T(eps));
  });
}

}  // namespace anylead::ops
