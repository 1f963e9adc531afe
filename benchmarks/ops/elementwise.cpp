#include "ops/case.hpp"

namespace anylead::bench {
namespace {

Dropout dropout_of(const Sizes& s) { return {static_cast<float>(s.encoder.dropout), {.seed = 1, .step = 2, .site = 3}}; }

void fill(Case& c, const Sizes& s) {
  const Index n = s.activations();
  float* y = c.output(n);
  c.floats(n);
  c.call([=](const Table& op) { op.fill({}, n, y, 0.5f); });
}

void scale(Case& c, const Sizes& s) {
  const Index n = s.activations();
  const Grad<float> y = c.gradient(n);
  const float* x = c.input(n);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.scale({}, n, y, x, 0.5f); });
}

void add_forward(Case& c, const Sizes& s) {
  const Index n = s.activations();
  float* y = c.output(n);
  const float *x = c.input(n), *a = c.input(n);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.dropout_add_forward({}, n, y, x, a, {}); });
}

void dropout_forward(Case& c, const Sizes& s) {
  const Index n = s.activations();
  float* y = c.output(n);
  const float* a = c.input(n);
  const Dropout dropout = dropout_of(s);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.dropout_add_forward({}, n, y, nullptr, a, dropout); });
}

void dropout_add_forward(Case& c, const Sizes& s) {
  const Index n = s.activations();
  float* y = c.output(n);
  const float *x = c.input(n), *a = c.input(n);
  const Dropout dropout = dropout_of(s);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.dropout_add_forward({}, n, y, x, a, dropout); });
}

void dropout_add_backward(Case& c, const Sizes& s) {
  const Index n = s.activations();
  const Grad<float> dx = c.gradient(n), da = c.gradient(n);
  const float* dy = c.input(n);
  const Dropout dropout = dropout_of(s);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.dropout_add_backward({}, n, dx, da, dy, dropout); });
}

void gelu_forward(Case& c, const Sizes& s) {
  const Index n = s.rows * s.encoder.feed_forward;
  float* y = c.output(n);
  const float* x = c.input(n);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.gelu_forward({}, n, y, x); });
}

void gelu_backward(Case& c, const Sizes& s) {
  const Index n = s.rows * s.encoder.feed_forward;
  const Grad<float> dx = c.gradient(n);
  const float *dy = c.input(n), *x = c.input(n);
  c.floats(3 * n);
  c.call([=](const Table& op) { op.gelu_backward({}, n, dx, dy, x); });
}

}  // namespace

std::vector<Op> elementwise_ops() {
  return {{"fill", fill},
          {"scale", scale},
          {"add_forward", add_forward},
          {"dropout_forward", dropout_forward},
          {"dropout_add_forward", dropout_add_forward},
          {"dropout_add_backward", dropout_add_backward},
          {"gelu_forward", gelu_forward},
          {"gelu_backward", gelu_backward}};
}

}  // namespace anylead::bench
