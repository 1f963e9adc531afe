// Affine layer.
#pragma once

#include <cmath>

#include <anylead/nn/context.hpp>
#include <anylead/nn/parameter.hpp>
#include <anylead/ops/activation.hpp>
#include <anylead/ops/linear.hpp>

namespace anylead::nn {

/// y = x W^T + b. weight: [out, in]; bias: [out].
template <Real T>
class Linear {
 public:
  Linear() = default;
  /// The default start is uniform in +- 1 / sqrt(in), weight and bias (He et al. 2015 with slope sqrt 5).
  Linear(Index in, Index out) : Linear(in, out, Init::uniform(-bound(in), bound(in)), Init::uniform(-bound(in), bound(in))) {}
  Linear(Index in, Index out, Init weight, Init bias) : weight_({out, in}, weight), bias_({out}, bias) {}

  /// x: [..., in] -> [..., out].
  Var<T> forward(const Var<T>& x) const {
    if (is_prepared()) return ops::linear(x, prepared_, on(x, bias_));
    return ops::linear(x, on(x, weight_), on(x, bias_), precision_);
  }

  /// z: [..., in] -> gelu(z) W^T + b.
  Var<T> forward_gelu(const Var<T>& z) const {
    if (is_prepared()) return ops::linear(ops::gelu(z), prepared_, on(z, bias_));
    return ops::gelu_linear(z, on(z, weight_), on(z, bias_), precision_);
  }

  /// @see nn/precision.hpp
  void set_precision(Precision precision) { precision_ = precision; }

  /// @see nn/inference.hpp
  void prepare_inference() {
    if (!weight_.value().defined()) return;
    prepared_ = ops::prepare_linear(weight_.value(), precision_);
    if (prepared_.data.defined()) weight_.leaf()->value = {};
  }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("weight", self.weight_);
    f("bias", self.bias_);
  }

 private:
  static double bound(Index in) { return 1 / std::sqrt(static_cast<double>(in)); }

  /// A weight that was loaded again counts, not what was prepared from an earlier one.
  bool is_prepared() const { return prepared_.data.defined() && !weight_.value().defined(); }

  Parameter<T> weight_, bias_;
  Precision precision_ = Precision::full;
  ops::PreparedLinear<T> prepared_;
};

}  // namespace anylead::nn
