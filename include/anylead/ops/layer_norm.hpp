// Layer norm, alone and after a residual sum.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

namespace detail {

template <Real T>
RowDims layer_norm_dims(std::string_view name, const Var<T>& x, const Var<T>& weight, const Var<T>& bias) {
  ANYLEAD_CHECK(x.shape().rank() >= 1, ShapeError, name, "x is a scalar");
  const Shape expected = {x.shape()[-1]};
  ANYLEAD_CHECK(weight.shape() == expected && bias.shape() == expected, ShapeError, name, "weight ", weight.shape(),
                " and bias ", bias.shape(), " do not fit x ", x.shape(), ": expected ", expected);
  check_devices(name, x, weight, bias);
  return {x.shape().rows(), x.shape()[-1]};
}

/// The output of a layer norm from its input, once more.
template <Real T>
auto layer_norm_again(RowDims d, Tensor<T> mean, Tensor<T> rstd, Tensor<T> x, Tensor<T> weight, Tensor<T> bias, T eps) {
  return [=] {
    Tensor<T> y = Tensor<T>::like(x);
    run<T>(x.device(), "layer_norm", &OpTable<T>::layer_norm_forward, d, y.data(), mean.data(), rstd.data(), x.data(),
           weight.data(), bias.data(), eps);
    return y;
  };
}

}  // namespace detail

/// y = (x - mean) / sqrt(var + eps) * weight + bias over the last axis, biased variance. x, y: [..., C]; weight, bias: [C].
/// Keeps x, mean and 1 / deviation; ops that keep y compute it again. @throws ShapeError. Reference: Ba et al. 2016, eq. 3.
template <Real T>
Var<T> layer_norm(const Var<T>& x, const Var<T>& weight, const Var<T>& bias, double eps = 1e-5) {
  const RowDims d = detail::layer_norm_dims("layer_norm", x, weight, bias);
  Tensor<T> y = Tensor<T>::like(x.value());
  const Tensor<T> mean({d.rows}, x.device()), rstd({d.rows}, x.device());
  detail::run<T>(x.device(), "layer_norm", &OpTable<T>::layer_norm_forward, d, y.data(), mean.data(), rstd.data(), x.data(),
                 weight.data(), bias.data(), T(eps));
  const Var<T> out =
      record(std::move(y), {&x, &weight, &bias}, [d, mean, rstd, x = x.value(), w = weight.value()](Gradients<T>& g) {
        detail::run<T>(x.device(), "layer_norm", &OpTable<T>::layer_norm_backward, d, g[0], g[1], g[2], g.out(), x.data(),
                       w.data(), mean.data(), rstd.data());
      });
  return out.with_recipe(detail::layer_norm_again(d, mean, rstd, x.value(), weight.value(), bias.value(), T(eps)));
}

/// y = layer_norm(x + dropout(a)): the end of a post-norm half layer in one pass. x, a, y: [..., C]; weight, bias: [C].
/// Keeps the sum, mean and 1 / deviation; ops that keep y compute it again. @throws ShapeError
template <Real T>
Var<T> residual_norm(const Var<T>& x, const Var<T>& a, Dropout dropout, const Var<T>& weight, const Var<T>& bias,
                     double eps = 1e-5) {
  const RowDims d = detail::layer_norm_dims("residual_norm", x, weight, bias);
  ANYLEAD_CHECK(a.shape() == x.shape(), ShapeError, "residual_norm", "x ", x.shape(), ", a ", a.shape());
  detail::check_devices("residual_norm", x, a);
  Tensor<T> y = Tensor<T>::like(x.value());
  const Tensor<T> s = Tensor<T>::like(x.value()), mean({d.rows}, x.device()), rstd({d.rows}, x.device());
  detail::run<T>(x.device(), "residual_norm", &OpTable<T>::residual_norm_forward, d, y.data(), s.data(), mean.data(),
                 rstd.data(), x.data(), a.data(), dropout, weight.data(), bias.data(), T(eps));
  const Var<T> out =
      record(std::move(y), {&x, &a, &weight, &bias}, [d, dropout, s, mean, rstd, w = weight.value()](Gradients<T>& g) {
        detail::run<T>(s.device(), "residual_norm", &OpTable<T>::residual_norm_backward, d, g[0], g[1], g[2], g[3], g.out(),
                       s.data(), dropout, w.data(), mean.data(), rstd.data());
      });
  return out.with_recipe(detail::layer_norm_again(d, mean, rstd, s, weight.value(), bias.value(), T(eps)));
}

}  // namespace anylead::ops
