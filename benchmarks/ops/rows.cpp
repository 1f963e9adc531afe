#include "ops/case.hpp"

namespace anylead::bench {
namespace {

constexpr float kEps = 1e-8f;

/// Every `period`-th flag is 0, or, inverted, 1.
std::vector<Flag> flags(Index n, Index period, bool inverted) {
  std::vector<Flag> f(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) f[static_cast<std::size_t>(i)] = (i % period == 0) == inverted;
  return f;
}

/// The frames that spans of 10 out of 20 cover.
std::vector<Index32> masked_rows(const Sizes& s) {
  std::vector<Index32> rows;
  for (Index r = 0; static_cast<Index>(rows.size()) < s.masked; r += r % 10 == 9 ? 11 : 1)
    rows.push_back(static_cast<Index32>(r % s.rows));
  return rows;
}

void lead_mask_forward(Case& c, const Sizes& s) {
  const LeadMaskDims d = {s.batch, s.encoder.leads, s.samples};
  const Index n = d.batch * d.leads * d.time;
  float* y = c.output(n);
  const float* x = c.input(n);
  const Flag* keep = c.input(flags(d.batch * d.leads, 2, false));
  c.floats(2 * n);
  c.call([=](const Table& op) { op.lead_mask_forward({}, d, y, x, keep); });
}

void lead_mask_backward(Case& c, const Sizes& s) {
  const LeadMaskDims d = {s.batch, s.encoder.leads, s.samples};
  const Index n = d.batch * d.leads * d.time;
  const Grad<float> dx = c.gradient(n);
  const float* dy = c.input(n);
  const Flag* keep = c.input(flags(d.batch * d.leads, 2, false));
  c.floats(2 * n);
  c.call([=](const Table& op) { op.lead_mask_backward({}, d, dx, dy, keep); });
}

void mask_rows_forward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  float* y = c.output(d.rows * d.cols);
  const float *x = c.input(d.rows * d.cols), *row = c.input(d.cols);
  const Flag* mask = c.input(flags(d.rows, 2, true));
  c.floats(2 * d.rows * d.cols);
  c.call([=](const Table& op) { op.mask_rows_forward({}, d, y, x, row, mask); });
}

void mask_rows_backward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Grad<float> dx = c.gradient(d.rows * d.cols), drow = c.gradient(d.cols);
  const float* dy = c.input(d.rows * d.cols);
  const Flag* mask = c.input(flags(d.rows, 2, true));
  c.floats(2 * d.rows * d.cols);
  c.call([=](const Table& op) { op.mask_rows_backward({}, d, dx, drow, dy, mask); });
}

void gather_rows_forward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  float* y = c.output(s.masked * d.cols);
  const float* x = c.input(d.rows * d.cols);
  const Index32* index = c.input(masked_rows(s));
  c.floats(2 * s.masked * d.cols);
  c.call([=, n = s.masked](const Table& op) { op.gather_rows_forward({}, d, n, y, x, index); });
}

void gather_rows_backward(Case& c, const Sizes& s) {
  const RowDims d = {s.rows, s.width()};
  const Grad<float> dx = c.gradient(d.rows * d.cols);
  const float* dy = c.input(s.masked * d.cols);
  const Index32* index = c.input(masked_rows(s));
  c.floats((s.rows + s.masked) * d.cols);
  c.call([=, n = s.masked](const Table& op) { op.gather_rows_backward({}, d, n, dx, dy, index); });
}

/// As many rows and classes as the local loss has.
RowDims classes(const Sizes& s) { return {s.masked, 1 + s.contrast().negatives}; }

void log_softmax_forward(Case& c, const Sizes& s) {
  const RowDims d = classes(s);
  float* y = c.output(d.rows * d.cols);
  const float* x = c.input(d.rows * d.cols, 2);
  c.floats(2 * d.rows * d.cols);
  c.call([=](const Table& op) { op.log_softmax_forward({}, d, y, x); });
}

void log_softmax_backward(Case& c, const Sizes& s) {
  const RowDims d = classes(s);
  const Grad<float> dx = c.gradient(d.rows * d.cols);
  const float *dy = c.input(d.rows * d.cols), *x = c.input(d.rows * d.cols, 2);
  float* y = c.scratch(d.rows * d.cols);
  cpu().backend().ops<float>().log_softmax_forward({}, d, y, x);
  c.floats(3 * d.rows * d.cols);
  c.call([=](const Table& op) { op.log_softmax_backward({}, d, dx, dy, y); });
}

constexpr Index kRepeats = 10;

void cosine_forward(Case& c, const Sizes& s) {
  const RowDims d = {s.masked, s.w2v.final_width};
  const Index n = d.rows * d.cols;
  float* y = c.output(kRepeats * d.rows);
  const float *a = c.input(n), *b = c.input(kRepeats * n);
  c.floats((1 + kRepeats) * n);
  c.call([=](const Table& op) { op.cosine_forward({}, d, kRepeats, y, a, b, kEps); });
}

void cosine_backward(Case& c, const Sizes& s) {
  const RowDims d = {s.masked, s.w2v.final_width};
  const Index n = d.rows * d.cols;
  const Grad<float> da = c.gradient(n), db = c.gradient(kRepeats * n);
  const float *dy = c.input(kRepeats * d.rows), *a = c.input(n), *b = c.input(kRepeats * n);
  float* y = c.scratch(kRepeats * d.rows);
  cpu().backend().ops<float>().cosine_forward({}, d, kRepeats, y, a, b, kEps);
  c.floats(2 * (1 + kRepeats) * n);
  c.call([=](const Table& op) { op.cosine_backward({}, d, kRepeats, da, db, dy, y, a, b, kEps); });
}

void mean_pool_forward(Case& c, const Sizes& s) {
  const PoolDims d = {s.batch, s.frames, s.width()};
  float *y = c.output(d.batch * d.channels), *count = c.output(d.batch * d.channels);
  const float* x = c.input(s.activations());
  c.floats(s.activations());
  c.call([=](const Table& op) { op.mean_pool_forward({}, d, true, y, count, x, nullptr); });
}

void mean_pool_backward(Case& c, const Sizes& s) {
  const PoolDims d = {s.batch, s.frames, s.width()};
  const Grad<float> dx = c.gradient(s.activations());
  const float* dy = c.input(d.batch * d.channels);
  const float* count = c.input(std::vector<float>(static_cast<std::size_t>(d.batch * d.channels), float(d.time)));
  c.floats(s.activations());
  c.call([=](const Table& op) { op.mean_pool_backward({}, d, dx, dy, count, nullptr); });
}

}  // namespace

std::vector<Op> row_ops() {
  return {{"lead_mask_forward", lead_mask_forward},     {"lead_mask_backward", lead_mask_backward},
          {"mask_rows_forward", mask_rows_forward},     {"mask_rows_backward", mask_rows_backward},
          {"gather_rows_forward", gather_rows_forward}, {"gather_rows_backward", gather_rows_backward},
          {"log_softmax_forward", log_softmax_forward}, {"log_softmax_backward", log_softmax_backward},
          {"cosine_forward", cosine_forward},           {"cosine_backward", cosine_backward},
          {"mean_pool_forward", mean_pool_forward},     {"mean_pool_backward", mean_pool_backward}};
}

}  // namespace anylead::bench
