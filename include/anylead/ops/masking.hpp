// Masks: leads of a signal, frames of a sequence; and picking rows.
#pragma once

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// Drops leads and turns the signal channels-last in one pass: y[b, t, c] = keep[b, c] x[b, c, t].
/// x: [B, C, T]; keep: [B, C] or undefined (all kept); y: [B, T, C]. Kept leads are not rescaled (Oh et al. 2022, section 3.3).
/// A dropped lead is 0 whatever it held. @throws ShapeError
template <Real T>
Var<T> lead_mask(const Var<T>& x, const Tensor<Flag>& keep = {}) {
  ANYLEAD_CHECK(x.shape().rank() == 3, ShapeError, "lead_mask", "expected x [B, C, T], found ", x.shape());
  const LeadMaskDims d = {x.shape()[0], x.shape()[1], x.shape()[2]};
  ANYLEAD_CHECK(!keep.defined() || keep.shape() == Shape({d.batch, d.leads}), ShapeError, "lead_mask", "keep ", keep.shape(),
                " for x ", x.shape());
  detail::check_devices("lead_mask", x, keep);
  Tensor<T> y({d.batch, d.time, d.leads}, x.device());
  detail::run<T>(x.device(), "lead_mask", &OpTable<T>::lead_mask_forward, d, y.data(), x.data(), keep.data());
  return record(std::move(y), {&x}, [d, keep, device = x.device()](Gradients<T>& g) {
    detail::run<T>(device, "lead_mask", &OpTable<T>::lead_mask_backward, d, g[0], g.out(), keep.data());
  });
}

/// Overwrites masked rows: y[r] = mask[r] ? row : x[r]; an undefined row is zero. x, y: [..., C]; mask: one Flag per row of x;
/// row: [C]. Writes the mask embedding, or clears padded frames. @throws ShapeError
template <Real T>
Var<T> mask_rows(const Var<T>& x, const Tensor<Flag>& mask, const Var<T>& row = {}) {
  const RowDims d = {x.shape().rows(), x.shape()[-1]};
  ANYLEAD_CHECK(mask.count() == d.rows && (!row.defined() || row.shape() == Shape({d.cols})), ShapeError, "mask_rows", "x ",
                x.shape(), ", mask ", mask.shape(), ", row ", row.shape());
  detail::check_devices("mask_rows", x, mask, row);
  Tensor<T> y = Tensor<T>::like(x.value());
  detail::run<T>(x.device(), "mask_rows", &OpTable<T>::mask_rows_forward, d, y.data(), x.data(), detail::data_or_null(row),
                 mask.data());
  return record(std::move(y), {&x, &row}, [d, mask](Gradients<T>& g) {
    detail::run<T>(mask.device(), "mask_rows", &OpTable<T>::mask_rows_backward, d, g[0], g[1], g.out(), mask.data());
  });
}

/// Rows of x: y[i] = x[index[i]], x seen as [R, C]; index: distinct row numbers in [0, R); y: [...index's shape, C].
/// @throws ShapeError
template <Real T>
Var<T> gather_rows(const Var<T>& x, const Tensor<Index32>& index) {
  ANYLEAD_CHECK(x.shape().rank() >= 1 && index.shape().rank() < Shape::kMaxRank, ShapeError, "gather_rows", "x ", x.shape(),
                ", index ", index.shape());
  detail::check_devices("gather_rows", x, index);
  const RowDims d = {x.shape().rows(), x.shape()[-1]};
  std::vector<Index> sizes(index.shape().begin(), index.shape().end());
  sizes.push_back(d.cols);
  Tensor<T> y(Shape(sizes), x.device());
  detail::run<T>(x.device(), "gather_rows", &OpTable<T>::gather_rows_forward, d, index.count(), y.data(), x.data(),
                 index.data());
  return record(std::move(y), {&x}, [d, index](Gradients<T>& g) {
    detail::run<T>(index.device(), "gather_rows", &OpTable<T>::gather_rows_backward, d, index.count(), g[0], g.out(),
                   index.data());
  });
}

/// Rows of b behind those of a. a: [..., C], b: [..., C] -> [R_a + R_b, C]. @throws ShapeError
template <Real T>
Var<T> concat_rows(const Var<T>& a, const Var<T>& b) {
  ANYLEAD_CHECK(a.shape()[-1] == b.shape()[-1], ShapeError, "concat_rows", "a ", a.shape(), ", b ", b.shape());
  detail::check_devices("concat_rows", a, b);
  const Index n = a.value().count(), m = b.value().count();
  const Device device = a.device();
  Tensor<T> y({a.shape().rows() + b.shape().rows(), a.shape()[-1]}, device);
  const auto copy = [device](Index count, Grad<T> to, const T* from) {
    detail::run<T>(device, "concat_rows", &OpTable<T>::scale, count, to, from, T(1));
  };
  copy(n, {y.data(), GradMode::overwrite}, a.data());
  copy(m, {y.data() + n, GradMode::overwrite}, b.data());
  return record(std::move(y), {&a, &b}, [=](Gradients<T>& g) {
    copy(n, g[0], g.out());
    copy(m, g[1], g.out() + n);
  });
}

}  // namespace anylead::ops
