#include "ops/case.hpp"

namespace anylead::bench {
namespace {

/// Operations of the direct sum, whatever is done instead.
double work(const Conv1dDims& d) {
  return 2 * double(d.batch * d.out_time()) * double(d.out) * double(d.in / d.groups) * double(d.taps);
}

Index inputs(const Conv1dDims& d) { return d.batch * d.time * d.in; }
Index outputs(const Conv1dDims& d) { return d.batch * d.out_time() * d.out; }
Index weights(const Conv1dDims& d) { return d.out * d.in / d.groups * d.taps; }

void conv1d_forward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(1);
  float* y = c.output(outputs(d));
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d)), *bias = c.input(d.out);
  c.flops(work(d));
  c.call([=](const Table& op) { op.conv1d_forward({}, d, y, x, weight, bias); });
}

void conv1d_backward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(1);
  const Grad<float> dx = c.gradient(inputs(d)), dweight = c.gradient(weights(d)), dbias = c.gradient(d.out);
  const float *dy = c.input(outputs(d)), *x = c.input(inputs(d)), *weight = c.input(weights(d));
  c.flops(2 * work(d));
  c.call([=](const Table& op) { op.conv1d_backward({}, d, dx, dweight, dbias, dy, x, weight); });
}

// Blocks of the extractor: the first has a norm, those that follow have none.

constexpr float kEps = 1e-5f;

BlockNorm norm_of(std::size_t block) { return block == 0 ? BlockNorm::group : BlockNorm::none; }

template <std::size_t block>
void conv1d_norm_gelu_forward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(block);
  const BlockNorm norm = norm_of(block);
  const bool normed = norm != BlockNorm::none;
  float *y = c.output(outputs(d)), *z = c.output(outputs(d));
  float *mean = normed ? c.output(d.batch * d.out) : nullptr, *rstd = normed ? c.output(d.batch * d.out) : nullptr;
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.1f), *nw = c.input(d.out), *nb = c.input(d.out);
  c.flops(work(d));
  c.call(
      [=](const Table& op) { op.conv1d_norm_gelu_forward({}, d, norm, y, z, mean, rstd, x, weight, nullptr, nw, nb, kEps); });
}

template <std::size_t block>
void conv1d_norm_gelu_backward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(block);
  const BlockNorm norm = norm_of(block);
  const bool normed = norm != BlockNorm::none;
  const Grad<float> dx = c.gradient(inputs(d)), dweight = c.gradient(weights(d)), dbias = c.gradient(d.out);
  const Grad<float> dnw = normed ? c.gradient(d.out) : Grad<float>{}, dnb = normed ? c.gradient(d.out) : Grad<float>{};
  const float *dy = c.input(outputs(d)), *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.1f), *nw = c.input(d.out),
              *nb = c.input(d.out);
  float *z = c.scratch(outputs(d)), *y = c.scratch(outputs(d)), *dz = c.scratch(outputs(d)), *mean = c.scratch(d.batch * d.out),
        *rstd = c.scratch(d.batch * d.out);
  cpu().backend().ops<float>().conv1d_norm_gelu_forward({}, d, norm, y, z, mean, rstd, x, weight, nullptr, nw, nb, kEps);
  c.flops(2 * work(d));
  c.call([=](const Table& op) {
    op.conv1d_norm_gelu_backward({}, d, norm, dx, dweight, dbias, dnw, dnb, dz, dy, x, z, weight, nw, nb, mean, rstd);
  });
}

void conv_positional_forward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.position();
  float *y = c.output(inputs(d)), *z = c.output(inputs(d));
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.02f), *bias = c.input(d.out);
  c.flops(work(d));
  c.call([=](const Table& op) { op.conv_positional_forward({}, d, y, z, x, weight, bias); });
}

void conv_positional_backward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.position();
  const Grad<float> dx = c.gradient(inputs(d)), dweight = c.gradient(weights(d)), dbias = c.gradient(d.out);
  const float *dy = c.input(inputs(d)), *x = c.input(inputs(d)), *z = c.input(inputs(d)), *weight = c.input(weights(d), 0.02f);
  float* dz = c.scratch(inputs(d));
  c.flops(2 * work(d));
  c.call([=](const Table& op) { op.conv_positional_backward({}, d, dx, dweight, dbias, dz, dy, x, z, weight); });
}

}  // namespace

std::vector<Op> convolution_ops() {
  return {{"conv1d_forward", conv1d_forward},
          {"conv1d_backward", conv1d_backward},
          {"conv1d_group_norm_gelu_forward", conv1d_norm_gelu_forward<0>},
          {"conv1d_group_norm_gelu_backward", conv1d_norm_gelu_backward<0>},
          {"conv1d_gelu_forward", conv1d_norm_gelu_forward<1>},
          {"conv1d_gelu_backward", conv1d_norm_gelu_backward<1>},
          {"conv_positional_forward", conv_positional_forward},
          {"conv_positional_backward", conv_positional_backward}};
}

}  // namespace anylead::bench
