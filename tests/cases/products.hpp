// Linear maps, convolutions and the blocks made of them.
#pragma once

#include "cases/norms.hpp"
#include "reference/conv1d.hpp"
#include "reference/linear.hpp"

namespace anylead::cases {

/// fused: with the GELU of the input.
inline OpCase linear(LinearDims d, bool bias, bool fused, bool backward) {
  OpCase c(str(fused ? "gelu_linear" : "linear", backward ? "_backward" : "_forward"),
           str("R=", d.rows, " in=", d.in, " out=", d.out, bias ? "" : " without bias"));
  c.normal("x", d.rows * d.in).normal("weight", d.out * d.in).of_size(0);
  const double products = 2 * double(d.rows) * double(d.in) * double(d.out);
  c.costs(double(std::max(d.in, std::max(d.out, d.rows))), (backward ? 2 : 1) * products,
          double(d.rows * d.in + d.rows * d.out + d.in * d.out));
  if (!backward) {
    if (bias) c.normal("bias", d.out);
    c.output("y", d.rows * d.out).of_size(1);
    if (!fused)
      return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
        op.linear_forward(e, d, b.real("y"), b.real("x"), b.real("weight"), b.optional("bias"));
      });
    c.output("h", d.rows * d.in);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.gelu_linear_forward(e, d, b.real("y"), b.real("h"), b.real("x"), b.real("weight"), b.optional("bias"));
    });
  }
  c.normal("dy", d.rows * d.out).gradient("dx", d.rows * d.in).of_size(1).gradient("dweight", d.out * d.in).of_size(1);
  if (bias) c.gradient("dbias", d.out).of_size(1);
  if (!fused)
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.linear_backward(e, d, b.grad("dx"), b.grad("dweight"), b.optional_grad("dbias"), b.real("dy"), b.real("x"),
                         b.real("weight"));
    });
  c.scratch("h", d.rows * d.in);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gelu_linear_backward(e, d, b.grad("dx"), b.grad("dweight"), b.optional_grad("dbias"), b.real("h"), b.real("dy"),
                            b.real("x"), b.real("weight"));
  });
}

inline std::string describe(const Conv1dDims& d) {
  return str("B=", d.batch, " T=", d.time, " C=", d.in, " K=", d.out, " L=", d.taps, " stride ", d.stride, " padding ",
             d.padding, " G=", d.groups);
}

inline double products(const Conv1dDims& d) {
  return 2 * double(d.batch * d.out_time()) * double(d.out) * double(d.in / d.groups * d.taps);
}

/// Longest sum of any output or gradient.
inline double longest(const Conv1dDims& d) {
  return double(std::max({d.in / d.groups * d.taps, d.out / d.groups * d.taps, d.batch * d.out_time()}));
}

inline OpCase conv1d(Conv1dDims d, bool bias, bool backward) {
  OpCase c(backward ? "conv1d_backward" : "conv1d_forward", str(describe(d), bias ? "" : " without bias"));
  const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
  c.normal("x", nx).normal("weight", nw);
  c.costs(longest(d), (backward ? 2 : 1) * products(d), double(nx + ny + nw));
  if (d.groups > 1) c.may_spread();  // a device may work on transforms
  if (!backward) {
    if (bias) c.normal("bias", d.out);
    c.output("y", ny).of_size(1);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.conv1d_forward(e, d, b.real("y"), b.real("x"), b.real("weight"), b.optional("bias"));
    });
  }
  c.normal("dy", ny).gradient("dx", nx).of_size(1).gradient("dweight", nw).of_size(1);
  if (bias) c.gradient("dbias", d.out).of_size(1);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.conv1d_backward(e, d, b.grad("dx"), b.grad("dweight"), b.optional_grad("dbias"), b.real("dy"), b.real("x"),
                       b.real("weight"));
  });
}

