// Whole pre-training steps, and five updates, against the reference implementation.
#include "parity/parity.hpp"

using namespace parity;

namespace {

/// Random choices of a step, stored under a prefix.
template <Real T>
ssl::W2vChoices<T> choices(Case& f, const std::string& prefix, bool training) {
  ssl::W2vChoices<T> c;
  c.time_mask = f.values<Flag>(prefix + "time_mask");
  if (training) c.gumbel_noise = f.tensor<T>(prefix + "gumbel_noise");
  c.negative_rows = f.values<Index32>(prefix + "negative_rows");
  return c;
}

/// Codes and excluded negatives follow from the choices; they must be the stored ones.
template <Real T>
void check_codes(Case& f, const std::string& prefix, const ssl::PretrainTerms<T>& out) {
  f.compare(prefix + "selection", out.w2v.codes.to_host(), f.values<double>(prefix + "selection"), 0);
  const auto logits = out.w2v.logits.to_host();
  const Shape s = f.shape(prefix + "negative_is_positive");  // (negatives, batch, masked)
  const Index rows = s[1] * s[2];
  std::vector<double> excluded(static_cast<std::size_t>(s.count()));
  for (Index n = 0; n < s[0]; ++n)
    for (Index r = 0; r < rows; ++r)
      excluded[static_cast<std::size_t>(n * rows + r)] =
          std::isinf(logits[static_cast<std::size_t>(r * (1 + s[0]) + 1 + n)]) ? 1 : 0;
  f.compare(prefix + "negative_is_positive", excluded, f.values<double>(prefix + "negative_is_positive"), 0);
}

/// Valid samples of each row from a mask that is the same for all leads.
std::vector<Index> lengths(Case& f) {
  const Shape s = f.shape("input.padding_mask");
  const auto mask = f.values<Flag>("input.padding_mask");
  std::vector<Index> valid;
  for (Index b = 0; b < s[0]; ++b) {
    Index n = 0;
    for (Index t = 0; t < s[2]; ++t) n += mask[static_cast<std::size_t>(b * s[1] * s[2] + t)] == 0;
    valid.push_back(n);
  }
  return valid;
}

struct Losses {
  double total, contrastive, diversity, penalty, cmsc;
};

template <Real T>
Losses losses(const ssl::PretrainTerms<T>& out, const ssl::PretrainOptions& o) {
  const auto size = static_cast<double>(out.sample_size);
  return {double(item(out.total)), double(item(out.w2v.contrastive)),
          size * o.w2v.diversity_weight * double(item(out.w2v.diversity)),
          size * o.w2v.penalty_weight * double(item(out.w2v.penalty)), size * o.cmsc_weight * double(item(out.cmsc.loss))};
}

/// Relative deviation from the losses in float64.
void check_float64(const nlohmann::json& expected, const Losses& found) {
  const std::pair<const char*, double> terms[] = {{"out.loss", found.total},
                                                  {"out.loss_contrastive", found.contrastive},
                                                  {"out.loss_diversity", found.diversity},
                                                  {"out.loss_feature_penalty", found.penalty},
                                                  {"out.loss_cmsc", found.cmsc}};
  for (const auto& [name, value] : terms) {
    INFO(name);
    CHECK(value == Approx(double(expected.at(name))).epsilon(1e-9).margin(0));
  }
}

template <Real T>
void model(Case& f) {
  const auto bound = kBounds<T>;
  const auto& meta = f.meta();
  const auto o = pretrain_options(f.config());
  ssl::PretrainModel<T> model(o);
  load<T>(model, f);

  const bool training = meta.at("mode") == "train";
  const Ctx ctx = {.step = meta.at("update_number").get<std::uint64_t>(), .training = training};
  if (!meta.at("temperature").is_null())
    CHECK(model.w2v().quantizer().temperature(ctx.step) == Approx(meta.at("temperature").get<double>()).epsilon(1e-14));

  ssl::PretrainBatch<T> batch;
  batch.signal = f.tensor<T>("input.source");
  batch.patient = f.values<Index>("input.patient_id");
  batch.segment = f.values<Flag>("input.segment");
  if (f.has("input.padding_mask")) batch.lengths = lengths(f);
  if (f.has("choice.lead_kept")) {  // masking the whole signal gives the stored input
    batch.keep = f.integers<Flag>("choice.lead_kept");
    const auto masked = ops::lead_mask(Var<T>(f.tensor<T>("input.source_all_leads")), batch.keep);
    f.compare("input.source", Case::swap_axes(masked.value().to_host(), masked.shape(), 1, 2), f.values<double>("input.source"),
              0);
    batch.keep = {};  // the gradient is asked for with respect to the masked signal
  }
  Tape<T> tape;
  const auto signal = tape.input_with_grad(batch.signal);
  const auto out = model.forward(ctx, signal, batch, choices<T>(f, "choice.", training));

  CHECK(out.sample_size == meta.at("sample_size").get<Index>());
  const auto& w = out.w2v;
  check_codes(f, "choice.", out);
  const auto found = losses(out, o);
  const std::pair<const char*, double> terms[] = {{"out.loss", found.total},
                                                  {"out.loss_contrastive", found.contrastive},
                                                  {"out.loss_diversity", found.diversity},
                                                  {"out.loss_feature_penalty", found.penalty},
                                                  {"out.loss_cmsc", found.cmsc}};
  for (const auto& [name, value] : terms) f.check(name, std::vector<double>{value}, bound.output);
  if constexpr (sizeof(T) == 8) check_float64(meta.at("loss_float64"), found);
  f.check("out.prob_perplexity", w.prob_perplexity, bound.output);
  f.check("out.code_perplexity", w.code_perplexity, bound.output);
  f.check("out.pooled", out.cmsc.pooled.value(), bound.output);
  Index correct = 0;
  for (const Flag c : w.correct.to_host()) correct += c;
  CHECK(correct == meta.at("logging").at("correct").get<Index>());

  const Shape logits_shape = f.shape("out.logits");
  const auto logits = w.logits.to_host();
  std::vector<T> by_candidate(logits.size());
  for (Index r = 0; r < out.sample_size; ++r)
    for (Index n = 0; n < logits_shape[0]; ++n)
      by_candidate[static_cast<std::size_t>(n * out.sample_size + r)] =
          logits[static_cast<std::size_t>(r * logits_shape[0] + n)];
  f.check("out.logits", by_candidate, bound.output);

  const auto& conv = out.features.conv;
  f.check("inter.conv_features", Case::swap_axes(conv.value().to_host(), conv.shape(), 1, 2), bound.output);
  f.check("inter.features_norm", out.features.normed.value(), bound.output);
  f.check("inter.features_proj", out.features.projected.value(), bound.output);
  f.check("inter.quantized", w.quantized.value(), bound.output);
  f.check("inter.target_proj", w.target.value(), bound.output);
  f.check("inter.context_proj", w.projected_context.value(), bound.output);
  f.check("inter.encoder_out", w.context.value(), bound.output);
  if (f.has("out.frame_padding_mask"))
    f.compare("out.frame_padding_mask", out.features.padding.to_host(), f.values<double>("out.frame_padding_mask"), 0);
  {  // layer by layer, on the masked sequence
    Var<T> embedding;
    nn::for_each_parameter(model, [&](const std::string& name, nn::Parameter<T>& p) {
      if (name == "mask_emb") embedding = Var<T>(p.value());
    });
    const auto mask = f.integers<Flag>("choice.time_mask");
    const auto masked = ops::mask_rows(Var<T>(out.features.projected.value()), mask, embedding);
    const auto positioned = model.encoder().position().forward(masked);
    f.check("inter.conv_pos", ops::add(positioned, ops::scale(masked, -1)).value(), bound.output);
    std::vector<Var<T>> layers;
    model.encoder().context(ctx, masked, out.features.padding, &layers);
    for (std::size_t i = 0; i < layers.size(); ++i)
      f.check("inter.encoder_layer" + std::to_string(i), layers[i].value(), bound.output);
  }

  tape.backward(out.total);
  check_gradients<T>(model, f, bound.gradient);
  f.check_gradient("grad.input.source", tape.grad(signal), bound.gradient);
}

/// Updates from the same choices; bounds from the fixtures' README.
template <Real T>
void updates(Case& f) {
  const auto& meta = f.meta();
  const auto o = pretrain_options(f.config());
  ssl::PretrainModel<T> m(o);
  load<T>(m, f);
  const auto& opt = meta.at("optimizer");
  optim::Adam<T> adam(nn::parameters<T>(m), {.beta1 = opt.at("adam_betas").at(0),
                                             .beta2 = opt.at("adam_betas").at(1),
                                             .epsilon = opt.at("eps"),
                                             .decay = opt.at("weight_decay"),
                                             .clip_norm = opt.at("clip_norm")});
  std::vector<std::pair<std::string, std::vector<double>>> start;
  for (const auto& p : adam.parameters()) start.emplace_back(p.name, f.values<double>("param." + p.name));
  const bool training = meta.at("mode") == "train";
  ssl::PretrainBatch<T> batch;
  batch.signal = f.tensor<T>("input.source");
  batch.patient = f.values<Index>("input.patient_id");
  batch.segment = f.values<Flag>("input.segment");
  const auto& known = meta.value("f32_vs_f64", nlohmann::json::object());
  const auto zero = [&](const std::string& name) {
    for (const auto& key : {"grad." + name, "update." + name, "final." + name})
      if (known.contains(key) && known.at(key).value("mathematically_zero", false)) return true;
    return name.ends_with("k_proj.bias");
  };
  const auto& steps = meta.at("per_step");
  for (std::size_t k = 0; k < steps.size(); ++k) {
    INFO("update " << k);
    const auto& expected = steps.at(k);
    const std::string prefix = "step" + std::to_string(k) + ".choice.";
    const Ctx ctx = {.step = meta.at("first_update_number").get<std::uint64_t>() + k, .training = training};
    CHECK(m.w2v().quantizer().temperature(ctx.step) == Approx(double(expected.at("temperature"))).epsilon(1e-14));
    Tape<T> tape;
    const auto out = m.forward(ctx, tape.input(batch.signal), batch, choices<T>(f, prefix, training));
    check_codes(f, prefix, out);
    CHECK(out.sample_size == Index(expected.at("sample_size")));
    const auto found = losses(out, o);
    const std::pair<const char*, double> terms[] = {{"out.loss", found.total},
                                                    {"out.loss_contrastive", found.contrastive},
                                                    {"out.loss_diversity", found.diversity},
                                                    {"out.loss_feature_penalty", found.penalty},
                                                    {"out.loss_cmsc", found.cmsc},
                                                    {"out.prob_perplexity", double(item(out.w2v.prob_perplexity))},
                                                    {"out.code_perplexity", double(item(out.w2v.code_perplexity))}};
    for (const auto& [name, value] : terms) {
      INFO(name);
      CHECK(value == Approx(double(expected.at(name))).epsilon(1e-5).margin(0));
    }
    if constexpr (sizeof(T) == 8)
      if (k == 0) CHECK(found.total == Approx(double(expected.at("loss_float64"))).epsilon(1e-9));
    tape.backward(out.total);
    const std::string stored = "step" + std::to_string(k) + ".grad.";  // of the objective divided by the sample size
    for (const auto& p : adam.parameters())
      if (f.has(stored + p.name)) {
        auto g = p.leaf->grad.to_host();
        for (auto& v : g) v /= static_cast<T>(out.sample_size);
        if (zero(p.name))
          f.ignore(stored + p.name);
        else
          f.check(stored + p.name, g, kBounds<T>.gradient);
      }
    const double norm = adam.step(opt.at("lr"), 1.0 / static_cast<double>(out.sample_size));
    CHECK(norm == Approx(double(expected.at("grad_norm"))).epsilon(1e-4));
  }
  for (std::size_t i = 0; i < start.size(); ++i) {
    const auto& [name, before] = start[i];
    if (zero(name)) {  // Adam amplifies rounding noise into updates
      for (const char* prefix : {"final.", "exp_avg.", "exp_avg_sq."}) f.ignore(prefix + name);
      continue;
    }
    const auto value = adam.parameters()[i].leaf->value.to_host();
    f.check("final." + name, value, 1e-3);
    f.check("exp_avg." + name, adam.mean(i), 1e-3);
    f.check("exp_avg_sq." + name, adam.square(i), 1e-3);
    auto moved = f.values<double>("final." + name);
    std::vector<double> own(value.begin(), value.end());
    for (std::size_t j = 0; j < moved.size(); ++j) {
      moved[j] -= before[j];
      own[j] -= before[j];
    }
    f.compare("update of " + name, own, moved, 1e-2);
  }
  for (const auto& name : f.names("step_")) f.ignore(name);  // the same per-update values as in the JSON
}

}  // namespace

