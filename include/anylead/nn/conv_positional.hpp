// The convolutional positional encoding.
#pragma once

#include <cmath>
#include <vector>

#include <anylead/nn/parameter.hpp>
#include <anylead/ops/conv1d.hpp>
#include <anylead/ops/weight_norm.hpp>

namespace anylead::nn {

/// y = x + gelu(grouped convolution of x), weight-normalised over all axes but the taps: one magnitude per tap.
/// weight_v: [E, E/G, L]; weight_g: [1, 1, L]; bias: [E].
template <Real T>
class ConvPositional {
 public:
  struct Options {
    Index width = 768, taps = 128, groups = 16;
  };

  ConvPositional() = default;
  explicit ConvPositional(const Options& o)
      : groups_(o.groups),
        bias_({o.width}, Init::zeros()),
        magnitude_({1, 1, o.taps}, Init::derived()),
        direction_({o.width, o.groups > 0 ? o.width / o.groups : 0, o.taps},
                   Init::normal(std::sqrt(4 / (static_cast<double>(o.taps) * static_cast<double>(o.width))))) {
    ANYLEAD_CHECK(o.groups > 0 && o.width % o.groups == 0 && o.taps > 0, OptionError, "conv_positional", "width ", o.width,
                  " in ", o.groups, " groups, ", o.taps, " taps");
  }

  /// x: [B, T, E] -> [B, T, E].
  Var<T> forward(const Var<T>& x) const {
    if (prepared_.weight.defined() && !direction_.value().defined()) return ops::conv_positional(x, prepared_, on(x, bias_));
    const Var<T> weight = ops::weight_norm(on(x, direction_), on(x, magnitude_), 2);
    return ops::conv_positional(x, weight, on(x, bias_), groups_, precision_);
  }

  /// @see nn/precision.hpp
  void set_precision(Precision precision) { precision_ = precision; }

  /// Computes the normalised weight once, and its transforms for segments of half to one and a half times as many frames as
  /// there are taps. @see nn/inference.hpp
  void prepare_inference() {
    if (!direction_.value().defined()) return;
    const Tensor<T> weight = ops::weight_norm(Var<T>(direction_.value()), Var<T>(magnitude_.value()), 2).value();
    prepared_ = ops::prepare_conv_positional(weight, groups_, weight.shape()[2], precision_);
    direction_.leaf()->value = {};
  }

  /// The magnitudes start as the norms of the directions, so that the weight starts as the direction.
  void after_init() {
    const std::vector<T> v = direction_.value().to_host();
    const auto taps = static_cast<std::size_t>(magnitude_.shape().count());
    std::vector<double> square(taps);
    for (std::size_t i = 0; i < v.size(); ++i) square[i % taps] += double(v[i]) * double(v[i]);
    std::vector<T> g(taps);
    for (std::size_t l = 0; l < taps; ++l) g[l] = static_cast<T>(std::sqrt(square[l]));
    magnitude_.value().assign(g);
  }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("pos_conv.0.bias", self.bias_);
    f("pos_conv.0.weight_g", self.magnitude_);
    f("pos_conv.0.weight_v", self.direction_);
  }

 private:
  Index groups_ = 1;
  Precision precision_ = Precision::full;
  Parameter<T> bias_, magnitude_, direction_;
  ops::PreparedPositional<T> prepared_;
};

}  // namespace anylead::nn
