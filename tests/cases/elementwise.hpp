// Passes over single elements: fill, scale, dropout with sum, GELU, mean of squares, Gumbel numbers.
#pragma once

#include "support/op_case.hpp"

namespace anylead::cases {

using test::OpCase;

/// Nothing, one element, the ends of 16- and 8-lane vectors, several pieces of work.
inline const std::vector<Index>& lengths() {
  static const std::vector<Index> n = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 257, 1009, 16385, 40009};
  return n;
}

inline OpCase fill(Index n) {
  OpCase c("fill", str("n=", n));
  c.output("y", n).costs(1, 0, double(n));
  return c.runs(
      [=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) { op.fill(e, n, b.real("y"), T(-2.5)); });
}

inline OpCase scale(Index n) {
  OpCase c("scale", str("n=", n));
  c.normal("x", n).gradient("y", n).costs(1, double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.scale(e, n, b.grad("y"), b.real("x"), T(-1.25));
  });
}

/// y.data may be x.
inline OpCase scale_in_place(Index n) {
  OpCase c("scale", str("n=", n, " in place"));
  std::vector<double> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = c.stream("x").normal(i);
  c.changed("x", x).costs(1, double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.scale(e, n, Grad<T>{b.real("x"), GradMode::overwrite}, b.real("x"), T(-1.25));
  });
}

inline Dropout dropout(float p) { return {p, {7, 3, site_key("dropout")}}; }

inline OpCase dropout_add_forward(Index n, float p, bool sum) {
  OpCase c("dropout_add_forward", str("n=", n, " p=", p, sum ? "" : " without x"));
  if (sum) c.normal("x", n).may_alias("y", "x");
  c.normal("a", n).output("y", n).may_alias("y", "a").costs(1, 2 * double(n), (sum ? 3 : 2) * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.dropout_add_forward(e, n, b.real("y"), b.optional("x"), b.real("a"), dropout(p));
  });
}

inline OpCase dropout_add_backward(Index n, float p) {
  OpCase c("dropout_add_backward", str("n=", n, " p=", p));
  c.normal("dy", n).gradient("dx", n).gradient("da", n).costs(1, double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.dropout_add_backward(e, n, b.grad("dx"), b.grad("da"), b.real("dy"), dropout(p));
  });
}

inline OpCase gelu_forward(Index n) {
  OpCase c("gelu_forward", str("n=", n));
  c.normal("x", n, 0, 3).output("y", n).may_alias("y", "x").costs(1, 40 * double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gelu_forward(e, n, b.real("y"), b.real("x"));
  });
}

inline OpCase gelu_backward(Index n) {
  OpCase c("gelu_backward", str("n=", n));
  c.normal("dy", n).normal("x", n, 0, 3).gradient("dx", n).costs(1, 45 * double(n), 3 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gelu_backward(e, n, b.grad("dx"), b.real("dy"), b.real("x"));
  });
}

inline OpCase mean_square_forward(Index n) {
  OpCase c("mean_square_forward", str("n=", n));
  c.normal("x", n, 1, 2).output("y", 1).costs(double(n), 2 * double(n), double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.mean_square_forward(e, n, b.real("y"), b.real("x"));
  });
}

inline OpCase mean_square_backward(Index n) {
  OpCase c("mean_square_backward", str("n=", n));
  c.normal("x", n).normal("dy", 1).gradient("dx", n).costs(1, double(n), 2 * double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.mean_square_backward(e, n, b.grad("dx"), b.real("dy"), b.real("x"));
  });
}

inline OpCase gumbel_noise(Index n) {
  OpCase c("gumbel_noise", str("n=", n));
  c.output("noise", n).costs(1, 60 * double(n), double(n));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gumbel_noise(e, n, b.real("noise"), {9, 4, site_key("gumbel")});
  });
}

inline std::vector<OpCase> elementwise() {
  std::vector<OpCase> all;
  for (const Index n : lengths()) {
    for (const auto& make :
         {fill, scale, scale_in_place, gelu_forward, gelu_backward, mean_square_forward, mean_square_backward, gumbel_noise})
      all.push_back(make(n));
    for (const float p : {0.f, 0.25f, 1.f}) {
      all.push_back(dropout_add_forward(n, p, true));
      all.push_back(dropout_add_forward(n, p, false));
      all.push_back(dropout_add_backward(n, p));
    }
  }
  all.push_back(mean_square_forward(1100003));  // more than one round of all threads of a GPU
  return all;
}

}  // namespace anylead::cases
