#include "ops/case.hpp"

namespace anylead::bench {
namespace {

// The three maps of an encoder layer: width to width (q, k, v, out), into the feed-forward layer, and out of it behind GELU.
LinearDims square(const Sizes& s) { return {s.rows, s.width(), s.width()}; }
LinearDims wider(const Sizes& s) { return {s.rows, s.width(), s.encoder.feed_forward}; }
LinearDims narrower(const Sizes& s) { return {s.rows, s.encoder.feed_forward, s.width()}; }

double work(const LinearDims& d) { return 2 * double(d.rows) * double(d.in) * double(d.out); }

template <LinearDims (*dims)(const Sizes&)>
void linear_forward(Case& c, const Sizes& s) {
  const LinearDims d = dims(s);
  float* y = c.output(d.rows * d.out);
  const float *x = c.input(d.rows * d.in), *weight = c.input(d.out * d.in), *bias = c.input(d.out);
  c.flops(work(d));
  c.call([=](const Table& op) { op.linear_forward({}, d, y, x, weight, bias); });
}

template <LinearDims (*dims)(const Sizes&)>
void linear_backward(Case& c, const Sizes& s) {
  const LinearDims d = dims(s);
  const Grad<float> dx = c.gradient(d.rows * d.in), dweight = c.gradient(d.out * d.in), dbias = c.gradient(d.out);
  const float *dy = c.input(d.rows * d.out), *x = c.input(d.rows * d.in), *weight = c.input(d.out * d.in);
  c.flops(2 * work(d));
  c.call([=](const Table& op) { op.linear_backward({}, d, dx, dweight, dbias, dy, x, weight); });
}

/// One segment, as in inference; a table without a prepared form takes the weight as it is.
void linear_prepared_forward(Case& c, const Sizes& s) {
  LinearDims d = wider(s);
  d.rows = s.frames;
  float* y = c.output(d.rows * d.out);
  const float *x = c.input(d.rows * d.in), *weight = c.input(d.out * d.in), *bias = c.input(d.out);
  const Table& own = cpu().backend().ops<float>();
  float* prepared = c.scratch(own.linear_prepared_size({}, d));
  own.linear_prepare({}, d, prepared, weight);
  c.flops(work(d));
  c.call([=](const Table& op) {
    if (op.linear_prepared_forward)
      op.linear_prepared_forward({}, d, y, x, prepared, bias);
    else
      op.linear_forward({}, d, y, x, weight, bias);
  });
}

void gelu_linear_forward(Case& c, const Sizes& s) {
  const LinearDims d = narrower(s);
  float *y = c.output(d.rows * d.out), *h = c.output(d.rows * d.in);
  const float *z = c.input(d.rows * d.in), *weight = c.input(d.out * d.in), *bias = c.input(d.out);
  c.flops(work(d));
  c.call([=](const Table& op) { op.gelu_linear_forward({}, d, y, h, z, weight, bias); });
}

void gelu_linear_backward(Case& c, const Sizes& s) {
  const LinearDims d = narrower(s);
  const Grad<float> dz = c.gradient(d.rows * d.in), dweight = c.gradient(d.out * d.in), dbias = c.gradient(d.out);
  const float *dy = c.input(d.rows * d.out), *z = c.input(d.rows * d.in), *weight = c.input(d.out * d.in);
  float* h = c.scratch(d.rows * d.in);
  c.flops(2 * work(d));
  c.call([=](const Table& op) { op.gelu_linear_backward({}, d, dz, dweight, dbias, h, dy, z, weight); });
}

}  // namespace

std::vector<Op> product_ops() {
  return {{"linear_forward", linear_forward<square>},           {"linear_backward", linear_backward<square>},
          {"linear_wider_forward", linear_forward<wider>},      {"linear_wider_backward", linear_backward<wider>},
          {"linear_prepared_forward", linear_prepared_forward}, {"gelu_linear_forward", gelu_linear_forward},
          {"gelu_linear_backward", gelu_linear_backward}};
}

}  // namespace anylead::bench
