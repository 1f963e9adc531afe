// Layer norm, residual norm, group norm, weight norm.
#pragma once

#include "cases/elementwise.hpp"
#include "reference/norms.hpp"

namespace anylead::cases {

inline constexpr double kNormEpsilon = 0x1p-16;  // near 1e-5, the same in float and double

/// mean, against a spread of 1: an ECG's baseline is large.
inline OpCase layer_norm_forward(RowDims d, double mean) {
  OpCase c("layer_norm_forward", str("R=", d.rows, " C=", d.cols, " mean ", mean));
  const Index n = d.rows * d.cols;
  c.normal("x", n, mean).normal("weight", d.cols, 1, 0.5).normal("bias", d.cols);
  c.output("y", n).of_size(1 + std::abs(mean)).output("mean", d.rows).of_size(1).output("rstd", d.rows).may_alias("y", "x");
  c.costs(double(d.cols), 8 * double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.layer_norm_forward(e, d, b.real("y"), b.real("mean"), b.real("rstd"), b.real("x"), b.real("weight"), b.real("bias"),
                          T(kNormEpsilon));
  });
}

inline OpCase layer_norm_backward(RowDims d) {
  OpCase c("layer_norm_backward", str("R=", d.rows, " C=", d.cols));
  const Index n = d.rows * d.cols;
  c.normal("x", n, 1).normal("weight", d.cols, 1, 0.5).normal("bias", d.cols).fixed();
  std::vector<double> y(static_cast<std::size_t>(n)), mean(static_cast<std::size_t>(d.rows)), rstd = mean;
  reference::layer_norm_forward({}, d, y.data(), mean.data(), rstd.data(), c.values("x"), c.values("weight"), c.values("bias"),
                                kNormEpsilon);
  c.kept("mean", mean).kept("rstd", rstd).normal("dy", n);
  // a row of one element has no spread: rstd = 1 / sqrt(eps) multiplies what cancels
  c.gradient("dx", n).of_size(d.cols < 2 ? 256 : 1).gradient("dweight", d.cols).of_size(1).gradient("dbias", d.cols);
  c.costs(double(std::max(d.cols, d.rows)), 14 * double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.layer_norm_backward(e, d, b.grad("dx"), b.grad("dweight"), b.grad("dbias"), b.real("dy"), b.real("x"), b.real("weight"),
                           b.real("mean"), b.real("rstd"));
  });
}

inline OpCase residual_norm_forward(RowDims d, float p) {
  OpCase c("residual_norm_forward", str("R=", d.rows, " C=", d.cols, " p=", p));
  const Index n = d.rows * d.cols;
  c.normal("x", n).normal("a", n, 0.5).normal("weight", d.cols, 1, 0.5).normal("bias", d.cols);
  c.output("y", n).of_size(1).output("s", n).output("mean", d.rows).of_size(1).output("rstd", d.rows).may_alias("s", "a");
  c.costs(double(d.cols), 11 * double(n), 4 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.residual_norm_forward(e, d, b.real("y"), b.real("s"), b.real("mean"), b.real("rstd"), b.real("x"), b.real("a"),
                             dropout(p), b.real("weight"), b.real("bias"), T(kNormEpsilon));
  });
}

inline OpCase residual_norm_backward(RowDims d, float p) {
  OpCase c("residual_norm_backward", str("R=", d.rows, " C=", d.cols, " p=", p));
  const Index n = d.rows * d.cols;
  c.normal("s", n, 1).normal("weight", d.cols, 1, 0.5).normal("bias", d.cols).fixed();
  std::vector<double> y(static_cast<std::size_t>(n)), mean(static_cast<std::size_t>(d.rows)), rstd = mean;
  reference::layer_norm_forward({}, d, y.data(), mean.data(), rstd.data(), c.values("s"), c.values("weight"), c.values("bias"),
                                kNormEpsilon);
  const double size = d.cols < 2 ? 256 : 1;
  c.kept("mean", mean).kept("rstd", rstd).normal("dy", n);
  c.gradient("dx", n).of_size(size).gradient("da", n).of_size(size);
  c.gradient("dweight", d.cols).of_size(1).gradient("dbias", d.cols);
  c.costs(double(std::max(d.cols, d.rows)), 16 * double(n), 4 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.residual_norm_backward(e, d, b.grad("dx"), b.grad("da"), b.grad("dweight"), b.grad("dbias"), b.real("dy"), b.real("s"),
                              dropout(p), b.real("weight"), b.real("mean"), b.real("rstd"));
  });
}

inline OpCase group_norm_forward(GroupNormDims d, double mean) {
  OpCase c("group_norm_forward", str("B=", d.batch, " T=", d.time, " C=", d.channels, " G=", d.groups, " mean ", mean));
  const Index n = d.batch * d.time * d.channels;
  c.normal("x", n, mean).normal("weight", d.channels, 1, 0.5).normal("bias", d.channels);
  c.output("y", n).of_size(1 + std::abs(mean)).output("mean", d.batch * d.groups).of_size(1).output("rstd", d.batch * d.groups);
  c.costs(double(d.time * d.channels / d.groups), 8 * double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.group_norm_forward(e, d, b.real("y"), b.real("mean"), b.real("rstd"), b.real("x"), b.real("weight"), b.real("bias"),
                          T(kNormEpsilon));
  });
}