inline OpCase conv1d_norm_gelu(Conv1dDims d, BlockNorm norm, bool bias, bool backward) {
  OpCase c(backward ? "conv1d_norm_gelu_backward" : "conv1d_norm_gelu_forward", str(describe(d),
                                                                                    norm == BlockNorm::group   ? " group norm"
                                                                                    : norm == BlockNorm::layer ? " layer norm"
                                                                                                               : " no norm",
                                                                                    bias ? "" : " without bias"));
  const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
  const Index ns = norm == BlockNorm::group ? d.batch * d.out : d.batch * d.out_time();
  const bool normed = norm != BlockNorm::none;
  c.normal("x", nx).normal("weight", nw);
  if (bias) c.normal("bias", d.out);
  if (normed) c.normal("norm_weight", d.out, 1, 0.5).normal("norm_bias", d.out);
  c.costs(longest(d), (backward ? 2 : 1) * products(d) + 60 * double(ny), double(nx + 3 * ny + nw));
  if (!backward) {
    c.output("y", ny).of_size(1).output("z", ny).of_size(1);
    if (normed) c.output("mean", ns).of_size(1).output("rstd", ns);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.conv1d_norm_gelu_forward(e, d, norm, b.real("y"), b.real("z"), b.optional("mean"), b.optional("rstd"), b.real("x"),
                                  b.real("weight"), b.optional("bias"), b.optional("norm_weight"), b.optional("norm_bias"),
                                  T(kNormEpsilon));
    });
  }
  std::vector<double> y(static_cast<std::size_t>(ny)), z = y, mean(static_cast<std::size_t>(ns)), rstd = mean;
  reference::conv1d_norm_gelu_forward({}, d, norm, y.data(), z.data(), mean.data(), rstd.data(), c.values("x"),
                                      c.values("weight"), c.values("bias"), c.values("norm_weight"), c.values("norm_bias"),
                                      kNormEpsilon);
  c.kept("z", z);
  double steepest = 1;
  if (normed) {
    c.kept("mean", mean).kept("rstd", rstd);
    for (const double s : rstd) steepest = std::max(steepest, s);
  }
  c.fixed().normal("dy", ny).scratch("dz", ny);
  c.gradient("dx", nx).of_size(steepest).gradient("dweight", nw).of_size(steepest);
  if (bias) c.gradient("dbias", d.out).of_size(steepest);
  if (normed) c.gradient("dnorm_weight", d.out).of_size(1).gradient("dnorm_bias", d.out).of_size(1);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.conv1d_norm_gelu_backward(e, d, norm, b.grad("dx"), b.grad("dweight"), b.optional_grad("dbias"),
                                 b.optional_grad("dnorm_weight"), b.optional_grad("dnorm_bias"), b.real("dz"), b.real("dy"),
                                 b.real("x"), b.real("z"), b.real("weight"), b.optional("norm_weight"), b.optional("norm_bias"),
                                 b.optional("mean"), b.optional("rstd"));
  });
}

