// Everything that a pre-training run can be told, described once: flags, configuration files and checkpoints all follow from
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <anylead/data/loader.hpp>
#include <anylead/data/segments.hpp>
#include <anylead/data/selection.hpp>
#include <anylead/data/split.hpp>
#include <anylead/optim/adam.hpp>
#include <anylead/optim/schedule.hpp>
#include <anylead/ssl/conv_text.hpp>
#include <anylead/ssl/lead_mask.hpp>
#include <anylead/ssl/pretrain_model.hpp>

namespace anylead::train {

/// Settings of examples/pretrain. Defaults of model and objective are the reference's; data handling is correct where the
/// reference errs, its way being an option.
struct Settings {
  std::string config = "base";  ///< named sizes: base, small, tiny

  // data
  std::string data = "synthetic";  ///< a folder of recordings, or "synthetic"
  std::string match;               ///< glob on record names
  std::string patients;            ///< CSV: record, patient
  bool ignore_checksums = false;
  std::string leads = "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6";
  double rate_hz = 500, seconds = 5;
  std::string normalization = "none";  ///< none, z-score
  std::string resampling = "sinc";     ///< sinc, linear (the reference's)
  bool flat_is_absent = false;
  std::string pairs = "adjacent";  ///< adjacent, manifest (the reference's)
  bool record_is_patient = false;  ///< the reference's
  bool frozen_batches = false;     ///< the reference's
  double array_rate_hz = 500;
  std::string array_leads;                         ///< of .npy recordings; empty: the twelve standard ones
  Index cohort_patients = 64, cohort_records = 3;  ///< synthetic
  std::uint64_t cohort_seed = 1;
  std::string augment;  ///< of powerline, emg, wander, shift; separated by commas
  double augment_probability = 1;

  // objective and model
  std::string method = "w2v_cmsc";
  ssl::PretrainOptions model;
  std::string conv = "[(256, 2, 2)] * 4";
  std::string extractor = "default";     ///< default, layer_norm
  std::string mask_kind = "static";      ///< static, uniform, normal, poisson
  double rlm = 0.5;                      ///< probability of dropping a lead; 0: no lead masking
  std::string rlm_selection = "random";  ///< random, conditional
  ssl::LeadMaskOptions lead_mask;

  // optimisation
  Index batch = 128, accumulate = 1;
  Index steps = 0, epochs = 200;   ///< steps 0: epochs decide
  std::string schedule = "fixed";  ///< fixed, tri_stage, step, cosine
  optim::Schedule rate;
  optim::AdamOptions adam;
  std::string precision = "f32";  ///< f32, bf16
  std::uint64_t seed = 1;

