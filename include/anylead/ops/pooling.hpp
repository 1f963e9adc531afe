// Pooling over time.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// y[b, c] = sum over unpadded frames of x[b, t, c] / count. x: [B, T, C]; padding: [B, T] (1: left out) or undefined; y: [B,
/// C]. non_zero (the reference's way): the count is that of entries other than 0 of the channel, which equals the number of
/// frames except for exact zeros; else the number of unpadded frames. The count is a constant for the gradient; 0 / 0 gives 0
/// here.
/// @throws ShapeError
template <Real T>
Var<T> mean_pool(const Var<T>& x, const Tensor<Flag>& padding = {}, bool non_zero = true) {
  ANYLEAD_CHECK(x.shape().rank() == 3, ShapeError, "mean_pool", "expected x [B, T, C], found ", x.shape());
  const PoolDims d = {x.shape()[0], x.shape()[1], x.shape()[2]};
  ANYLEAD_CHECK(!padding.defined() || padding.shape() == Shape({d.batch, d.time}), ShapeError, "mean_pool", "padding ",
                padding.shape(), " for x ", x.shape());
  detail::check_devices("mean_pool", x, padding);
  Tensor<T> y({d.batch, d.channels}, x.device());
  const Tensor<T> count({d.batch, d.channels}, x.device());
  detail::run<T>(x.device(), "mean_pool", &OpTable<T>::mean_pool_forward, d, non_zero, y.data(), count.data(), x.data(),
                 padding.data());
  return record(std::move(y), {&x}, [d, count, padding](Gradients<T>& g) {
    detail::run<T>(count.device(), "mean_pool", &OpTable<T>::mean_pool_backward, d, g[0], g.out(), count.data(),
                   padding.data());
  });
}

}  // namespace anylead::ops
