// The convolutional feature extractor.
#pragma once

#include <cmath>
#include <vector>

#include <anylead/nn/parameter.hpp>
#include <anylead/nn/stack.hpp>
#include <anylead/ops/conv1d.hpp>

namespace anylead::nn {

/// One convolution of the extractor.
struct ConvLayer {
  Index channels = 256, taps = 2, stride = 2;

  friend bool operator==(const ConvLayer&, const ConvLayer&) = default;
};

/// Convolution, norm, GELU. @see ops::conv1d_norm_gelu
template <Real T>
class ConvBlock {
 public:
  ConvBlock() = default;
  /// Weights start from N(0, 2 / fan in) (He et al. 2015); a bias from uniform +- 1 / sqrt(fan in).
  ConvBlock(Index in, const ConvLayer& layer, BlockNorm norm, bool bias)
      : layer_(layer),
        norm_(norm),
        has_bias_(bias),
        weight_({layer.channels, in, layer.taps}, Init::normal(std::sqrt(2 / fan_in(in, layer)))),
        bias_({layer.channels}, Init::uniform(-1 / std::sqrt(fan_in(in, layer)), 1 / std::sqrt(fan_in(in, layer)))),
        norm_weight_({layer.channels}, Init::ones()),
        norm_bias_({layer.channels}, Init::zeros()) {}

  /// x: [B, T, C] -> [B, T', K].
  Var<T> forward(const Var<T>& x) const {
    return ops::conv1d_norm_gelu(x, on(x, weight_), optional(x, bias_, has_bias_), options(), norm_, norm_on(x, norm_weight_),
                                 norm_on(x, norm_bias_));
  }

  /// The first block: recording [B, leads, T], keep [B, leads] or undefined -> [B, T', K]. @see ops::lead_conv1d_norm_gelu
  Var<T> forward(const Var<T>& recording, const Tensor<Flag>& keep) const {
    return ops::lead_conv1d_norm_gelu(recording, keep, on(recording, weight_), optional(recording, bias_, has_bias_), options(),
                                      norm_, norm_on(recording, norm_weight_), norm_on(recording, norm_bias_));
  }

  /// @see nn/precision.hpp
  void set_precision(Precision precision) { precision_ = precision; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("0.weight", self.weight_);
    if (self.has_bias_) f("0.bias", self.bias_);
    const bool layer = self.norm_ == BlockNorm::layer;
    if (self.norm_ != BlockNorm::none) {
      f(layer ? "2.1.weight" : "2.weight", self.norm_weight_);
      f(layer ? "2.1.bias" : "2.bias", self.norm_bias_);
    }
  }

 private:
  ops::Conv1dOptions options() const { return {.stride = layer_.stride, .precision = precision_}; }
  static Var<T> optional(const Var<T>& x, const Parameter<T>& p, bool there) { return there ? on(x, p) : Var<T>(); }
  Var<T> norm_on(const Var<T>& x, const Parameter<T>& p) const { return optional(x, p, norm_ != BlockNorm::none); }
  static double fan_in(Index in, const ConvLayer& layer) { return static_cast<double>(in * layer.taps); }

  ConvLayer layer_;
  BlockNorm norm_ = BlockNorm::none;
  bool has_bias_ = false;
  Precision precision_ = Precision::full;
  Parameter<T> weight_, bias_, norm_weight_, norm_bias_;
};

/// Strided convolutions from samples to frames.
template <Real T>
class ConvFeatures {
 public:
  enum class Mode {
    group_norm,  ///< "default": every channel of block 0 over time, no other norm
    layer_norm   ///< every block, over channels
  };
  struct Options {
    Index leads = 12;
    std::vector<ConvLayer> layers = std::vector<ConvLayer>(4);
    Mode mode = Mode::group_norm;
    bool bias = false;
  };

  ConvFeatures() = default;
  explicit ConvFeatures(const Options& o) : layers_(o.layers) {
    ANYLEAD_CHECK(o.leads >= 1 && !o.layers.empty(), OptionError, "conv_features", "needs leads and layers, found ", o.leads,
                  " and ", o.layers.size());
    Index in = o.leads;
    for (std::size_t i = 0; i < o.layers.size(); ++i) {
      const BlockNorm norm = o.mode == Mode::layer_norm ? BlockNorm::layer : i == 0 ? BlockNorm::group : BlockNorm::none;
      blocks_.push_back(ConvBlock<T>(in, o.layers[i], norm, o.bias));
      in = o.layers[i].channels;
    }
  }

  /// recording: [B, leads, T] -> [B, frames(T), channels]. keep: [B, leads], leads that are not masked; undefined: all.
  /// block_outputs: if not null, receives the output of each block.
  Var<T> forward(const Var<T>& recording, const Tensor<Flag>& keep = {}, std::vector<Var<T>>* block_outputs = nullptr) const {
    Var<T> h;
    for (const auto& block : blocks_) {
      h = h.defined() ? block.forward(h) : block.forward(recording, keep);
      if (block_outputs) block_outputs->push_back(h);
    }
    return h;
  }

  /// Frames of a segment: floor((n - taps) / stride) + 1 at each layer; 0 if it is too short.
  Index frames(Index samples) const {
    for (const auto& layer : layers_) samples = samples < layer.taps ? 0 : (samples - layer.taps) / layer.stride + 1;
    return samples;
  }

  Index channels() const { return layers_.back().channels; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("conv_layers", self.blocks_);
  }

 private:
  std::vector<ConvLayer> layers_;
  Stack<ConvBlock<T>> blocks_;
};

}  // namespace anylead::nn
