// Log-softmax and cosines of rows.
#pragma once

#include "reference/similarity.hpp"
#include "support/op_case.hpp"

namespace anylead::cases {

using test::OpCase;

inline OpCase log_softmax_forward(RowDims d) {
  OpCase c("log_softmax_forward", str("R=", d.rows, " C=", d.cols));
  c.normal("x", d.rows * d.cols, 0, 5)
      .output("y", d.rows * d.cols)
      .costs(double(d.cols), 40 * double(d.rows * d.cols), 2 * double(d.rows * d.cols));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.log_softmax_forward(e, d, b.real("y"), b.real("x"));
  });
}

inline OpCase log_softmax_backward(RowDims d) {
  OpCase c("log_softmax_backward", str("R=", d.rows, " C=", d.cols));
  const Index n = d.rows * d.cols;
  c.normal("x", n, 0, 2).normal("dy", n);
  std::vector<double> y(static_cast<std::size_t>(n));
  reference::log_softmax_forward({}, d, y.data(), c.values("x"));
  c.slots().erase(c.slots().begin());
  c.kept("y", y).gradient("dx", n).of_size(1).costs(double(d.cols), 40 * double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.log_softmax_backward(e, d, b.grad("dx"), b.real("dy"), b.real("y"));
  });
}

/// zeros: the first row of each is 0, below eps.
inline OpCase cosine(RowDims d, Index repeats, bool zeros, bool backward) {
  OpCase c(backward ? "cosine_backward" : "cosine_forward",
           str("R=", d.rows, " C=", d.cols, " S=", repeats, zeros ? " with zero rows" : ""));
  const Index n = d.rows * d.cols;
  c.normal("a", n, 0.5).normal("b", repeats * n, -0.5);
  for (Index i = 0; i < d.cols && zeros; ++i) c.values("a")[i] = c.values("b")[i] = 0;
  std::vector<double> y(static_cast<std::size_t>(repeats * d.rows));
  c.costs(double(d.cols), 6 * double(repeats * n), 2 * double(repeats * n));
  if (!backward) {
    c.output("y", repeats * d.rows).of_size(1);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.cosine_forward(e, d, repeats, b.real("y"), b.real("a"), b.real("b"), T(0x1p-20));
    });
  }
  reference::cosine_forward({}, d, repeats, y.data(), c.values("a"), c.values("b"), 0x1p-20);
  c.fixed().normal("dy", repeats * d.rows).kept("y", y).gradient("da", n).of_size(1).gradient("db", repeats * n).of_size(1);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.cosine_backward(e, d, repeats, b.grad("da"), b.grad("db"), b.real("dy"), b.real("y"), b.real("a"), b.real("b"),
                       T(0x1p-20));
  });
}

inline std::vector<OpCase> similarity() {
  std::vector<OpCase> all;
  for (const RowDims d : {RowDims{0, 8}, {1, 1}, {3, 15}, {3, 16}, {2, 17}, {7, 33}, {5, 63}, {4, 65}, {2, 1025}, {300, 101}}) {
    all.push_back(log_softmax_forward(d));
    all.push_back(log_softmax_backward(d));
    for (const Index repeats : {1, 3})
      for (const bool backward : {false, true}) all.push_back(cosine(d, repeats, false, backward));
    if (d.rows > 0)
      for (const bool backward : {false, true}) all.push_back(cosine(d, 2, true, backward));
  }
  return all;
}

}  // namespace anylead::cases
