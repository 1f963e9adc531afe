// Affine maps of the last axis.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

namespace detail {

template <Real T>
LinearDims linear_dims(std::string_view name, const Var<T>& x, const Var<T>& weight, const Var<T>& bias) {
  ANYLEAD_CHECK(x.shape().rank() >= 1 && weight.shape().rank() == 2 && weight.shape()[1] == x.shape()[-1], ShapeError, name,
                "weight ", weight.shape(), " does not fit x ", x.shape(), ": expected [out, ",
                x.shape().rank() ? x.shape()[-1] : 0, "]");
  ANYLEAD_CHECK(!bias.defined() || bias.shape() == Shape({weight.shape()[0]}), ShapeError, name, "bias ", bias.shape(),
                ", expected [", weight.shape()[0], "]");
  check_devices(name, x, weight, bias);
  return {x.shape().rows(), weight.shape()[1], weight.shape()[0]};
}

}  // namespace detail

/// y = x W^T + b over the last axis. x: [..., in]; weight: [out, in]; bias: [out] or undefined; y: [..., out].
/// Keeps x. @throws ShapeError
template <Real T>
Var<T> linear(const Var<T>& x, const Var<T>& weight, const Var<T>& bias = {}) {
  const LinearDims d = detail::linear_dims("linear", x, weight, bias);
  Tensor<T> y(x.shape().with_last(d.out), x.device());
  detail::run<T>(x.device(), "linear", &OpTable<T>::linear_forward, d, y.data(), x.data(), weight.data(),
                 detail::data_or_null(bias));
  return record(std::move(y), {&x, &weight, &bias}, [d, x = x.value(), w = weight.value()](Gradients<T>& g) {
    detail::run<T>(x.device(), "linear", &OpTable<T>::linear_backward, d, g[0], g[1], g[2], g.out(), x.data(), w.data());
  });
}

/// y = gelu(z) W^T + b: the second half of a feed-forward layer. z: [..., in]; weight: [out, in]; bias: [out]; y: [..., out].
/// Keeps z alone; backward computes gelu(z) anew, which is cheaper than keeping it. @throws ShapeError
template <Real T>
Var<T> gelu_linear(const Var<T>& z, const Var<T>& weight, const Var<T>& bias = {}) {
  const LinearDims d = detail::linear_dims("gelu_linear", z, weight, bias);
  Tensor<T> y(z.shape().with_last(d.out), z.device());
  {
    const Tensor<T> h = Tensor<T>::like(z.value());
    detail::run<T>(z.device(), "gelu_linear", &OpTable<T>::gelu_linear_forward, d, y.data(), h.data(), z.data(), weight.data(),
                   detail::data_or_null(bias));
  }
  return record(std::move(y), {&z, &weight, &bias}, [d, z = z.value(), w = weight.value()](Gradients<T>& g) {
    const Tensor<T> h = Tensor<T>::like(z);
    detail::run<T>(z.device(), "gelu_linear", &OpTable<T>::gelu_linear_backward, d, g[0], g[1], g[2], h.data(), g.out(),
                   z.data(), w.data());
  });
}

}  // namespace anylead::ops
