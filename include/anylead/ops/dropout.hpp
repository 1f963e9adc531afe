// Dropout and sums.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// y = x + dropout(a): every element of a is dropped if its number in the stream is below p, else divided by 1 - p
/// (Srivastava et al. 2014). x, a, y of one shape. Keeps nothing: the numbers are drawn again in backward. @throws ShapeError
template <Real T>
Var<T> dropout_add(const Var<T>& x, const Var<T>& a, Dropout dropout) {
  ANYLEAD_CHECK(x.shape() == a.shape(), ShapeError, "dropout_add", "x ", x.shape(), ", a ", a.shape());
  detail::check_devices("dropout_add", x, a);
  const Index n = a.value().count();
  const Device device = a.device();
  Tensor<T> y = Tensor<T>::like(a.value());
  detail::run<T>(device, "dropout_add", &OpTable<T>::dropout_add_forward, n, y.data(), x.data(), a.data(), dropout);
  return record(std::move(y), {&x, &a}, [=](Gradients<T>& g) {
    if (g.wants(1))
      detail::run<T>(device, "dropout_add", &OpTable<T>::dropout_add_backward, n, Grad<T>{}, g[1], g.out(), dropout);
    g.pass(0);
  });
}

/// y = dropout(x). The variable itself if p = 0.
template <Real T>
Var<T> dropout(const Var<T>& x, Dropout dropout) {
  if (dropout.p == 0) return x;
  const Index n = x.value().count();
  const Device device = x.device();
  Tensor<T> y = Tensor<T>::like(x.value());
  detail::run<T>(device, "dropout", &OpTable<T>::dropout_add_forward, n, y.data(), static_cast<const T*>(nullptr), x.data(),
                 dropout);
  return record(std::move(y), {&x}, [=](Gradients<T>& g) {
    detail::run<T>(device, "dropout", &OpTable<T>::dropout_add_backward, n, Grad<T>{}, g[0], g.out(), dropout);
  });
}

/// y = x + a, of one shape. @throws ShapeError
template <Real T>
Var<T> add(const Var<T>& x, const Var<T>& a) {
  return dropout_add(x, a, Dropout{});
}

}  // namespace anylead::ops
