// The local objective: masked frames must find their own quantised features among others.
#pragma once

#include <optional>
#include <vector>

#include <anylead/nn/quantizer.hpp>
#include <anylead/ops/sampled_contrastive.hpp>
#include <anylead/ssl/ecg_encoder.hpp>
#include <anylead/ssl/negatives.hpp>
#include <anylead/ssl/span_mask.hpp>

namespace anylead::ssl {

/// Defaults as the reference trains.
struct W2vOptions {
  SpanMaskOptions mask = {};
  NegativeOptions negatives = {};
  double temperature = 0.1;
  Index final_width = 256;  ///< of the vectors that are compared
  Index latent_width = 0;   ///< of the quantised vectors; 0: final_width
  bool quantize = true;     ///< false: targets are the features themselves
  Index groups = 2, entries = 320;
  bool shared_codebook = false;
  double gumbel_start = 2, gumbel_end = 0.5, gumbel_decay = 0.999995;
  double feature_dropout = 0.1;  ///< on the features that become targets
  double diversity_weight = 0.1, penalty_weight = 10;
};

/// Random choices of a step that can be handed in; what is absent is drawn.
template <Real T>
struct W2vChoices {
  std::optional<std::vector<Flag>> time_mask = {};         ///< [B, T'] masked frames
  Tensor<T> gumbel_noise = {};                             ///< [R, G V], R the masked frames of all segments in order
  std::optional<std::vector<Index32>> negative_rows = {};  ///< [R, N] rows of the targets
};

/// Terms of the local loss; the objective is contrastive + sample_size (diversity_weight diversity + penalty_weight penalty).
template <Real T>
struct W2vTerms {
  Var<T> context;                               ///< [B, T', E] output of the encoder for the masked sequence
  Var<T> contrastive;                           ///< scalar, sum over masked frames
  Var<T> diversity;                             ///< scalar, (G V - prob_perplexity) / (G V); undefined without quantiser
  Var<T> penalty;                               ///< scalar, mean of the squared convolutional features
  Index sample_size = 0;                        ///< masked frames R
  std::vector<Flag> mask;                       ///< [B, T']
  Tensor<T> logits;                             ///< [R, 1 + N]
  Tensor<Flag> correct;                         ///< [R]
  Tensor<T> prob_perplexity, code_perplexity;   ///< scalars; undefined without quantiser
  Tensor<T> usage;                              ///< [2, G, V], see ops::Quantized
  Tensor<Index32> codes;                        ///< [R, G]
  Var<T> quantized, target, projected_context;  ///< [R, .]
};

/// wav2vec 2.0 for ECGs (Baevski et al. 2020; Oh et al. 2022, section 3.1).
template <Real T>
class W2v {
 public:
  using Options = W2vOptions;

  W2v() = default;
  W2v(const Options& o, const EncoderOptions& encoder, Index conv_channels)
      : options_(o),
        mask_embedding_({encoder.width}, nn::Init::uniform(0, 1)),
        quantizer_({.in = conv_channels,
                    .groups = o.groups,
                    .entries = o.entries,
                    .width = latent(),
                    .shared = o.shared_codebook,
                    .temperature_start = o.gumbel_start,
                    .temperature_end = o.gumbel_end,
                    .temperature_decay = o.gumbel_decay}),
        project_q_(o.quantize ? latent() : conv_channels, o.final_width),
        final_proj_(encoder.width, o.final_width) {}