/// kept: probability that a lead is not masked; 1: no mask is given.
inline OpCase lead_conv1d_norm_gelu(Conv1dDims d, BlockNorm norm, bool bias, double kept, bool backward) {
  OpCase c(backward ? "lead_conv1d_norm_gelu_backward" : "lead_conv1d_norm_gelu_forward",
           str(describe(d), " norm ", static_cast<int>(norm), " kept ", kept, bias ? "" : " without bias"));
  const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in * d.taps;
  const Index ns = norm == BlockNorm::group ? d.batch * d.out : d.batch * d.out_time();
  const bool normed = norm != BlockNorm::none;
  c.normal("x", nx, 2).normal("weight", nw);
  if (kept < 1) c.flags("keep", d.batch * d.in, kept);
  if (bias) c.normal("bias", d.out);
  if (normed) c.normal("norm_weight", d.out, 1, 0.5).normal("norm_bias", d.out);
  c.costs(longest(d), (backward ? 2 : 1) * products(d) + 60 * double(ny), double(nx + 2 * ny + nw));
  c.may_spread();  // where leads are masked by a device's other ops, which multiply by 0
  const std::vector<Flag> mask = kept < 1 ? c.draw_flags("keep", d.batch * d.in, kept) : std::vector<Flag>();
  std::vector<double> y(static_cast<std::size_t>(ny)), mean(static_cast<std::size_t>(ns)), rstd = mean;
  reference::lead_conv1d_norm_gelu_forward({}, d, norm, y.data(), mean.data(), rstd.data(), c.values("x"),
                                           mask.empty() ? nullptr : mask.data(), c.values("weight"), c.values("bias"),
                                           c.values("norm_weight"), c.values("norm_bias"), kNormEpsilon);
  double steepest = 1;  // a lead's mean is no part of what is normalised, but of what is rounded
  if (normed)
    for (const double s : rstd) steepest = std::max(steepest, s);
  if (!backward) {
    c.output("y", ny).of_size(steepest);
    if (normed) c.output("mean", ns).of_size(1).output("rstd", ns);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.lead_conv1d_norm_gelu_forward(e, d, norm, b.real("y"), b.optional("mean"), b.optional("rstd"), b.real("x"),
                                       b.template optional<Flag>("keep"), b.real("weight"), b.optional("bias"),
                                       b.optional("norm_weight"), b.optional("norm_bias"), T(kNormEpsilon));
    });
  }
  if (normed) c.kept("mean", mean).kept("rstd", rstd);
  c.fixed().normal("dy", ny).gradient("dweight", nw).of_size(steepest);
  if (bias) c.gradient("dbias", d.out).of_size(steepest);
  if (normed) c.gradient("dnorm_weight", d.out).of_size(steepest).gradient("dnorm_bias", d.out).of_size(steepest);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.lead_conv1d_norm_gelu_backward(
        e, d, norm, b.grad("dweight"), b.optional_grad("dbias"), b.optional_grad("dnorm_weight"), b.optional_grad("dnorm_bias"),
        b.real("dy"), b.real("x"), b.template optional<Flag>("keep"), b.real("weight"), b.optional("bias"),
        b.optional("norm_weight"), b.optional("norm_bias"), b.optional("mean"), b.optional("rstd"));
  });
}

/// L / 2 frames of padding on each side; an even L gives one frame more, which is dropped.
inline Conv1dDims positional(Index batch, Index time, Index width, Index taps, Index groups) {
  return {batch, time, width, width, taps, 1, taps / 2, groups};
}

inline OpCase conv_positional(Conv1dDims d, bool backward) {
  OpCase c(backward ? "conv_positional_backward" : "conv_positional_forward", describe(d));
  const Index n = d.batch * d.time * d.in, nw = d.out * d.in / d.groups * d.taps;
  c.normal("x", n).normal("weight", nw).normal("bias", d.out);
  c.may_spread().costs(longest(d), (backward ? 2 : 1) * products(d) + 40 * double(n), double(3 * n + nw));
  if (!backward) {
    c.output("y", n).of_size(1).output("z", n).of_size(1);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.conv_positional_forward(e, d, b.real("y"), b.real("z"), b.real("x"), b.real("weight"), b.real("bias"));
    });
  }
  std::vector<double> y(static_cast<std::size_t>(n)), z = y;
  reference::conv_positional_forward({}, d, y.data(), z.data(), c.values("x"), c.values("weight"), c.values("bias"));
  c.kept("z", z).fixed().normal("dy", n).scratch("dz", n);
  c.gradient("dx", n).of_size(1).gradient("dweight", nw).of_size(1).gradient("dbias", d.out).of_size(1);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.conv_positional_backward(e, d, b.grad("dx"), b.grad("dweight"), b.grad("dbias"), b.real("dz"), b.real("dy"), b.real("x"),
                                b.real("z"), b.real("weight"));
  });
}

inline std::vector<OpCase> linears() {
  std::vector<OpCase> all;
  for (const LinearDims d : {LinearDims{0, 3, 4},
                             {1, 1, 1},
                             {3, 17, 5},
                             {16, 16, 16},
                             {33, 7, 65},
                             {65, 31, 63},
                             {130, 48, 31},
                             {7, 300, 9},
                             {1100, 3, 5},
                             {3, 0, 4}})
    for (const bool bias : {true, false})
      for (const bool fused : {false, true})
        for (const bool backward : {false, true}) all.push_back(linear(d, bias, fused, backward));
  return all;
}

