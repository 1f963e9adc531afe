// The Gumbel product quantiser with its projection.
#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/nn/linear.hpp>
#include <anylead/ops/gumbel_quantize.hpp>

namespace anylead::nn {

/// Chooses one of `entries` codewords in each of `groups` codebooks. vars: [1, G V, D] (or [1, V, D] shared), start U(0, 1);
/// weight_proj: [G V, in], start N(0, 1).
template <Real T>
class Quantizer {
 public:
  struct Options {
    Index in = 256, groups = 2, entries = 320;
    Index width = 256;    ///< of the result, all groups together
    bool shared = false;  ///< one codebook for all groups
    double temperature_start = 2, temperature_end = 0.5, temperature_decay = 0.999995;
  };

  Quantizer() = default;
  explicit Quantizer(const Options& o)
      : options_(o),
        vars_({1, (o.shared ? 1 : o.groups) * o.entries, o.groups > 0 ? o.width / o.groups : 0}, Init::uniform(0, 1)),
        projection_(o.in, o.groups * o.entries, Init::normal(1), Init::zeros()) {
    ANYLEAD_CHECK(o.groups > 0 && o.width % o.groups == 0, OptionError, "quantizer", "width ", o.width, " in ", o.groups,
                  " groups");
  }

  /// max(start decay^n, end) after n updates.
  double temperature(std::uint64_t updates) const {
    return std::max(options_.temperature_start * std::pow(options_.temperature_decay, static_cast<double>(updates)),
                    options_.temperature_end);
  }

  /// x: [..., in]. In training the choice is noisy and differentiated straight through; ctx.step counts finished updates.
  /// noise: as many numbers as logits, or undefined: drawn. Without training: the plain argmax.
  ops::Quantized<T> forward(Ctx ctx, const Var<T>& x, Tensor<T> noise = {}) const {
    const Var<T> logits = projection_.forward(x);
    if (!ctx.training)
      noise = {};
    else if (!noise.defined())
      noise = ops::gumbel_noise<T>(logits.shape(), ctx.at("gumbel").stream(), x.device());
    return ops::gumbel_quantize(logits, on(x, vars_), options_.groups, noise, temperature(ctx.step), options_.shared);
  }

  /// The codewords at the argmax of given logits [R, G V].
  ops::Quantized<T> pick(const Var<T>& logits) const {
    return ops::gumbel_quantize(logits, on(logits, vars_), options_.groups, Tensor<T>(), 1, options_.shared);
  }

  /// Codewords of all groups together.
  Index total() const { return options_.groups * options_.entries; }
  const Options& options() const { return options_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("vars", self.vars_);
    f("weight_proj", self.projection_);
  }

 private:
  Options options_;
  Parameter<T> vars_;
  Linear<T> projection_;
};

}  // namespace anylead::nn