  /// Masks, encodes, quantises and contrasts. features: from encoder.features(). @throws Error if a segment is too short to
  /// mask
  W2vTerms<T> forward(Ctx ctx, const EcgEncoder<T>& encoder, const typename EcgEncoder<T>::Features& features,
                      const W2vChoices<T>& choices = {}) const {
    const Var<T>& x = features.projected;
    const Index batch = x.shape()[0], frames = x.shape()[1];
    const Device device = x.device();
    W2vTerms<T> out;
    out.mask = choices.time_mask ? *choices.time_mask
                                 : draw_span_mask(ctx.at("time_mask").stream(), batch, frames, features.frames, options_.mask);
    ANYLEAD_CHECK(static_cast<Index>(out.mask.size()) == batch * frames, ShapeError, "w2v", "time mask of ", out.mask.size(),
                  " frames for ", batch, " segments of ", frames);
    std::vector<Index32> rows;
    std::vector<Index> counts;
    for (Index b = 0; b < batch; ++b) {
      const auto before = rows.size();
      for (Index t = b * frames; t < (b + 1) * frames; ++t)
        if (out.mask[static_cast<std::size_t>(t)]) rows.push_back(static_cast<Index32>(t));
      counts.push_back(static_cast<Index>(rows.size() - before));
    }
    out.sample_size = static_cast<Index>(rows.size());
    ANYLEAD_CHECK(out.sample_size > 0, Error, "w2v", "no frame is masked in ", batch, " segments of ", frames, " frames");
    const Tensor<Flag> mask = Tensor<Flag>::from_host(out.mask, {batch, frames}, device);
    const Var<T> masked = ops::mask_rows(x, mask, nn::on(x, mask_embedding_));
    out.context = encoder.context(ctx, masked, features.padding);
    out.penalty = ops::mean_square(features.conv);

    const Var<T> features_in = ops::dropout(features.normed, ctx.at("dropout_features").dropout(options_.feature_dropout));
    // from here on room for as many rows as there are frames, so that a step that masks more asks for no new memory
    const Headroom headroom(static_cast<double>(batch * frames) / static_cast<double>(out.sample_size));
    const auto index = Tensor<Index32>::from_host(rows, {out.sample_size}, device);
    Var<T> y = ops::gather_rows(features_in, index);  // [R, C]
    if (options_.quantize) {
      const auto q = quantizer_.forward(ctx.at("quantizer"), y, choices.gumbel_noise);
      y = q.vectors;
      out.codes = q.codes;
      out.usage = q.usage;
      out.prob_perplexity = q.prob_perplexity.value();
      out.code_perplexity = q.code_perplexity;
      out.diversity = ops::scale(q.prob_perplexity, -1.0 / static_cast<double>(quantizer_.total()), 1.0);
    }
    out.quantized = y;
    out.target = project_q_.forward(y);                                                 // [R, D]
    out.projected_context = final_proj_.forward(ops::gather_rows(out.context, index));  // [R, D]

    Index n = options_.negatives.own + options_.negatives.cross;
    std::vector<Index32> negatives = choices.negative_rows
                                         ? *choices.negative_rows
                                         : draw_negatives(ctx.at("negatives").stream(), counts, options_.negatives);
    if (choices.negative_rows) n = static_cast<Index>(negatives.size()) / out.sample_size;
    ANYLEAD_CHECK(static_cast<Index>(negatives.size()) == out.sample_size * n, ShapeError, "w2v", negatives.size(),
                  " negatives for ", out.sample_size, " masked frames");
    for (const Index32 r : negatives)
      ANYLEAD_CHECK(r >= 0 && r < out.sample_size, ShapeError, "w2v", "negative row ", r, " of ", out.sample_size);
    Var<T> candidates = out.target;
    Tensor<Index32> codes = out.codes;
    if (options_.negatives.codebook > 0) add_codewords(ctx, candidates, codes, negatives, n);
    const auto contrast = ops::sampled_contrastive(out.projected_context, candidates,
                                                   Tensor<Index32>::from_host(negatives, {out.sample_size, n}, device), codes,
                                                   options_.temperature);
    out.contrastive = contrast.loss;
    out.logits = contrast.logits;
    out.correct = contrast.correct;
    return out;
  }

  const nn::Quantizer<T>& quantizer() const { return quantizer_; }
  const Options& options() const { return options_; }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("mask_emb", self.mask_embedding_);
    if (self.options_.quantize) f("quantizer", self.quantizer_);
    f("project_q", self.project_q_);
    f("final_proj", self.final_proj_);
  }

 private:
  Index latent() const { return options_.latent_width > 0 ? options_.latent_width : options_.final_width; }

  /// Appends random codewords, projected, to the candidates: `codebook` for each masked frame, which alone is contrasted with
  /// them.
  void add_codewords(Ctx ctx, Var<T>& candidates, Tensor<Index32>& codes, std::vector<Index32>& negatives, Index& n) const {
    ANYLEAD_CHECK(options_.quantize, OptionError, "w2v", "codebook negatives need a quantiser");
    const Index rows = candidates.shape().rows(), per_row = options_.negatives.codebook, count = rows * per_row;
    const Index groups = options_.groups, entries = options_.entries;
    const RandomStream stream = ctx.at("codebook_negatives").stream();
    // A one-hot row of logits picks the codeword, so that picking, and its gradient to the codebook, is the quantiser's own.
    std::vector<T> pick(static_cast<std::size_t>(count * groups * entries));
    for (Index i = 0; i < count * groups; ++i)
      pick[static_cast<std::size_t>(i * entries +
                                    stream.below(static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(entries)))] = 1;
    const Var<T> logits(Tensor<T>::from_host(pick, {count, groups * entries}, candidates.device()), candidates.tape(), -1);
    const auto q = quantizer_.pick(logits);
    candidates = ops::concat_rows(candidates, project_q_.forward(q.vectors));
    std::vector<Index32> all = codes.to_host();
    const std::vector<Index32> more = q.codes.to_host();
    all.insert(all.end(), more.begin(), more.end());
    codes = Tensor<Index32>::from_host(all, {rows + count, groups}, candidates.device());
    std::vector<Index32> joined;
    for (Index r = 0; r < rows; ++r) {
      joined.insert(joined.end(), negatives.begin() + r * n, negatives.begin() + (r + 1) * n);
      for (Index k = 0; k < per_row; ++k) joined.push_back(static_cast<Index32>(rows + r * per_row + k));
    }
    negatives = std::move(joined);
    n += per_row;
  }

  Options options_;
  nn::Parameter<T> mask_embedding_;  // [E]
  nn::Quantizer<T> quantizer_;
  nn::Linear<T> project_q_, final_proj_;
};

}  // namespace anylead::ssl
