// Self-attention layer.
#pragma once

#include <anylead/nn/linear.hpp>
#include <anylead/ops/attention.hpp>

namespace anylead::nn {

/// Multi-head self-attention with projections. All weights start from N(0, 0.02), biases from 0 (the BERT start, which
/// overrides the Xavier one in the reference).
template <Real T>
class MultiHeadAttention {
 public:
  struct Options {
    Index width = 0, heads = 1;
    double dropout = 0;  ///< on the probabilities
  };

  MultiHeadAttention() = default;
  explicit MultiHeadAttention(const Options& o)
      : options_(o), q_(projection(o)), k_(projection(o)), v_(projection(o)), out_(projection(o)) {}

  /// x: [B, T, E]; padding: [B, T] or undefined -> [B, T, E].
  Var<T> forward(Ctx ctx, const Var<T>& x, const Tensor<Flag>& padding) const {
    const Var<T> y = ops::attention(q_.forward(x), k_.forward(x), v_.forward(x), options_.heads, padding,
                                    ctx.at("attention").dropout(options_.dropout), precision_);
    return out_.forward(y);
  }

  /// Probabilities averaged over heads, [B, T, T].
  Tensor<T> weights(const Var<T>& x, const Tensor<Flag>& padding) const {
    const Var<T> constant(x.value());
    return ops::attention_weights(q_.forward(constant), k_.forward(constant), options_.heads, padding);
  }

  /// @see nn/precision.hpp
  void set_precision(Precision precision) { precision_ = precision; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("k_proj", self.k_);
    f("v_proj", self.v_);
    f("q_proj", self.q_);
    f("out_proj", self.out_);
  }

 private:
  static Linear<T> projection(const Options& o) { return Linear<T>(o.width, o.width, Init::normal(0.02), Init::zeros()); }

  Options options_;
  Precision precision_ = Precision::full;
  Linear<T> q_, k_, v_, out_;
};

}  // namespace anylead::nn
