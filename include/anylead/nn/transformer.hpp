// The stack of layers with its norm.
#pragma once

#include <vector>

#include <anylead/autograd/recompute.hpp>
#include <anylead/nn/encoder_layer.hpp>
#include <anylead/nn/stack.hpp>
#include <anylead/ops/masking.hpp>

namespace anylead::nn {

/// Transformer encoder. The one tensor layer_norm acts before the first layer (post-norm) or after the last (pre-norm).
template <Real T>
class Transformer {
 public:
  struct Options {
    Index layers = 12;
    typename EncoderLayer<T>::Options layer;
    double layer_drop = 0;   ///< probability of leaving a layer out in training
    bool recompute = false;  ///< keep only the input of each layer, compute the rest again in backward
  };

  Transformer() = default;
  explicit Transformer(const Options& o) : options_(o), norm_(o.layer.width) {
    for (Index i = 0; i < o.layers; ++i) layers_.push_back(EncoderLayer<T>(o.layer));
  }

  /// x: [B, T, E]; padding: [B, T] or undefined -> [B, T, E]. Padded frames are cleared first.
  /// layer_outputs: if not null, receives the output of each layer.
  Var<T> forward(Ctx ctx, const Var<T>& input, const Tensor<Flag>& padding,
                 std::vector<Var<T>>* layer_outputs = nullptr) const {
    Var<T> x = padding.defined() ? ops::mask_rows(input, padding) : input;
    if (!options_.layer.norm_first) x = norm_.forward(x);
    x = ops::dropout(x, ctx.at("dropout").dropout(options_.layer.dropout));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Ctx inner = ctx.at("layers").at(i);
      const bool left_out = ctx.training && double(inner.at("layer_drop").stream().uniform(0)) < options_.layer_drop;
      if (!left_out) {
        const EncoderLayer<T>& layer = layers_[i];
        const auto run = [&layer, inner, padding](const Var<T>& v) { return layer.forward(inner, v, padding); };
        x = options_.recompute ? recompute(x, run) : run(x);
      }
      if (layer_outputs) layer_outputs->push_back(x);
    }
    return options_.layer.norm_first ? norm_.forward(x) : x;
  }

  const Stack<EncoderLayer<T>>& layers() const { return layers_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("layers", self.layers_);
    f("layer_norm", self.norm_);
  }

 private:
  Options options_;
  Stack<EncoderLayer<T>> layers_;
  LayerNorm<T> norm_;
};

}  // namespace anylead::nn
