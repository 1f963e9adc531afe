// Group norm over time.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// y = (x - mean) / sqrt(var + eps) * weight + bias, statistics per segment over time and the C / groups channels of a group,
/// biased variance, in two passes (the baseline of an ECG is large against its spread). x, y: [B, T, C]; weight, bias: [C].
/// Keeps x, mean and 1 / deviation. @throws ShapeError. Reference: Wu and He 2018, eq. 1-7.
template <Real T>
Var<T> group_norm(const Var<T>& x, const Var<T>& weight, const Var<T>& bias, Index groups, double eps = 1e-5) {
  ANYLEAD_CHECK(x.shape().rank() == 3, ShapeError, "group_norm", "expected x [B, T, C], found ", x.shape());
  const GroupNormDims d = {x.shape()[0], x.shape()[1], x.shape()[2], groups};
  ANYLEAD_CHECK(groups > 0 && d.channels % groups == 0, ShapeError, "group_norm", d.channels, " channels in ", groups,
                " groups");
  ANYLEAD_CHECK(weight.shape() == Shape({d.channels}) && bias.shape() == weight.shape(), ShapeError, "group_norm", "weight ",
                weight.shape(), " and bias ", bias.shape(), ", expected [", d.channels, "]");
  detail::check_devices("group_norm", x, weight, bias);
  Tensor<T> y = Tensor<T>::like(x.value());
  const Tensor<T> mean({d.batch, groups}, x.device()), rstd({d.batch, groups}, x.device());
  detail::run<T>(x.device(), "group_norm", &OpTable<T>::group_norm_forward, d, y.data(), mean.data(), rstd.data(), x.data(),
                 weight.data(), bias.data(), T(eps));
  return record(std::move(y), {&x, &weight, &bias}, [d, mean, rstd, x = x.value(), w = weight.value()](Gradients<T>& g) {
    detail::run<T>(x.device(), "group_norm", &OpTable<T>::group_norm_backward, d, g[0], g[1], g[2], g.out(), x.data(), w.data(),
                   mean.data(), rstd.data());
  });
}

}  // namespace anylead::ops
