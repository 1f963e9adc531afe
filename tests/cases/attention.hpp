// Attention.
#pragma once

#include "cases/elementwise.hpp"
#include "reference/attention.hpp"

namespace anylead::cases {

enum class Padding {
  none,
  tail,
  all
};  ///< which keys are left out: no key, the last ones of every other segment, all of segment 0

inline OpCase attention(AttentionDims d, Padding padding, float p, int kind) {
  const char* const names[] = {"attention_forward", "attention_backward", "attention_weights"};
  OpCase c(names[kind], str("B=", d.batch, " T=", d.time, " H=", d.heads, " D=", d.head_width,
                            padding == Padding::none   ? ""
                            : padding == Padding::tail ? " padded"
                                                       : " a segment all padding",
                            p > 0 ? " dropout" : ""));
  const Index n = d.batch * d.time * d.heads * d.head_width, rows = d.batch * d.heads * d.time;
  std::vector<Flag> pad(static_cast<std::size_t>(d.batch * d.time));
  for (Index b = 0; b < d.batch; ++b)
    for (Index t = 0; t < d.time; ++t)
      pad[static_cast<std::size_t>(b * d.time + t)] = padding == Padding::all ? b == 0 : b % 2 == 1 && t >= (d.time + 1) / 2;
  c.normal("q", n, 0, 1.5).normal("k", n, 0, 1.5).normal("v", n);
  const Flag* flags = nullptr;
  if (padding != Padding::none) {
    c.flags("padding", pad);
    flags = pad.data();
  }
  const double products = 2 * double(rows) * double(d.time) * double(d.head_width);
  c.costs(double(std::max(d.time, d.head_width)), (kind == 1 ? 5 : 2) * products, double(4 * n));
  if (kind == 0) {
    c.output("y", n).of_size(1).output("logsum", rows).of_size(1);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.attention_forward(e, d, b.real("y"), b.real("logsum"), b.real("q"), b.real("k"), b.real("v"),
                           b.template optional<Flag>("padding"), dropout(p));
    });
  }
  std::vector<double> y(static_cast<std::size_t>(n)), logsum(static_cast<std::size_t>(rows));
  reference::attention_forward({}, d, y.data(), logsum.data(), c.values("q"), c.values("k"), c.values("v"), flags, dropout(p));
  c.kept("y", y).kept("logsum", logsum).fixed();
  if (kind == 1) {
    c.normal("dy", n).gradient("dq", n).of_size(1).gradient("dk", n).of_size(1).gradient("dv", n).of_size(1);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.attention_backward(e, d, b.grad("dq"), b.grad("dk"), b.grad("dv"), b.real("dy"), b.real("y"), b.real("logsum"),
                            b.real("q"), b.real("k"), b.real("v"), b.template optional<Flag>("padding"), dropout(p));
    });
  }
  c.output("weights", d.batch * d.time * d.time);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.attention_weights(e, d, b.real("weights"), b.real("logsum"), b.real("q"), b.real("k"),
                         b.template optional<Flag>("padding"));
  });
}

inline std::vector<OpCase> attention() {
  std::vector<OpCase> all;
  for (const AttentionDims& d : {AttentionDims{0, 4, 2, 4},
                                 {1, 1, 1, 1},
                                 {2, 7, 1, 5},
                                 {2, 15, 3, 8},
                                 {1, 16, 2, 16},
                                 {3, 17, 2, 3},
                                 {2, 33, 2, 16},
                                 {1, 193, 1, 3},
                                 {2, 34, 1, 32},
                                 {1, 83, 2, 64},
                                 {1, 37, 1, 100}})
    for (const Padding padding : {Padding::none, Padding::tail, Padding::all}) {
      for (const float p : {0.f, 0.25f})
        for (const int kind : {0, 1}) all.push_back(attention(d, padding, p, kind));
      all.push_back(attention(d, padding, 0, 2));
    }
  return all;
}

}  // namespace anylead::cases