/// Batch, time, in, out, taps, stride, padding, groups.
inline std::vector<OpCase> convolutions() {
  std::vector<OpCase> all;
  for (const Conv1dDims& d : {Conv1dDims{0, 8, 2, 3, 2, 2, 0, 1},
                              {1, 1, 1, 1, 1, 1, 0, 1},
                              {2, 8, 3, 5, 2, 2, 0, 1},
                              {2, 9, 3, 5, 2, 2, 0, 1},
                              {3, 33, 12, 17, 2, 2, 0, 1},
                              {2, 17, 4, 6, 3, 1, 0, 1},
                              {2, 17, 4, 6, 3, 2, 0, 1},
                              {2, 19, 4, 6, 2, 5, 0, 1},
                              {2, 17, 4, 6, 3, 2, 1, 2},
                              {2, 5, 4, 4, 8, 1, 4, 4},
                              {1, 65, 31, 33, 5, 3, 2, 1},
                              {2, 10, 6, 9, 4, 4, 3, 3},
                              {2, 2, 3, 4, 2, 2, 0, 1}})
    for (const bool bias : {true, false})
      for (const bool backward : {false, true}) all.push_back(conv1d(d, bias, backward));
  return all;
}

inline std::vector<OpCase> blocks() {
  std::vector<OpCase> all;
  for (const Conv1dDims& d : {Conv1dDims{0, 8, 2, 3, 2, 2, 0, 1},
                              {2, 9, 3, 5, 2, 2, 0, 1},
                              {3, 32, 12, 17, 2, 2, 0, 1},
                              {2, 21, 4, 70, 3, 2, 0, 1},
                              {1, 66, 2, 16, 2, 2, 0, 1}})
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer})
      for (const bool bias : {true, false})
        for (const bool backward : {false, true}) all.push_back(conv1d_norm_gelu(d, norm, bias, backward));
  return all;
}

/// Batch, time, leads, out, taps, stride, padding, groups.
inline std::vector<OpCase> lead_blocks() {
  std::vector<OpCase> all;
  for (const Conv1dDims& d : {Conv1dDims{0, 8, 12, 4, 2, 2, 0, 1},
                              {1, 1, 1, 1, 1, 1, 0, 1},
                              {3, 200, 12, 67, 2, 2, 0, 1},
                              {2, 129, 12, 33, 2, 2, 0, 1},
                              {1, 70, 5, 130, 3, 2, 0, 1},
                              {2, 71, 3, 40, 5, 1, 0, 1},
                              {2, 50, 1, 24, 2, 5, 0, 1},
                              {1, 40, 12, 9, 4, 2, 0, 1}})
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer})
      for (const double kept : {0., 0.5, 1.})
        for (const bool backward : {false, true})
          all.push_back(lead_conv1d_norm_gelu(d, norm, d.batch % 2 == 0, kept, backward));
  // enough for blocks with several tiles of a segment
  all.push_back(lead_conv1d_norm_gelu({265, 129, 1, 1, 1, 1, 0, 1}, BlockNorm::group, true, 0.5, false));
  return all;
}

inline std::vector<OpCase> positionals() {
  std::vector<OpCase> all;
  for (const Conv1dDims& d :
       {positional(0, 4, 4, 3, 2), positional(1, 1, 1, 1, 1), positional(1, 1, 4, 8, 2), positional(2, 7, 6, 4, 3),
        positional(2, 7, 6, 5, 1), positional(2, 20, 32, 8, 4), positional(1, 33, 8, 16, 8), positional(3, 5, 16, 31, 2),
        positional(1, 24, 12, 128, 3), positional(1, 24, 16, 128, 4), positional(1, 300, 8, 16, 4), positional(2, 1, 8, 9, 4),
        positional(2, 33, 72, 9, 4)})
    for (const bool backward : {false, true}) all.push_back(conv_positional(d, backward));
  return all;
}

}  // namespace anylead::cases
