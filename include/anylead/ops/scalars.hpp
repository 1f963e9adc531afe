// Scalars of an objective, and scaling on the way back.
#pragma once

#include <vector>

#include <anylead/ops/dropout.hpp>

namespace anylead::ops {

/// y = mean of x^2 over all elements; a scalar. Keeps x.
template <Real T>
Var<T> mean_square(const Var<T>& x) {
  Tensor<T> y(Shape{}, x.device());
  detail::run<T>(x.device(), "mean_square", &OpTable<T>::mean_square_forward, x.value().count(), y.data(), x.data());
  return record(std::move(y), {&x}, [x = x.value()](Gradients<T>& g) {
    detail::run<T>(x.device(), "mean_square", &OpTable<T>::mean_square_backward, x.count(), g[0], g.out(), x.data());
  });
}

/// y = factor x + offset, of any shape.
template <Real T>
Var<T> scale(const Var<T>& x, double factor, double offset = 0) {
  Tensor<T> y = Tensor<T>::like(x.value());
  const Device device = x.device();
  const Index n = x.value().count();
  if (offset != 0) detail::run<T>(device, "scale", &OpTable<T>::fill, n, y.data(), T(offset));
  detail::run<T>(device, "scale", &OpTable<T>::scale, n,
                 Grad<T>{y.data(), offset != 0 ? GradMode::accumulate : GradMode::overwrite}, x.data(), T(factor));
  return record(std::move(y), {&x},
                [=](Gradients<T>& g) { detail::run<T>(device, "scale", &OpTable<T>::scale, n, g[0], g.out(), T(factor)); });
}

/// The same value; the gradient is multiplied by `factor` on its way back (0: none flows).
template <Real T>
Var<T> scale_gradient(const Var<T>& x, double factor) {
  if (factor == 1) return x;
  if (factor == 0) return x.detached();
  const Device device = x.device();
  const Index n = x.value().count();
  return record(x.value(), {&x}, [=](Gradients<T>& g) {
    detail::run<T>(device, "scale_gradient", &OpTable<T>::scale, n, g[0], g.out(), T(factor));
  });
}

/// y = sum of weight_i x_i over scalars, in order. @throws ShapeError if one is not a scalar or there are none.
template <Real T>
Var<T> weighted_sum(const std::vector<std::pair<double, Var<T>>>& terms) {
  ANYLEAD_CHECK(!terms.empty(), ShapeError, "weighted_sum", "no terms");
  for (const auto& [weight, x] : terms)
    ANYLEAD_CHECK(x.value().count() == 1, ShapeError, "weighted_sum", "expected scalars, found ", x.shape());
  Var<T> y = scale(terms[0].second, terms[0].first);
  for (std::size_t i = 1; i < terms.size(); ++i) y = add(y, scale(terms[i].second, terms[i].first));
  return y;
}

/// The same elements under another shape. @throws ShapeError if their number differs.
template <Real T>
Var<T> reshape(const Var<T>& x, const Shape& shape) {
  return record(x.value().reshaped(shape), {&x}, [](Gradients<T>& g) { g.pass(0); });
}

}  // namespace anylead::ops