inline OpCase group_norm_backward(GroupNormDims d) {
  OpCase c("group_norm_backward", str("B=", d.batch, " T=", d.time, " C=", d.channels, " G=", d.groups));
  const Index n = d.batch * d.time * d.channels;
  c.normal("x", n, 1).normal("weight", d.channels, 1, 0.5).normal("bias", d.channels).fixed();
  std::vector<double> y(static_cast<std::size_t>(n)), mean(static_cast<std::size_t>(d.batch * d.groups)), rstd = mean;
  reference::group_norm_forward({}, d, y.data(), mean.data(), rstd.data(), c.values("x"), c.values("weight"), c.values("bias"),
                                kNormEpsilon);
  const bool single = d.time * d.channels / d.groups < 2;
  c.kept("mean", mean).kept("rstd", rstd).normal("dy", n);
  c.gradient("dx", n).of_size(single ? 256 : 1).gradient("dweight", d.channels).of_size(1).gradient("dbias", d.channels);
  c.costs(double(d.batch * d.time * d.channels / d.groups), 14 * double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.group_norm_backward(e, d, b.grad("dx"), b.grad("dweight"), b.grad("dbias"), b.real("dy"), b.real("x"), b.real("weight"),
                           b.real("mean"), b.real("rstd"));
  });
}

inline OpCase weight_norm_forward(WeightNormDims d) {
  OpCase c("weight_norm_forward", str("outer=", d.outer, " kept=", d.kept, " inner=", d.inner));
  const Index n = d.outer * d.kept * d.inner;
  c.normal("v", n).normal("g", d.kept, 1).output("w", n).output("norm", d.kept);
  c.costs(double(d.outer * d.inner), 3 * double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.weight_norm_forward(e, d, b.real("w"), b.real("norm"), b.real("v"), b.real("g"));
  });
}

inline OpCase weight_norm_backward(WeightNormDims d) {
  OpCase c("weight_norm_backward", str("outer=", d.outer, " kept=", d.kept, " inner=", d.inner));
  const Index n = d.outer * d.kept * d.inner;
  c.normal("v", n).normal("g", d.kept, 1).fixed();
  std::vector<double> w(static_cast<std::size_t>(n)), norm(static_cast<std::size_t>(d.kept));
  reference::weight_norm_forward({}, d, w.data(), norm.data(), c.values("v"), c.values("g"));
  double largest = 1;  // of g / |v|: one-element directions may be short, and their gradient cancels
  for (Index k = 0; k < d.kept; ++k)
    largest = std::max(largest, std::abs(c.values("g")[k] / norm[static_cast<std::size_t>(k)]));
  c.kept("norm", norm).normal("dw", n).gradient("dv", n).of_size(largest).gradient("dg", d.kept).of_size(1);
  c.costs(double(d.outer * d.inner), 6 * double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.weight_norm_backward(e, d, b.grad("dv"), b.grad("dg"), b.real("dw"), b.real("v"), b.real("g"), b.real("norm"));
  });
}

inline std::vector<OpCase> norms() {
  std::vector<OpCase> all;
  for (const RowDims d :
       {RowDims{0, 8}, {1, 1}, {3, 15}, {3, 16}, {2, 17}, {7, 31}, {65, 33}, {5, 63}, {4, 65}, {2, 1025}, {130, 48}}) {
    for (const double mean : {0.0, 1.0, 100.0}) all.push_back(layer_norm_forward(d, mean));
    all.push_back(layer_norm_backward(d));
    for (const float p : {0.f, 0.25f}) {
      all.push_back(residual_norm_forward(d, p));
      all.push_back(residual_norm_backward(d, p));
    }
  }
  for (const GroupNormDims d : {GroupNormDims{0, 5, 4, 2},
                                {1, 1, 1, 1},
                                {2, 33, 1, 1},
                                {2, 17, 17, 17},
                                {1, 65, 70, 70},
                                {3, 31, 96, 2},
                                {2, 7, 120, 5},
                                {2, 257, 15, 3},
                                {2, 100, 256, 256}}) {
    for (const double mean : {0.0, 100.0}) all.push_back(group_norm_forward(d, mean));
    all.push_back(group_norm_backward(d));
  }
  for (const WeightNormDims d : {WeightNormDims{1, 1, 1}, {1, 5, 7}, {6, 9, 1}, {17, 3, 33}, {48, 128, 1}, {1, 0, 3}}) {
    all.push_back(weight_norm_forward(d));
    all.push_back(weight_norm_backward(d));
  }
  return all;
}

}  // namespace anylead::cases
