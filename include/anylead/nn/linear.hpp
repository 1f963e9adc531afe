// Affine layer.
#pragma once

#include <cmath>

#include <anylead/nn/context.hpp>
#include <anylead/nn/parameter.hpp>
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
  Var<T> forward(const Var<T>& x) const { return ops::linear(x, on(x, weight_), on(x, bias_)); }

  /// z: [..., in] -> gelu(z) W^T + b.
  Var<T> forward_gelu(const Var<T>& z) const { return ops::gelu_linear(z, on(z, weight_), on(z, bias_)); }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("weight", self.weight_);
    f("bias", self.bias_);
  }

 private:
  static double bound(Index in) { return 1 / std::sqrt(static_cast<double>(in)); }

  Parameter<T> weight_, bias_;
};

}  // namespace anylead::nn
