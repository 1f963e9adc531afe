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

/// Half of the leads masked.
const Flag* half_of_the_leads(Case& c, const Conv1dDims& d) {
  std::vector<Flag> keep(static_cast<std::size_t>(d.batch * d.in));
  for (std::size_t i = 0; i < keep.size(); ++i) keep[i] = i % 2 == 0;
  return c.input(keep);
}

void lead_conv1d_norm_gelu_forward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(0);
  float *y = c.output(outputs(d)), *mean = c.output(d.batch * d.out), *rstd = c.output(d.batch * d.out);
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.1f), *nw = c.input(d.out), *nb = c.input(d.out);
  const Flag* keep = half_of_the_leads(c, d);
  c.flops(work(d) / 2);
  c.call([=](const Table& op) {
    op.lead_conv1d_norm_gelu_forward({}, d, BlockNorm::group, y, mean, rstd, x, keep, weight, nullptr, nw, nb, kEps);
  });
}

void lead_conv1d_norm_gelu_backward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.block(0);
  const Grad<float> dweight = c.gradient(weights(d)), dnw = c.gradient(d.out), dnb = c.gradient(d.out);
  const float *dy = c.input(outputs(d)), *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.1f), *nw = c.input(d.out),
              *nb = c.input(d.out);
  const Flag* keep = half_of_the_leads(c, d);
  float *y = c.scratch(outputs(d)), *mean = c.scratch(d.batch * d.out), *rstd = c.scratch(d.batch * d.out);
  cpu().backend().ops<float>().lead_conv1d_norm_gelu_forward({}, d, BlockNorm::group, y, mean, rstd, x, keep, weight, nullptr,
                                                             nw, nb, kEps);
  c.flops(work(d));  // with z computed anew: half of it again
  c.call([=](const Table& op) {
    op.lead_conv1d_norm_gelu_backward({}, d, BlockNorm::group, dweight, {}, dnw, dnb, dy, x, keep, weight, nullptr, nw, nb,
                                      mean, rstd);
  });
}

void conv_positional_forward(Case& c, const Sizes& s) {
  const Conv1dDims d = s.position();
  float *y = c.output(inputs(d)), *z = c.output(inputs(d));
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.02f), *bias = c.input(d.out);
  c.flops(work(d));
  c.call([=](const Table& op) { op.conv_positional_forward({}, d, y, z, x, weight, bias); });
}

/// One segment, as in inference; a table without a prepared form takes the weight as it is.
void conv_positional_prepared_forward(Case& c, const Sizes& s) {
  Conv1dDims d = s.position();
  d.batch = 1;
  float *y = c.output(inputs(d)), *z = c.output(inputs(d));
  const float *x = c.input(inputs(d)), *weight = c.input(weights(d), 0.02f), *bias = c.input(d.out);
  const Table& own = cpu().backend().ops<float>();
  float* prepared = c.scratch(own.conv_positional_prepared_size({}, d));
  own.conv_positional_prepare({}, d, prepared, weight);
  c.flops(work(d));
  c.call([=](const Table& op) {
    if (op.conv_positional_prepared_forward)
      op.conv_positional_prepared_forward({}, d, y, z, x, prepared, bias);
    else
      op.conv_positional_forward({}, d, y, z, x, weight, bias);
  });
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
          {"lead_conv1d_norm_gelu_forward", lead_conv1d_norm_gelu_forward},
          {"lead_conv1d_norm_gelu_backward", lead_conv1d_norm_gelu_backward},
          {"conv_positional_forward", conv_positional_forward},
          {"conv_positional_prepared_forward", conv_positional_prepared_forward},
          {"conv_positional_backward", conv_positional_backward}};
}

}  // namespace anylead::bench
