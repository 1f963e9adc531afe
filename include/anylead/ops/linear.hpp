// Affine maps of the last axis.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

namespace detail {

template <Real T>
LinearDims linear_dims(std::string_view name, const Var<T>& x, const Var<T>& weight, const Var<T>& bias, Precision precision) {
  ANYLEAD_CHECK(x.shape().rank() >= 1 && weight.shape().rank() == 2 && weight.shape()[1] == x.shape()[-1], ShapeError, name,
                "weight ", weight.shape(), " does not fit x ", x.shape(), ": expected [out, ",
                x.shape().rank() ? x.shape()[-1] : 0, "]");
  ANYLEAD_CHECK(!bias.defined() || bias.shape() == Shape({weight.shape()[0]}), ShapeError, name, "bias ", bias.shape(),
                ", expected [", weight.shape()[0], "]");
  check_devices(name, x, weight, bias);
  return {x.shape().rows(), weight.shape()[1], weight.shape()[0], precision};
}

}  // namespace detail

/// y = x W^T + b over the last axis. x: [..., in]; weight: [out, in]; bias: [out] or undefined; y: [..., out].
/// Keeps x. precision: of the products, forward and backward. @throws ShapeError
template <Real T>
Var<T> linear(const Var<T>& x, const Var<T>& weight, const Var<T>& bias = {}, Precision precision = Precision::full) {
  const LinearDims d = detail::linear_dims("linear", x, weight, bias, precision);
  Tensor<T> y(x.shape().with_last(d.out), x.device());
  detail::run<T>(x.device(), "linear", &OpTable<T>::linear_forward, d, y.data(), x.data(), weight.data(),
                 detail::data_or_null(bias));
  return record(std::move(y), {&x, &weight, &bias}, [d, x = x.kept(), w = weight.value()](Gradients<T>& g) {
    detail::run<T>(w.device(), "linear", &OpTable<T>::linear_backward, d, g[0], g[1], g[2], g.out(), x.value().data(),
                   w.data());
  });
}

/// A weight in the order in which the device's products read it, for inference: no gradient goes through it.
template <Real T>
struct PreparedLinear {
  LinearDims dims = {0, 0, 0};
  Tensor<T> data = {};
};

/// weight: [out, in]. Without data where the device has no such form. @throws ShapeError
template <Real T>
PreparedLinear<T> prepare_linear(const Tensor<T>& weight, Precision precision = Precision::full) {
  ANYLEAD_CHECK(weight.shape().rank() == 2, ShapeError, "prepare_linear", "expected a weight [out, in], found ",
                weight.shape());
  const LinearDims d = {0, weight.shape()[1], weight.shape()[0], precision};
  const auto& table = weight.device().backend().template ops<T>();
  if (!table.linear_prepared_size) return {};
  const Tensor<T> data({table.linear_prepared_size(weight.device().exec(), d)}, weight.device());
  detail::run<T>(weight.device(), "prepare_linear", &OpTable<T>::linear_prepare, d, data.data(), weight.data());
  return {d, data};
}

/// y = x W^T + b with a prepared weight, to the same bits. x: [..., in], not on a tape; bias: [out] or undefined.
/// @throws ShapeError, Error if a gradient would be needed
template <Real T>
Var<T> linear(const Var<T>& x, const PreparedLinear<T>& weight, const Var<T>& bias = {}) {
  LinearDims d = weight.dims;
  ANYLEAD_CHECK(!x.tape(), Error, "linear", "a layer prepared for inference has no gradient; load its weights again to train");
  ANYLEAD_CHECK(x.shape().rank() >= 1 && x.shape()[-1] == d.in, ShapeError, "linear", "x ", x.shape(), ", expected [..., ",
                d.in, "]");
  ANYLEAD_CHECK(!bias.defined() || bias.shape() == Shape({d.out}), ShapeError, "linear", "bias ", bias.shape(), ", expected [",
                d.out, "]");
  detail::check_devices("linear", x, weight.data, bias);
  d.rows = x.shape().rows();
  Tensor<T> y(x.shape().with_last(d.out), x.device());
  detail::run<T>(x.device(), "linear", &OpTable<T>::linear_prepared_forward, d, y.data(), x.data(), weight.data.data(),
                 detail::data_or_null(bias));
  return Var<T>(std::move(y));
}

/// y = gelu(z) W^T + b: the second half of a feed-forward layer. z: [..., in]; weight: [out, in]; bias: [out]; y: [..., out].
/// Keeps z alone; backward computes gelu(z) anew, which is cheaper than keeping it. @throws ShapeError
template <Real T>
Var<T> gelu_linear(const Var<T>& z, const Var<T>& weight, const Var<T>& bias = {}, Precision precision = Precision::full) {
  const LinearDims d = detail::linear_dims("gelu_linear", z, weight, bias, precision);
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
