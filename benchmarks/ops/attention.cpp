#include "ops/case.hpp"

namespace anylead::bench {
namespace {

Dropout dropout_of(const Sizes& s, bool on) {
  return {on ? static_cast<float>(s.encoder.attention_dropout) : 0, {.seed = 1, .step = 2, .site = 3}};
}

/// Of one product of queries with keys, all segments and heads.
double work(const AttentionDims& d) { return 2 * double(d.batch * d.heads) * double(d.time * d.time) * double(d.head_width); }

template <bool dropped>
void attention_forward(Case& c, const Sizes& s) {
  const AttentionDims d = s.attention();
  const Index n = s.activations();
  const Dropout dropout = dropout_of(s, dropped);
  float *y = c.output(n), *logsum = c.output(d.batch * d.heads * d.time);
  const float *q = c.input(n), *k = c.input(n), *v = c.input(n);
  c.flops(2 * work(d));
  c.call([=](const Table& op) { op.attention_forward({}, d, y, logsum, q, k, v, nullptr, dropout); });
}

/// The scores are computed anew: five products.
template <bool dropped>
void attention_backward(Case& c, const Sizes& s) {
  const AttentionDims d = s.attention();
  const Index n = s.activations();
  const Dropout dropout = dropout_of(s, dropped);
  const Grad<float> dq = c.gradient(n), dk = c.gradient(n), dv = c.gradient(n);
  const float *dy = c.input(n), *q = c.input(n), *k = c.input(n), *v = c.input(n);
  float *y = c.scratch(n), *logsum = c.scratch(d.batch * d.heads * d.time);
  cpu().backend().ops<float>().attention_forward({}, d, y, logsum, q, k, v, nullptr, dropout);
  c.flops(5 * work(d));
  c.call([=](const Table& op) { op.attention_backward({}, d, dq, dk, dv, dy, y, logsum, q, k, v, nullptr, dropout); });
}

void attention_weights(Case& c, const Sizes& s) {
  const AttentionDims d = s.attention();
  const Index n = s.activations();
  float* weights = c.output(d.batch * d.time * d.time);
  const float *q = c.input(n), *k = c.input(n);
  float *y = c.scratch(n), *logsum = c.scratch(d.batch * d.heads * d.time);
  cpu().backend().ops<float>().attention_forward({}, d, y, logsum, q, k, k, nullptr, {});
  c.flops(work(d));
  c.call([=](const Table& op) { op.attention_weights({}, d, weights, logsum, q, k, nullptr); });
}

}  // namespace

std::vector<Op> attention_ops() {
  return {{"attention_forward", attention_forward<false>},
          {"attention_backward", attention_backward<false>},
          {"attention_dropout_forward", attention_forward<true>},
          {"attention_dropout_backward", attention_backward<true>},
          {"attention_weights", attention_weights}};
}

}  // namespace anylead::bench
