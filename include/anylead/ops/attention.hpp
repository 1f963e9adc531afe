// Multi-head scaled dot-product attention.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

namespace detail {

template <Real T>
AttentionDims attention_dims(const Var<T>& q, const Var<T>& k, const Var<T>& v, Index heads, const Tensor<Flag>& padding,
                             Precision precision = Precision::full) {
  ANYLEAD_CHECK(q.shape().rank() == 3 && k.shape() == q.shape() && v.shape() == q.shape(), ShapeError, "attention",
                "expected q, k, v of one shape [B, T, E], found ", q.shape(), ", ", k.shape(), ", ", v.shape());
  const Shape& s = q.shape();
  ANYLEAD_CHECK(heads > 0 && s[2] % heads == 0, ShapeError, "attention", "width ", s[2], " in ", heads, " heads");
  ANYLEAD_CHECK(!padding.defined() || padding.shape() == Shape({s[0], s[1]}), ShapeError, "attention", "padding ",
                padding.shape(), " for q ", s);
  check_devices("attention", q, k, v, padding);
  return {s[0], s[1], heads, s[2] / heads, precision};
}

}  // namespace detail

/// y = softmax(q k^T / sqrt(D)) v for each segment and head, dropout on the probabilities. q, k, v, y: [B, T, H D].
/// padding: [B, T] (1: the key is left out) or undefined. Keeps q, k, v, y and the log-sum-exp of each row; the probabilities
/// are computed again in backward. @throws ShapeError. Reference: Vaswani et al. 2017, eq. 1.
template <Real T>
Var<T> attention(const Var<T>& q, const Var<T>& k, const Var<T>& v, Index heads, const Tensor<Flag>& padding = {},
                 Dropout dropout = {}, Precision precision = Precision::full) {
  const AttentionDims d = detail::attention_dims(q, k, v, heads, padding, precision);
  Tensor<T> y = Tensor<T>::like(q.value());
  const Tensor<T> logsum({d.batch, d.heads, d.time}, q.device());
  detail::run<T>(q.device(), "attention", &OpTable<T>::attention_forward, d, y.data(), logsum.data(), q.data(), k.data(),
                 v.data(), padding.data(), dropout);
  return record(y, {&q, &k, &v}, [=, q = q.value(), k = k.value(), v = v.value()](Gradients<T>& g) {
    detail::run<T>(q.device(), "attention", &OpTable<T>::attention_backward, d, g[0], g[1], g[2], g.out(), y.data(),
                   logsum.data(), q.data(), k.data(), v.data(), padding.data(), dropout);
  });
}

/// The probabilities averaged over heads, [B, T, T] (query, key): for pictures and saliency, without gradient or dropout.
template <Real T>
Tensor<T> attention_weights(const Var<T>& q, const Var<T>& k, Index heads, const Tensor<Flag>& padding = {}) {
  const AttentionDims d = detail::attention_dims(q, k, k, heads, padding);
  const Tensor<T> y = Tensor<T>::like(q.value()), logsum({d.batch, d.heads, d.time}, q.device());
  Tensor<T> weights({d.batch, d.time, d.time}, q.device());
  detail::run<T>(q.device(), "attention", &OpTable<T>::attention_forward, d, y.data(), logsum.data(), q.data(), k.data(),
                 k.data(), padding.data(), Dropout{});
  detail::run<T>(q.device(), "attention_weights", &OpTable<T>::attention_weights, d, weights.data(), logsum.data(), q.data(),
                 k.data(), padding.data());
  return weights;
}

}  // namespace anylead::ops
