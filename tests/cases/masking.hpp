// Masks of leads and frames, row picks.
#pragma once

#include <numeric>

#include "support/op_case.hpp"

namespace anylead::cases {

using test::OpCase;

inline OpCase lead_mask(LeadMaskDims d, bool masked, bool backward) {
  OpCase c(backward ? "lead_mask_backward" : "lead_mask_forward",
           str("B=", d.batch, " C=", d.leads, " T=", d.time, masked ? "" : " all kept"));
  const Index n = d.batch * d.leads * d.time;
  if (masked) c.flags("keep", d.batch * d.leads, 0.5);
  c.costs(1, 0, 2 * double(n));
  if (backward) {
    c.normal("dy", n).gradient("dx", n);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.lead_mask_backward(e, d, b.grad("dx"), b.real("dy"), b.template optional<Flag>("keep"));
    });
  }
  c.normal("x", n).output("y", n);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.lead_mask_forward(e, d, b.real("y"), b.real("x"), b.template optional<Flag>("keep"));
  });
}

inline OpCase mask_rows(RowDims d, double share, bool with_row, bool backward) {
  OpCase c(backward ? "mask_rows_backward" : "mask_rows_forward",
           str("R=", d.rows, " C=", d.cols, " masked ", share, with_row ? "" : " zeros"));
  const Index n = d.rows * d.cols;
  c.flags("mask", d.rows, share).costs(double(d.rows), 0, 2 * double(n));
  if (backward) {
    c.normal("dy", n).gradient("dx", n);
    if (with_row) c.gradient("drow", d.cols);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.mask_rows_backward(e, d, b.grad("dx"), b.optional_grad("drow"), b.real("dy"), b.flag("mask"));
    });
  }
  c.normal("x", n).output("y", n).may_alias("y", "x");
  if (with_row) c.normal("row", d.cols);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.mask_rows_forward(e, d, b.real("y"), b.real("x"), b.optional("row"), b.flag("mask"));
  });
}

/// n distinct rows of R in random order.
inline OpCase gather_rows(RowDims d, Index n, bool backward) {
  OpCase c(backward ? "gather_rows_backward" : "gather_rows_forward", str("R=", d.rows, " C=", d.cols, " n=", n));
  std::vector<Index32> index(static_cast<std::size_t>(d.rows));
  std::iota(index.begin(), index.end(), 0);
  for (std::size_t i = 0; i < index.size(); ++i)
    std::swap(index[i], index[i + c.stream("index").below(i, static_cast<std::uint32_t>(index.size() - i))]);
  index.resize(static_cast<std::size_t>(n));
  c.indices("index", index).costs(1, 0, 2 * double(n * d.cols));
  if (backward) {
    c.normal("dy", n * d.cols).gradient("dx", d.rows * d.cols);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.gather_rows_backward(e, d, n, b.grad("dx"), b.real("dy"), b.index("index"));
    });
  }
  c.normal("x", d.rows * d.cols).output("y", n * d.cols);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gather_rows_forward(e, d, n, b.real("y"), b.real("x"), b.index("index"));
  });
}

inline std::vector<OpCase> masking() {
  std::vector<OpCase> all;
  for (const bool backward : {false, true}) {
    for (const LeadMaskDims d : {LeadMaskDims{0, 12, 5}, {1, 1, 1}, {2, 12, 257}, {3, 2, 255}, {2, 15, 31}, {1, 3, 1000}})
      for (const bool masked : {true, false}) all.push_back(lead_mask(d, masked, backward));
    for (const RowDims d : {RowDims{0, 8}, {1, 1}, {7, 33}, {129, 17}, {5, 65}, {300, 129}, {1025, 3}})
      for (const double share : {0.0, 0.4, 1.0})
        for (const bool with_row : {true, false}) all.push_back(mask_rows(d, share, with_row, backward));
    for (const RowDims d : {RowDims{1, 1}, {7, 33}, {129, 17}, {300, 129}, {5, 1000}})
      for (const Index n : {Index{0}, d.rows / 2, d.rows}) all.push_back(gather_rows(d, n, backward));
  }
  return all;
}

}  // namespace anylead::cases
