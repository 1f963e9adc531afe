// Encoder and objectives as one trainable model.
#pragma once

#include <vector>

#include <anylead/ssl/cmsc.hpp>
#include <anylead/ssl/ecg_encoder.hpp>
#include <anylead/ssl/w2v.hpp>

namespace anylead::ssl {

enum class Method { w2v, cmsc, w2v_cmsc };

struct PretrainOptions {
  Method method = Method::w2v_cmsc;
  EncoderOptions encoder = {};
  W2vOptions w2v = {};
  CmscOptions cmsc = {};
  double cmsc_weight = 1;
};

/// One batch on the host's and the device's side.
template <Real T>
struct PretrainBatch {
  Tensor<T> signal = {};            ///< [B, C, T] millivolt, absent leads 0
  Tensor<Flag> keep = {};           ///< [B, C] leads that this step sees; undefined: all
  std::vector<Index> lengths = {};  ///< [B] valid samples; empty: all
  std::vector<Index> patient = {};  ///< [B], for CMSC
  std::vector<Flag> segment = {};   ///< [B] 0 or 1, for CMSC
};

template <Real T>
struct PretrainTerms {
  /// The objective as a SUM: contrastive + sample_size (w_d diversity + w_p penalty + w_c cmsc); divide its gradient by
  /// sample_size (over all accumulated batches) for an update. CMSC alone: the loss itself, sample_size being the number of
  /// positives.
  Var<T> total;
  Index sample_size = 0;
  W2vTerms<T> w2v;    ///< undefined parts for CMSC alone
  CmscTerms<T> cmsc;  ///< undefined parts for W2V alone
  typename EcgEncoder<T>::Features features;
};

/// Parameter names are those of the reference's state dict.
template <Real T>
class PretrainModel {
 public:
  using Options = PretrainOptions;

  PretrainModel() = default;
  explicit PretrainModel(const Options& o)
      : options_(o), encoder_(o.encoder), w2v_(o.w2v, o.encoder, encoder_.conv_channels()) {}

  /// signal: a variable made from batch.signal on the tape of the step (or without a tape, for validation).
  /// ctx.step: finished updates; ctx.training: dropout and noise on.
  PretrainTerms<T> forward(Ctx ctx, const Var<T>& signal, const PretrainBatch<T>& batch,
                           const W2vChoices<T>& choices = {}) const {
    PretrainTerms<T> out;
    out.features = encoder_.features(ctx, signal, batch.keep, batch.lengths);
    if (options_.method == Method::cmsc) {
      const Var<T> context = encoder_.context(ctx, out.features.projected, out.features.padding);
      out.cmsc = ssl::cmsc(context, out.features.padding, batch.patient, batch.segment, options_.cmsc);
      out.total = out.cmsc.loss;
      out.sample_size = out.cmsc.positives;
      return out;
    }
    out.w2v = w2v_.forward(ctx, encoder_, out.features, choices);
    out.sample_size = out.w2v.sample_size;
    const auto size = static_cast<double>(out.sample_size);
    std::vector<std::pair<double, Var<T>>> terms = {{1.0, out.w2v.contrastive}};
    if (out.w2v.diversity.defined()) terms.push_back({size * options_.w2v.diversity_weight, out.w2v.diversity});
    terms.push_back({size * options_.w2v.penalty_weight, out.w2v.penalty});
    if (options_.method == Method::w2v_cmsc) {
      out.cmsc = ssl::cmsc(out.w2v.context, out.features.padding, batch.patient, batch.segment, options_.cmsc);
      terms.push_back({size * options_.cmsc_weight, out.cmsc.loss});
    }
    out.total = ops::weighted_sum(terms);
    return out;
  }

  const EcgEncoder<T>& encoder() const { return encoder_; }
  EcgEncoder<T>& encoder() { return encoder_; }
  const W2v<T>& w2v() const { return w2v_; }
  const Options& options() const { return options_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("", self.encoder_);
    if (self.options_.method != Method::cmsc) f("", self.w2v_);
  }

 private:
  Options options_;
  EcgEncoder<T> encoder_;
  W2v<T> w2v_;
};

}  // namespace anylead::ssl