TEST_CASE("pre-training steps equal the reference implementation's", "[parity]") {
  for_each_fixture("model_", [](const Fixture& fixture) {
    for (const auto run : {model<float>, model<double>}) {
      Case c(fixture);
      run(c);
      c.finish();
    }
  });
}

TEST_CASE("successive updates equal the reference implementation's", "[parity]") {
  for_each_fixture("train_", [](const Fixture& fixture) {
    for (const auto run : {updates<float>, updates<double>}) {
      Case c(fixture);
      run(c);
      c.finish();
    }
  });
}

TEST_CASE("parameter names and shapes are the reference implementation's", "[parity]") {
  const auto file = load_fixture_json("base_pretrain_keys.json");
  const auto& expected = file.at("state_dict");
  ssl::PretrainModel<float> base(pretrain_options(file.at("config")));
  Index count = 0;
  std::size_t known = 0;
  nn::for_each_parameter(base, [&](const std::string& name, nn::Parameter<float>& p) {
    INFO(name);
    REQUIRE(expected.contains(name));
    CHECK(Shape(expected.at(name).get<std::vector<Index>>()) == p.shape());
    count += p.shape().count();
    ++known;
  });
  CHECK(known == expected.size());
  CHECK(count == file.at("parameters").get<Index>());
}

TEST_CASE("no file of the fixtures' folder is unknown", "[parity]") {
  // fine-tuning, its heads and the 3-D views are for a later version
  const std::vector<std::string> known = {"unit_",     "model_", "train_", "stats_", "aug_",
                                          "finetune_", "base_",  "index",  "README"};
  if (fixtures_folder() == committed_fixtures())
    WARN("skipped: what only the full set of fixtures has; compared were those in " << committed_fixtures());
  for (const auto& entry : std::filesystem::directory_iterator(fixtures_folder())) {
    const std::string name = entry.path().filename().string();
    bool found = false;
    for (const auto& prefix : known) found = found || name.starts_with(prefix);
    INFO("no test knows the file " << name);
    CHECK(found);
    if (entry.path().extension() == ".safetensors")
      CHECK(std::filesystem::exists(entry.path().parent_path() / (entry.path().stem().string() + ".json")));
  }
}
