// Activations.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// y = x Phi(x) with the normal distribution function Phi: the exact form with erf (Hendrycks and Gimpel 2016, eq. 1).
/// Any shape. Keeps x.
template <Real T>
Var<T> gelu(const Var<T>& x) {
  Tensor<T> y = Tensor<T>::like(x.value());
  detail::run<T>(x.device(), "gelu", &OpTable<T>::gelu_forward, x.value().count(), y.data(), x.data());
  return record(std::move(y), {&x}, [x = x.value()](Gradients<T>& g) {
    detail::run<T>(x.device(), "gelu", &OpTable<T>::gelu_backward, x.count(), g[0], g.out(), x.data());
  });
}

}  // namespace anylead::ops
