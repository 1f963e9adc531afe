// Layer norm.
#pragma once

#include <anylead/nn/parameter.hpp>
#include <anylead/ops/layer_norm.hpp>

namespace anylead::nn {

/// Layer normalisation of the last axis. weight, bias: [C].
template <Real T>
class LayerNorm {
 public:
  LayerNorm() = default;
  explicit LayerNorm(Index width, double epsilon = 1e-5)
      : epsilon_(epsilon), weight_({width}, Init::ones()), bias_({width}, Init::zeros()) {}

  /// x: [..., C] -> [..., C].
  Var<T> forward(const Var<T>& x) const { return ops::layer_norm(x, on(x, weight_), on(x, bias_), epsilon_); }

  /// The norm of x + dropout(a).
  Var<T> forward_residual(const Var<T>& x, const Var<T>& a, Dropout dropout) const {
    return ops::residual_norm(x, a, dropout, on(x, weight_), on(x, bias_), epsilon_);
  }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("weight", self.weight_);
    f("bias", self.bias_);
  }

 private:
  double epsilon_ = 1e-5;
  Parameter<T> weight_, bias_;
};

}  // namespace anylead::nn
