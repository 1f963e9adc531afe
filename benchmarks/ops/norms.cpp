#include "ops/case.hpp"

namespace anylead::bench {
namespace {

constexpr float kEps = 1e-5f;

void layer_norm_forward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Index n = d.rows * d.cols;
  float *y = c.output(n), *mean = c.output(d.rows), *rstd = c.output(d.rows);
  const float *x = c.input(n), *weight = c.input(d.cols), *bias = c.input(d.cols);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.layer_norm_forward({}, d, y, mean, rstd, x, weight, bias, kEps); });
}

void layer_norm_backward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Index n = d.rows * d.cols;
  const Grad<float> dx = c.gradient(n), dweight = c.gradient(d.cols), dbias = c.gradient(d.cols);
  const float *dy = c.input(n), *x = c.input(n), *weight = c.input(d.cols);
  float *y = c.scratch(n), *mean = c.scratch(d.rows), *rstd = c.scratch(d.rows);
  cpu().backend().ops<float>().layer_norm_forward({}, d, y, mean, rstd, x, weight, weight, kEps);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.layer_norm_backward({}, d, dx, dweight, dbias, dy, x, weight, mean, rstd); });
}

Dropout dropout_of(const Sizes& s, bool on) {
  return {on ? static_cast<float>(s.encoder.dropout) : 0, {.seed = 1, .step = 2, .site = 3}};
}

template <bool dropped>
void residual_norm_forward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Index n = d.rows * d.cols;
  float *y = c.output(n), *sum = c.output(n), *mean = c.output(d.rows), *rstd = c.output(d.rows);
  const float *x = c.input(n), *a = c.input(n), *weight = c.input(d.cols), *bias = c.input(d.cols);
  const Dropout dropout = dropout_of(s, dropped);
  c.floats(4 * n);
  c.call([=](const Table& op) { op.residual_norm_forward({}, d, y, sum, mean, rstd, x, a, dropout, weight, bias, kEps); });
}

template <bool dropped>
void residual_norm_backward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Index n = d.rows * d.cols;
  const Grad<float> dx = c.gradient(n), da = c.gradient(n), dweight = c.gradient(d.cols), dbias = c.gradient(d.cols);
  const float *dy = c.input(n), *sum = c.input(n), *weight = c.input(d.cols);
  float *y = c.scratch(n), *mean = c.scratch(d.rows), *rstd = c.scratch(d.rows);
  cpu().backend().ops<float>().layer_norm_forward({}, d, y, mean, rstd, sum, weight, weight, kEps);
  const Dropout dropout = dropout_of(s, dropped);
  c.floats(4 * n);
  c.call(
      [=](const Table& op) { op.residual_norm_backward({}, d, dx, da, dweight, dbias, dy, sum, dropout, weight, mean, rstd); });
}

/// Behind the first convolution: every channel by itself.
GroupNormDims groups(const Sizes& s) {
  const Conv1dDims d = s.block(0);
  return {d.batch, d.out_time(), d.out, d.out};
}

void group_norm_forward(Case& c, const Sizes& s) {
  const GroupNormDims d = groups(s);
  const Index n = d.batch * d.time * d.channels;
  float *y = c.output(n), *mean = c.output(d.batch * d.groups), *rstd = c.output(d.batch * d.groups);
  const float *x = c.input(n), *weight = c.input(d.channels), *bias = c.input(d.channels);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.group_norm_forward({}, d, y, mean, rstd, x, weight, bias, kEps); });
}

void group_norm_backward(Case& c, const Sizes& s) {
  const GroupNormDims d = groups(s);
  const Index n = d.batch * d.time * d.channels;
  const Grad<float> dx = c.gradient(n), dweight = c.gradient(d.channels), dbias = c.gradient(d.channels);
  const float *dy = c.input(n), *x = c.input(n), *weight = c.input(d.channels);
  float *y = c.scratch(n), *mean = c.scratch(d.batch * d.groups), *rstd = c.scratch(d.batch * d.groups);
  cpu().backend().ops<float>().group_norm_forward({}, d, y, mean, rstd, x, weight, weight, kEps);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.group_norm_backward({}, d, dx, dweight, dbias, dy, x, weight, mean, rstd); });
}

/// The taps of the positional convolution, one norm for each.
WeightNormDims taps(const Sizes& s) { return {s.width() * s.width() / s.encoder.position_groups, s.encoder.position_taps, 1}; }

void weight_norm_forward(Case& c, const Sizes& s) {
  const WeightNormDims d = taps(s);
  const Index n = d.outer * d.kept;
  float *w = c.output(n), *norm = c.output(d.kept);
  const float *v = c.input(n), *g = c.input(d.kept);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.weight_norm_forward({}, d, w, norm, v, g); });
}

void weight_norm_backward(Case& c, const Sizes& s) {
  const WeightNormDims d = taps(s);
  const Index n = d.outer * d.kept;
  const Grad<float> dv = c.gradient(n), dg = c.gradient(d.kept);
  const float *dw = c.input(n), *v = c.input(n), *g = c.input(d.kept);
  float *w = c.scratch(n), *norm = c.scratch(d.kept);
  cpu().backend().ops<float>().weight_norm_forward({}, d, w, norm, v, g);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.weight_norm_backward({}, d, dv, dg, dw, v, g, norm); });
}

}  // namespace

std::vector<Op> norm_ops() {
  return {{"layer_norm_forward", layer_norm_forward},
          {"layer_norm_backward", layer_norm_backward},
          {"residual_norm_forward", residual_norm_forward<false>},
          {"residual_norm_backward", residual_norm_backward<false>},
          {"dropout_residual_norm_forward", residual_norm_forward<true>},
          {"dropout_residual_norm_backward", residual_norm_backward<true>},
          {"group_norm_forward", group_norm_forward},
          {"group_norm_backward", group_norm_backward},
          {"weight_norm_forward", weight_norm_forward},
          {"weight_norm_backward", weight_norm_backward}};
}

}  // namespace anylead::bench