  // run
  std::string out = "runs/pretrain";
  bool resume = false;
  std::string device = "cpu";  ///< cpu, cuda
  Index threads = 0;           ///< 0: all cores
  double validation = 0.05;
  Index validate_every = 0, save_every = 0;  ///< updates; 0: once per epoch
  Index keep = 2;
  double max_seconds = 0;
  Index prefetch = 4;
};

/// Calls f(group, name, value, help) for every setting, in order. The names are those of flags and of keys in files.
template <class S, class F>
void describe(S& s, F&& f) {
  auto& e = s.model.encoder;
  auto& w = s.model.w2v;
  auto& c = s.model.cmsc;
  const char* group = "Data";
  f(group, "data", s.data, "folder of recordings (WFDB, MATLAB 4, .npy, .csv), searched recursively, or 'synthetic'");
  f(group, "match", s.match, "only records whose name matches one of these globs, such as '*_hr' or 'georgia/*,ptbxl/*'");
  f(group, "patients", s.patients, "CSV file with columns record, patient: splits and pairs never mix patients");
  f(group, "ignore-checksums", s.ignore_checksums, "read signals whose checksum disagrees with the header");
  f(group, "leads", s.leads, "names of the model's leads, in its order");
  f(group, "rate-hz", s.rate_hz, "sampling rate of the model; recordings are resampled to it");
  f(group, "seconds", s.seconds, "length of a segment");
  f(group, "normalization", s.normalization, "none: millivolt as recorded; z-score: per recording and lead");
  f(group, "resampling", s.resampling, "sinc: band-limited; linear: as the reference");
  f(group, "flat-is-absent", s.flat_is_absent, "treat constant leads as missing");
  f(group, "pairs", s.pairs, "adjacent: neighbours in time; manifest: as the reference");
  f(group, "record-is-patient", s.record_is_patient, "every recording counts as a patient of its own, as in the reference");
  f(group, "frozen-batches", s.frozen_batches, "batches keep their members over all epochs, as in the reference");
  f(group, "array-rate-hz", s.array_rate_hz, "sampling rate of .npy and .csv recordings");
  f(group, "array-leads", s.array_leads, "leads of .npy recordings, such as I,II; empty: the twelve standard ones");
  f(group, "cohort-patients", s.cohort_patients, "synthetic: patients");
  f(group, "cohort-records", s.cohort_records, "synthetic: recordings of each patient");
  f(group, "cohort-seed", s.cohort_seed, "synthetic: seed of the cohort");
  f(group, "augment", s.augment, "noises added in training, in this order: powerline, emg, wander, shift");
  f(group, "augment-probability", s.augment_probability, "probability of each noise");

  group = "Objective";
  f(group, "method", s.method, "w2v, cmsc or w2v_cmsc");
  f(group, "rlm", s.rlm, "random lead masking: probability of dropping a lead; 0 turns it off");
  f(group, "rlm-selection", s.rlm_selection, "random, or conditional (so many of the limb and of the chest leads)");
  f(group, "rlm-limb-masked", s.lead_mask.limb_masked, "conditional: limb leads dropped");
  f(group, "rlm-chest-masked", s.lead_mask.chest_masked, "conditional: chest leads dropped");
  f(group, "rlm-min-kept", s.lead_mask.min_kept, "leads kept at least; 0 as in the reference: all may vanish");
  f(group, "rlm-probability", s.lead_mask.probability, "probability of masking a segment at all");
  f(group, "mask-probability", w.mask.probability, "share of frames in masked spans, before overlaps");
  f(group, "mask-length", w.mask.length, "frames of a masked span");
  f(group, "mask-kind", s.mask_kind, "length of spans: static, uniform, normal or poisson");
  f(group, "mask-other", w.mask.other, "second parameter of the span length");
  f(group, "mask-overlap", w.mask.overlap, "spans may overlap");
  f(group, "mask-min-space", w.mask.min_space, "frames between spans that may not overlap");
  f(group, "mask-min-spans", w.mask.min_spans, "spans of a segment at least");
  f(group, "mask-equalize", w.mask.equalize, "thin all segments to the fewest masked frames, as the reference does");
  f(group, "negatives", w.negatives.own, "negatives from the same segment");
  f(group, "cross-negatives", w.negatives.cross, "negatives from the whole batch");
  f(group, "codebook-negatives", w.negatives.codebook, "negatives that are random codewords");
  f(group, "temperature", w.temperature, "of the local contrast");
  f(group, "quantize", w.quantize, "targets are quantised");
  f(group, "codebooks", w.groups, "codebooks (groups)");
  f(group, "codewords", w.entries, "codewords in each");
  f(group, "shared-codebook", w.shared_codebook, "one codebook for all groups");
  f(group, "latent-width", w.latent_width, "width of quantised vectors; 0: final-width");
  f(group, "final-width", w.final_width, "width of the compared vectors");
  f(group, "gumbel-start", w.gumbel_start, "temperature of the quantiser at first");
  f(group, "gumbel-end", w.gumbel_end, "and at last");
  f(group, "gumbel-decay", w.gumbel_decay, "factor per update");
  f(group, "diversity-weight", w.diversity_weight, "weight of the codebook diversity loss");
  f(group, "penalty-weight", w.penalty_weight, "weight of the feature penalty");
  f(group, "cmsc-weight", s.model.cmsc_weight, "weight of the global loss beside the local one");
  f(group, "cmsc-temperature", c.temperature, "of the global contrast");
  f(group, "cmsc-detached-norm", c.detached_norm,
    "length of a representation is a constant for its gradient, as in the reference");

  group = "Model";
  f(group, "conv", s.conv, "feature extractor: (channels, taps, stride) of each layer");
  f(group, "extractor", s.extractor, "norms: default (group norm in block 0) or layer_norm (in every block)");
  f(group, "conv-bias", e.conv_bias, "convolutions have a bias");
  f(group, "layers", e.layers, "transformer layers");
  f(group, "width", e.width, "transformer width");
  f(group, "heads", e.heads, "attention heads");
  f(group, "feed-forward", e.feed_forward, "width of the feed-forward layers");
  f(group, "norm-first", e.norm_first, "pre-norm instead of post-norm layers");
  f(group, "position-taps", e.position_taps, "kernel of the positional convolution");
  f(group, "position-groups", e.position_groups, "its groups");
  f(group, "dropout", e.dropout, "dropout of the transformer");
  f(group, "attention-dropout", e.attention_dropout, "on attention probabilities");
  f(group, "activation-dropout", e.activation_dropout, "inside the feed-forward layers");
  f(group, "input-dropout", e.input_dropout, "on the projected features");
  f(group, "feature-dropout", w.feature_dropout, "on the features that become targets");
  f(group, "layer-drop", e.layer_drop, "probability of leaving out a layer");
  f(group, "feature-gradient", e.feature_gradient, "factor on gradients into the extractor");
  f(group, "recompute", e.recompute, "keep one tensor per layer and compute the rest again: less memory, a third more time");

  group = "Optimisation";
  f(group, "batch", s.batch, "segments of a batch (two make a pair)");
  f(group, "accumulate", s.accumulate, "batches of one update");
  f(group, "steps", s.steps, "updates; 0: as many as the epochs have");
  f(group, "epochs", s.epochs, "passes over the data, where steps is 0");
  f(group, "schedule", s.schedule, "learning rate: fixed, tri_stage, step or cosine");
  f(group, "rate", s.rate.rate, "learning rate");
  f(group, "warmup", s.rate.warmup, "updates of linear warm-up");
  f(group, "warmup-ratio", s.rate.warmup_ratio, "tri_stage: share of the rise");
  f(group, "hold-ratio", s.rate.hold_ratio, "tri_stage: share at full rate");
  f(group, "decay-ratio", s.rate.decay_ratio, "tri_stage: share of the fall");
  f(group, "initial-scale", s.rate.initial_scale, "tri_stage: first rate over the full one");
  f(group, "final-scale", s.rate.final_scale, "tri_stage, cosine: last rate over the full one");
  f(group, "decay-period", s.rate.period, "step: updates between decays");
  f(group, "decay-factor", s.rate.decay, "step: factor of a decay");
  f(group, "max-update", s.rate.max_update, "tri_stage, cosine: updates that the schedule spans");
  f(group, "beta1", s.adam.beta1, "Adam: decay of the first moment");
  f(group, "beta2", s.adam.beta2, "Adam: decay of the second moment");
  f(group, "epsilon", s.adam.epsilon, "Adam: added to the root of the second moment");
  f(group, "corrected-epsilon", s.adam.corrected_epsilon, "Adam: add epsilon after the bias correction, as textbooks do");
  f(group, "weight-decay", s.adam.decay, "decoupled, on every parameter");
  f(group, "clip-norm", s.adam.clip_norm, "largest norm of the gradient; 0: no clipping");
  f(group, "precision", s.precision, "factors of products: f32, or bf16 with sums in float; all else stays float");
  f(group, "seed", s.seed, "of everything random");

  group = "Run";
  f(group, "device", s.device, "cpu, or cuda: the first GPU; the last bits of the numbers differ");
  f(group, "threads", s.threads, "threads; 0: all cores. Results do not depend on it");
  f(group, "validation", s.validation, "share of the patients held back");
  f(group, "validate-every", s.validate_every, "updates between validations; 0: once per epoch");
  f(group, "save-every", s.save_every, "updates between checkpoints; 0: once per epoch");
  f(group, "keep", s.keep, "checkpoints kept beside the best");
  f(group, "max-seconds", s.max_seconds, "stop (and save) after so long; 0: no limit");
  f(group, "prefetch", s.prefetch, "batches prepared ahead");
}

/// Sets the sizes of a named configuration: base as published, small and tiny for tests and laptops. False for another name.
inline bool apply_config(Settings& s, const std::string& name) {
  struct Size {
    const char* name;
    Index layers, width, heads, feed_forward, conv, entries, final_width, negatives;
  };
  constexpr Size sizes[] = {{"base", 12, 768, 12, 3072, 256, 320, 256, 100},
                            {"small", 4, 256, 8, 1024, 128, 64, 128, 100},
                            {"tiny", 2, 64, 4, 256, 32, 16, 32, 20}};
  for (const Size& size : sizes) {
    if (name != size.name) continue;
    s.config = name;
    s.conv = str("[(", size.conv, ", 2, 2)] * 4");
    auto& e = s.model.encoder;
    e.layers = size.layers;
    e.width = size.width;
    e.heads = size.heads;
    e.feed_forward = size.feed_forward;
    s.model.w2v.entries = size.entries;
    s.model.w2v.final_width = size.final_width;
    s.model.w2v.negatives.own = size.negatives;
    return true;
  }
  return false;
}

namespace detail {

template <class E>
E choose(std::string_view setting, const std::string& value, std::initializer_list<std::pair<const char*, E>> choices) {
  std::string expected;
  for (const auto& [name, choice] : choices) {
    if (value == name) return choice;
    expected += str(expected.empty() ? "" : ", ", name);
  }
  throw OptionError(str("--", setting, ": expected one of ", expected, "; found ", value));
}

inline std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  std::string item;
  for (const char c : text + ",") {
    if (c != ',') {
      if (c != ' ' || !item.empty()) item += c;
      continue;
    }
    while (!item.empty() && item.back() == ' ') item.pop_back();
    if (!item.empty()) items.push_back(item);
    item.clear();
  }
  return items;
}

}  // namespace detail

