// One layer of the transformer.
#pragma once

#include <anylead/nn/attention.hpp>
#include <anylead/nn/norm.hpp>
#include <anylead/ops/activation.hpp>
#include <anylead/ops/dropout.hpp>

namespace anylead::nn {

/// Attention and feed-forward, each with a residual. Post-norm (Vaswani et al. 2017): x = norm(x + f(x)); pre-norm: x = x +
/// f(norm(x)).
template <Real T>
class EncoderLayer {
 public:
  struct Options {
    Index width = 0, heads = 1, feed_forward = 0;
    double dropout = 0, attention_dropout = 0, activation_dropout = 0;
    bool norm_first = false;
  };

  EncoderLayer() = default;
  explicit EncoderLayer(const Options& o)
      : options_(o),
        attention_({.width = o.width, .heads = o.heads, .dropout = o.attention_dropout}),
        attention_norm_(o.width),
        fc1_(o.width, o.feed_forward, Init::normal(0.02), Init::zeros()),
        fc2_(o.feed_forward, o.width, Init::normal(0.02), Init::zeros()),
        final_norm_(o.width) {}

  /// x: [B, T, E]; padding: [B, T] or undefined -> [B, T, E]. Padded frames are computed too; only as keys they are left out.
  Var<T> forward(Ctx ctx, const Var<T>& x, const Tensor<Flag>& padding) const {
    const Dropout after_attention = ctx.at("dropout1").dropout(options_.dropout);
    const Dropout after_feed_forward = ctx.at("dropout3").dropout(options_.dropout);
    if (options_.norm_first) {
      const Var<T> h = ops::dropout_add(x, attention_.forward(ctx, attention_norm_.forward(x), padding), after_attention);
      return ops::dropout_add(h, feed_forward(ctx, final_norm_.forward(h)), after_feed_forward);
    }
    const Var<T> h = attention_norm_.forward_residual(x, attention_.forward(ctx, x, padding), after_attention);
    return final_norm_.forward_residual(h, feed_forward(ctx, h), after_feed_forward);
  }

  const MultiHeadAttention<T>& attention() const { return attention_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("self_attn", self.attention_);
    f("self_attn_layer_norm", self.attention_norm_);
    f("fc1", self.fc1_);
    f("fc2", self.fc2_);
    f("final_layer_norm", self.final_norm_);
  }

 private:
  Var<T> feed_forward(Ctx ctx, const Var<T>& x) const {
    const Var<T> z = fc1_.forward(x);
    const Dropout inside = ctx.at("dropout2").dropout(options_.activation_dropout);
    return inside.p == 0 ? fc2_.forward_gelu(z) : fc2_.forward(ops::dropout(ops::gelu(z), inside));
  }

  Options options_;
  MultiHeadAttention<T> attention_;
  LayerNorm<T> attention_norm_;
  Linear<T> fc1_, fc2_;
  LayerNorm<T> final_norm_;
};

}  // namespace anylead::nn
