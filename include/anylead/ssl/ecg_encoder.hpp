// The lead-agnostic ECG encoder: convolutional features, positions, transformer.
#pragma once

#include <vector>

#include <anylead/nn/conv_features.hpp>
#include <anylead/nn/conv_positional.hpp>
#include <anylead/nn/transformer.hpp>
#include <anylead/ops/pooling.hpp>
#include <anylead/ops/scalars.hpp>

namespace anylead::ssl {

/// Sizes and regularisation; the defaults are the base model of Oh et al. 2022 as the reference trains it.
struct EncoderOptions {
  Index leads = 12;
  std::vector<nn::ConvLayer> conv = std::vector<nn::ConvLayer>(4);
  bool conv_layer_norm = false;  ///< extractor mode: false "default" (group norm in block 0), true "layer_norm"
  bool conv_bias = false;
  Index layers = 12, width = 768, heads = 12, feed_forward = 3072;
  bool norm_first = false;
  Index position_taps = 128, position_groups = 16;
  double dropout = 0.1, attention_dropout = 0.1, activation_dropout = 0, input_dropout = 0.1;
  double layer_drop = 0;
  double feature_gradient = 0.1;  ///< factor on the gradient into the extractor; 0: it is not trained
  bool recompute = false;         ///< memory for time: keep one tensor per layer
};

/// From signals to local representations (one vector per frame).
template <Real T>
class EcgEncoder {
 public:
  using Options = EncoderOptions;

  /// What the convolutions give.
  struct Features {
    Var<T> conv;                ///< [B, T', C] output of the extractor, behind the gradient factor
    Var<T> normed;              ///< [B, T', C] after the layer norm
    Var<T> projected;           ///< [B, T', E] after the projection
    Tensor<Flag> padding;       ///< [B, T'] 1 where padding; undefined without lengths
    std::vector<Index> frames;  ///< [B] frames that are not padding; empty without lengths
  };

  EcgEncoder() = default;
  explicit EcgEncoder(const Options& o)
      : options_(o),
        features_({.leads = o.leads,
                   .layers = o.conv,
                   .mode = o.conv_layer_norm ? nn::ConvFeatures<T>::Mode::layer_norm : nn::ConvFeatures<T>::Mode::group_norm,
                   .bias = o.conv_bias}),
        norm_(features_.channels()),
        projects_(features_.channels() != o.width),
        projection_(features_.channels(), projects_ ? o.width : 0),
        position_({.width = o.width, .taps = o.position_taps, .groups = o.position_groups}),
        transformer_({.layers = o.layers,
                      .layer = {.width = o.width,
                                .heads = o.heads,
                                .feed_forward = o.feed_forward,
                                .dropout = o.dropout,
                                .attention_dropout = o.attention_dropout,
                                .activation_dropout = o.activation_dropout,
                                .norm_first = o.norm_first},
                      .layer_drop = o.layer_drop,
                      .recompute = o.recompute}) {
    ANYLEAD_CHECK(o.heads > 0 && o.width % o.heads == 0, OptionError, "encoder", "width ", o.width, " in ", o.heads, " heads");
  }

  /// signal: [B, C, T]; keep: [B, C] leads that are not dropped, or undefined; lengths: [B] valid samples of each segment, the
  /// rest being padding, or empty. @throws ShapeError on another number of leads or a segment shorter than one frame
  Features features(Ctx ctx, const Var<T>& signal, const Tensor<Flag>& keep = {},
                    const std::vector<Index>& lengths = {}) const {
    ANYLEAD_CHECK(signal.shape().rank() == 3 && signal.shape()[1] == options_.leads, ShapeError, "encoder",
                  "expected a signal [B, ", options_.leads, ", T], found ", signal.shape(),
                  "; fewer leads? put them into the standard order with zeros for the others (data::standard_leads)");
    Features f;
    const Index frames = features_.frames(signal.shape()[2]);
    ANYLEAD_CHECK(frames > 0, ShapeError, "encoder", signal.shape()[2], " samples are shorter than one frame");
    const bool trains = options_.feature_gradient > 0;
    f.conv = features_.forward(trains ? signal : Var<T>(signal.value()), keep);
    f.conv = trains ? ops::scale_gradient(f.conv, options_.feature_gradient)
                    : Var<T>(f.conv.value(), signal.tape(), -1);  // computed without a tape: nothing was kept
    f.normed = norm_.forward(f.conv);
    f.projected = projects_ ? projection_.forward(f.normed) : f.normed;
    f.projected = ops::dropout(f.projected, ctx.at("dropout_input").dropout(options_.input_dropout));
    if (!lengths.empty()) {
      ANYLEAD_CHECK(static_cast<Index>(lengths.size()) == signal.shape()[0], ShapeError, "encoder", lengths.size(),
                    " lengths for ", signal.shape()[0], " segments");
      std::vector<Flag> padding;
      for (const Index n : lengths) {
        ANYLEAD_CHECK(n >= 0 && n <= signal.shape()[2], ShapeError, "encoder", "length ", n, " of ", signal.shape()[2],
                      " samples");
        f.frames.push_back(features_.frames(n));
        for (Index t = 0; t < frames; ++t) padding.push_back(t >= f.frames.back());
      }
      f.padding = Tensor<Flag>::from_host(padding, {signal.shape()[0], frames}, signal.device());
    }
    return f;
  }

  /// projected: [B, T', E], masked or not -> [B, T', E]. layer_outputs: see nn::Transformer.
  Var<T> context(Ctx ctx, const Var<T>& projected, const Tensor<Flag>& padding,
                 std::vector<Var<T>>* layer_outputs = nullptr) const {
    return transformer_.forward(ctx.at("encoder"), position_.forward(projected), padding, layer_outputs);
  }

  /// Local representations of whole segments, [B, T', E].
  Var<T> forward(Ctx ctx, const Var<T>& signal, const Tensor<Flag>& keep = {}, const std::vector<Index>& lengths = {}) const {
    const Features f = features(ctx, signal, keep, lengths);
    return context(ctx, f.projected, f.padding);
  }

  /// Frames of so many samples.
  Index frames(Index samples) const { return features_.frames(samples); }
  const Options& options() const { return options_; }
  Index conv_channels() const { return features_.channels(); }
  const nn::ConvFeatures<T>& extractor() const { return features_; }
  const nn::ConvPositional<T>& position() const { return position_; }
  const nn::Transformer<T>& transformer() const { return transformer_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("feature_extractor", self.features_);
    f("layer_norm", self.norm_);
    if (self.projects_) f("post_extract_proj", self.projection_);
    f("conv_pos", self.position_);
    f("encoder", self.transformer_);
  }

 private:
  Options options_;
  nn::ConvFeatures<T> features_;
  nn::LayerNorm<T> norm_;
  bool projects_ = true;
  nn::Linear<T> projection_;
  nn::ConvPositional<T> position_;
  nn::Transformer<T> transformer_;
};

}  // namespace anylead::ssl