/// Precision by its name, f32 or bf16. @throws OptionError naming --precision
inline Precision precision_of(const std::string& name) {
  return detail::choose<Precision>("precision", name, {{"f32", Precision::full}, {"bf16", Precision::bf16}});
}

/// Carries the settings that are text over to the options they stand for, and checks ranges. @throws OptionError naming the
/// flag
inline void resolve(Settings& s) {
  using detail::choose;
  s.model.method = choose<ssl::Method>(
      "method", s.method, {{"w2v", ssl::Method::w2v}, {"cmsc", ssl::Method::cmsc}, {"w2v_cmsc", ssl::Method::w2v_cmsc}});
  s.model.encoder.leads = static_cast<Index>(detail::split_list(s.leads).size());
  s.model.encoder.conv = ssl::parse_conv_layers(s.conv);
  s.model.encoder.conv_layer_norm = choose<bool>("extractor", s.extractor, {{"default", false}, {"layer_norm", true}});
  using Length = ssl::SpanMaskOptions::Length;
  s.model.w2v.mask.kind = choose<Length>(
      "mask-kind", s.mask_kind,
      {{"static", Length::fixed}, {"uniform", Length::uniform}, {"normal", Length::normal}, {"poisson", Length::poisson}});
  using Selection = ssl::LeadMaskOptions::Selection;
  s.lead_mask.selection = choose<Selection>("rlm-selection", s.rlm_selection,
                                            {{"random", Selection::random}, {"conditional", Selection::conditional}});
  s.lead_mask.drop = s.rlm;
  precision_of(s.precision);
  choose<int>("device", s.device, {{"cpu", 0}, {"cuda", 1}});
  using Kind = optim::Schedule::Kind;
  s.rate.kind =
      choose<Kind>("schedule", s.schedule,
                   {{"fixed", Kind::fixed}, {"tri_stage", Kind::tri_stage}, {"step", Kind::step}, {"cosine", Kind::cosine}});
  const auto range = [](const char* flag, double value, double low, double high) {
    ANYLEAD_CHECK(value >= low && value <= high, OptionError, str("--", flag), "expected ", low, " to ", high, ", found ",
                  value);
  };
  range("rlm", s.rlm, 0, 1);
  range("validation", s.validation, 0, 0.9);
  range("batch", static_cast<double>(s.batch), 1, 1 << 20);
  range("accumulate", static_cast<double>(s.accumulate), 1, 1 << 20);
  range("threads", static_cast<double>(s.threads), 0, 1024);
  range("keep", static_cast<double>(s.keep), 1, 1e6);
  for (const auto& [flag, p] : {std::pair{"dropout", s.model.encoder.dropout},
                                {"attention-dropout", s.model.encoder.attention_dropout},
                                {"activation-dropout", s.model.encoder.activation_dropout},
                                {"input-dropout", s.model.encoder.input_dropout},
                                {"feature-dropout", s.model.w2v.feature_dropout}})
    range(flag, p, 0, 0.99);
  ANYLEAD_CHECK(s.method == "w2v" || s.batch % 2 == 0, OptionError, "--batch", "counts segments, and ", s.method,
                " pairs them: expected an even number, found ", s.batch);
}

/// How recordings become segments.
inline data::SegmentOptions segment_options(const Settings& s) {
  data::SegmentOptions o;
  o.leads = detail::split_list(s.leads);
  o.rate_hz = s.rate_hz;
  o.seconds = s.seconds;
  o.flat_is_absent = s.flat_is_absent;
  o.normalization = detail::choose<data::Normalization>(
      "normalization", s.normalization, {{"none", data::Normalization::none}, {"z-score", data::Normalization::z_score}});
  o.resampling = detail::choose<data::Resampling>("resampling", s.resampling,
                                                  {{"sinc", data::Resampling::sinc}, {"linear", data::Resampling::linear}});
  o.record_is_patient = s.record_is_patient;
  return o;
}

}  // namespace anylead::train
