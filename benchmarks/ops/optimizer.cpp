#include "ops/case.hpp"

namespace anylead::bench {
namespace {

/// The matrices of one encoder layer.
std::vector<Index> matrices(const Sizes& s) {
  const Index square = s.width() * s.width(), wide = s.width() * s.encoder.feed_forward;
  return {square, square, square, square, wide, wide};
}

Index total(const Sizes& s) {
  Index n = 0;
  for (const Index m : matrices(s)) n += m;
  return n;
}

void sum_squares(Case& c, const Sizes& s) {
  std::vector<AdamSegment<float>> segments;
  for (const Index n : matrices(s)) segments.push_back({nullptr, c.input(n), nullptr, nullptr, n, true});
  float* sum = c.output(1);
  c.floats(total(s));
  c.call([=](const Table& op) {
    *sum = static_cast<float>(op.sum_squares({}, segments.data(), static_cast<Index>(segments.size())));
  });
}

void adam_step(Case& c, const Sizes& s) {
  std::vector<AdamSegment<float>> segments;
  for (const Index n : matrices(s)) {
    float* const square = c.state(n, 0);
    segments.push_back({c.state(n), c.input(n), c.state(n), square, n, true});
  }
  const AdamDims d = {.rate = 1e-3,
                      .beta1 = 0.9,
                      .beta2 = 0.98,
                      .epsilon = 1e-6,
                      .decay = 0.01,
                      .grad_scale = 0.5,
                      .step = 10,
                      .corrected_epsilon = false};
  c.floats(7 * total(s));
  c.call([=](const Table& op) { op.adam_step({}, d, segments.data(), static_cast<Index>(segments.size())); });
}

}  // namespace

std::vector<Op> optimizer_ops() { return {{"sum_squares", sum_squares}, {"adam_step", adam_step}}; }

}  // namespace anylead::bench
