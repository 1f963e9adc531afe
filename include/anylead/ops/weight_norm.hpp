// Weight normalisation.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// w = g v / |v|, with one norm for each index of `axis`, taken over all other axes. v, w: any shape; g: as many values as the
/// axis has. Keeps v and the norms. A zero norm gives non-finite weights, as in the reference. @throws ShapeError
/// Reference: Salimans and Kingma 2016, eq. 2.
template <Real T>
Var<T> weight_norm(const Var<T>& v, const Var<T>& g, int axis) {
  ANYLEAD_CHECK(axis >= 0 && axis < v.shape().rank() && g.value().count() == v.shape()[axis], ShapeError, "weight_norm", "v ",
                v.shape(), ", g ", g.shape(), ", axis ", axis);
  detail::check_devices("weight_norm", v, g);
  WeightNormDims d = {1, v.shape()[axis], 1};
  for (int i = 0; i < axis; ++i) d.outer *= v.shape()[i];
  for (int i = axis + 1; i < v.shape().rank(); ++i) d.inner *= v.shape()[i];
  Tensor<T> w = Tensor<T>::like(v.value());
  const Tensor<T> norm({d.kept}, v.device());
  detail::run<T>(v.device(), "weight_norm", &OpTable<T>::weight_norm_forward, d, w.data(), norm.data(), v.data(), g.data());
  return record(std::move(w), {&v, &g}, [d, norm, v = v.value(), g = g.value()](Gradients<T>& grads) {
    detail::run<T>(v.device(), "weight_norm", &OpTable<T>::weight_norm_backward, d, grads[0], grads[1], grads.out(), v.data(),
                   g.data(), norm.data());
  });
}

}  // namespace anylead::ops
