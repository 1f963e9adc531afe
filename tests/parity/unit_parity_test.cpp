// Single modules and losses against the reference implementation.
#include <anylead/autograd/tape.hpp>

#include "parity/parity.hpp"

using namespace parity;

namespace {

template <Real T>
Var<T> constant(Tape<T>& tape, Tensor<T> value) {
  return tape.input_with_grad(std::move(value));
}

/// Linear and layer-norm parameters of a fixture as leaves.
template <Real T>
struct Leaves {
  explicit Leaves(Case& f) {
    for (const auto& name : f.names("param.")) {
      all.emplace_back(name, std::make_shared<Leaf<T>>());
      all.back().second->value = f.tensor<T>(name);
    }
  }
  std::vector<std::pair<std::string, std::shared_ptr<Leaf<T>>>> all;
};

template <Real T>
void primitives(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  Tape<T> tape;
  std::vector<std::pair<std::string, Var<T>>> inputs;
  std::vector<std::pair<Var<T>, Tensor<T>>> seeds;
  // Signals of (batch, channels, time) become channels-last on their way in and out.
  const auto in = [&](const std::string& name) {
    inputs.emplace_back("input." + name, constant(tape, f.tensor<T>("input." + name)));
    return inputs.back().second;
  };
  const auto in_swapped = [&](const std::string& name) { return ops::lead_mask(in(name)); };
  const auto out = [&](const std::string& name, const Var<T>& y) {
    f.check("out." + name, y.value(), bound.output);
    seeds.emplace_back(y, f.tensor<T>("upstream." + name));
  };
  const auto out_swapped = [&](const std::string& name, const Var<T>& y) {
    f.check("out." + name, Case::swap_axes(y.value().to_host(), y.shape(), 1, 2), bound.output);
    seeds.emplace_back(y, f.swapped<T>("upstream." + name, 1, 2));
  };
  const double eps = c.at("eps");
  {
    const auto x = in("ln_x"), w = in("ln_w"), b = in("ln_b");
    out("layer_norm", ops::layer_norm(x, w, b, eps));
  }
  {
    const auto x = in_swapped("gn_x"), w = in("gn_w"), b = in("gn_b");
    out_swapped("group_norm", ops::group_norm(x, w, b, c.at("groups_of_group_norm"), eps));
  }
  {
    const auto v = in("wn_v"), g = in("wn_g"), b = in("wn_b"), x = in_swapped("wn_x");
    const auto w = ops::weight_norm(v, g, c.at("weight_norm_dim"));
    out("weight_norm_weight", w);
    out_swapped("weight_norm_conv",
                ops::conv1d(x, w, b, {.padding = c.at("weight_norm_conv_padding"), .groups = c.at("weight_norm_conv_groups")}));
  }
  {
    const auto x = in_swapped("conv_x"), w = in("conv_w"), b = in("conv_b");
    out_swapped("conv", ops::conv1d(x, w, b, {.stride = c.at("conv_stride")}));
  }
  {
    const auto x = in("lin_x"), w = in("lin_w"), b = in("lin_b");
    out("linear", ops::linear(x, w, b));
  }
  out("gelu", ops::gelu(in("gelu_x")));
  out("log_softmax", ops::log_softmax(in("sm_x")));
  {
    const auto x = in("cos_x"), y = in("cos_y");
    out("cosine", ops::cosine_similarity(x, y, c.at("cosine_eps")));
  }
  tape.backward(seeds);
  for (const auto& [name, x] : inputs) f.check_gradient("grad." + name, tape.grad(x), bound.gradient);
}

template <Real T>
void conv_features(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  using Features = nn::ConvFeatures<T>;
  Features features({.leads = c.at("in_d"),
                     .layers = conv_layers(c.at("conv_feature_layers")),
                     .mode = c.at("extractor_mode") == "layer_norm" ? Features::Mode::layer_norm : Features::Mode::group_norm,
                     .bias = c.at("conv_bias")});
  load<T>(features, f);
  for (const bool wants_dx : {true, false}) {  // without, the first block is one op
    Tape<T> tape;
    const auto x = wants_dx ? constant(tape, f.tensor<T>("input.x")) : tape.input(f.tensor<T>("input.x"));
    std::vector<Var<T>> blocks;
    features.forward(x, {}, &blocks);
    std::vector<std::pair<Var<T>, Tensor<T>>> seeds;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const std::string name = "layer" + std::to_string(i);
      f.check("out." + name, Case::swap_axes(blocks[i].value().to_host(), blocks[i].shape(), 1, 2), bound.output);
      if (f.has("upstream." + name)) seeds.emplace_back(blocks[i], f.swapped<T>("upstream." + name, 1, 2));
    }
    tape.backward(seeds);
    check_gradients<T>(features, f, bound.gradient);
    if (wants_dx) f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
    nn::zero_grad(features);
  }
}

template <Real T>
void conv_positional(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  nn::ConvPositional<T> position(
      {.width = c.at("encoder_embed_dim"), .taps = c.at("conv_pos"), .groups = c.at("conv_pos_groups")});
  load<T>(position, f);
  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.x"));
  const auto term = ops::add(position.forward(x), ops::scale(x, -1));  // the fixture holds the term without x
  f.check("out.x_conv", term.value(), bound.output);
  tape.backward({{term, f.tensor<T>("upstream.x_conv")}});
  check_gradients<T>(position, f, bound.gradient);
  f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
}

/// x of (time, batch, width) runs as (batch, time, width).
template <Real T, class Run>
void time_first(Case& f, const std::string& output, Run&& run) {
  const auto bound = kBounds<T>;
  Tape<T> tape;
  const auto x = constant(tape, f.swapped<T>("input.x", 0, 1));
  std::vector<std::pair<Var<T>, Tensor<T>>> seeds;
  for (const auto& [name, y] : run(x, output)) {
    f.check("out." + name, Case::swap_axes(y.value().to_host(), y.shape(), 0, 1), bound.output);
    seeds.emplace_back(y, f.swapped<T>("upstream." + name, 0, 1));
  }
  tape.backward(seeds);
  const auto grad = tape.grad(x);
  f.compare("grad.input.x", Case::swap_axes(grad.to_host(), grad.shape(), 0, 1), f.values<double>("grad.input.x"),
            bound.gradient);
}

template <Real T>
using Outputs = std::vector<std::pair<std::string, Var<T>>>;

template <Real T>
void encoder_layer(Case& f) {
  const auto& c = f.config();
  nn::EncoderLayer<T> layer({.width = c.at("embed_dim"),
                             .heads = c.at("heads"),
                             .feed_forward = c.at("ffn_dim"),
                             .norm_first = c.at("layer_norm_first")});
  load<T>(layer, f);
  const auto padding = f.integers<Flag>("input.key_padding_mask");
  time_first<T>(f, "x", [&](const Var<T>& x, const std::string& name) {
    return Outputs<T>{{name, layer.forward(Ctx{}, x, padding)}};
  });
  check_gradients<T>(layer, f, kBounds<T>.gradient);
}

template <Real T>
void attention(Case& f) {
  const auto& c = f.config();
  nn::MultiHeadAttention<T> layer({.width = c.at("embed_dim"), .heads = c.at("heads")});
  load<T>(layer, f);
  const auto padding = f.integers<Flag>("input.key_padding_mask");
  time_first<T>(f, "", [&](const Var<T>& x, const std::string&) {
    f.check("out.weights_masked", layer.weights(x, padding), kBounds<T>.output);
    return Outputs<T>{{"attn_unmasked", layer.forward(Ctx{}, x, {})}, {"attn_masked", layer.forward(Ctx{}, x, padding)}};
  });
  check_gradients<T>(layer, f, kBounds<T>.gradient);
}

template <Real T>
void transformer(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  nn::Transformer<T> encoder({.layers = c.at("layers"),
                              .layer = {.width = c.at("encoder_embed_dim"),
                                        .heads = c.at("heads"),
                                        .feed_forward = c.at("ffn_dim"),
                                        .norm_first = c.at("layer_norm_first")}});
  load<T>(encoder, f);
  const auto padding = f.has("input.padding_mask") ? f.integers<Flag>("input.padding_mask") : Tensor<Flag>();
  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.x"));
  const auto y = encoder.forward(Ctx{}, x, padding);
  f.check("out.x", y.value(), bound.output);
  tape.backward({{y, f.tensor<T>("upstream.x")}});
  check_gradients<T>(encoder, f, bound.gradient);
  f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
}

template <Real T>
void quantizer(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  const Index width = c.at("vq_dim");
  nn::Quantizer<T> q({.in = c.at("dim"),
                      .groups = c.at("latent_groups"),
                      .entries = c.at("latent_vars"),
                      .width = width,
                      .temperature_start = c.at("temp").at(0),
                      .temperature_end = c.at("temp").at(1),
                      .temperature_decay = c.at("temp").at(2)});
  load<T>(q, f);
  CHECK(q.total() == f.meta().at("num_vars_reported").get<Index>());
  const Ctx ctx = {.step = c.at("num_updates").get<std::uint64_t>(), .training = f.meta().at("mode") == "train"};
  CHECK(q.temperature(ctx.step) == Approx(c.at("current_temp").get<double>()).epsilon(1e-14));
  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.x"));
  const auto out = q.forward(ctx, x, ctx.training ? f.tensor<T>("choice.gumbel_noise") : Tensor<T>());
  f.check("out.x", out.vectors.value(), bound.output);
  f.check("out.prob_perplexity", out.prob_perplexity.value(), bound.output);
  f.check("out.code_perplexity", out.code_perplexity, bound.output);
  f.compare("out.targets", out.codes.to_host(), f.values<double>("out.targets"), 0);
  {
    Leaves<T> leaves(f);
    Tensor<T> weight, bias;
    for (const auto& [name, leaf] : leaves.all) {
      if (name == "param.weight_proj.weight") weight = leaf->value;
      if (name == "param.weight_proj.bias") bias = leaf->value;
    }
    const auto logits = ops::linear(Var<T>(x.value()), Var<T>(weight), Var<T>(bias));
    f.check("inter.logits", logits.value(), bound.output);
    if (ctx.training) {  // softmax((logits + noise) / temperature) through its logarithm
      const auto noisy = ops::scale(ops::add(logits, Var<T>(f.tensor<T>("choice.gumbel_noise").reshaped(logits.shape()))),
                                    1 / q.temperature(ctx.step));
      const Index entries = c.at("latent_vars");
      auto soft = ops::log_softmax(ops::reshape(noisy, {noisy.value().count() / entries, entries})).value().to_host();
      for (auto& v : soft) v = std::exp(v);
      f.check("inter.soft", soft, bound.output);
    }
  }
  tape.backward({{out.vectors, f.tensor<T>("upstream.x")}, {out.prob_perplexity, f.tensor<T>("upstream.prob_perplexity")}});
  check_gradients<T>(q, f, bound.gradient);
  f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
}

template <Real T>
void negatives(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  const Shape s = f.shape("input.x");
  const Index own = c.at("num_negatives"), cross = c.at("cross_sample_negatives"), rows = s[0] * s[1];
  // the rule that turns draws into rows
  std::vector<Index32> cross_draws;
  if (cross > 0) cross_draws = f.values<Index32>("input.randint_cross");
  const auto chosen = ssl::negative_rows(std::vector<Index>(static_cast<std::size_t>(s[0]), s[1]),
                                         f.values<Index32>("input.randint_own"), cross_draws, own, cross);
  CHECK(chosen == f.values<Index32>("input.negative_rows"));

  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.x")), y = constant(tape, f.tensor<T>("input.y"));
  const auto index = Tensor<Index32>::from_host(chosen, {rows, own + cross}, test::test_device());
  const auto out = ops::sampled_contrastive(x, y, index, {}, c.at("logit_temp"), c.at("cosine_eps"));
  // stored as (1 + negatives, batch, masked)
  const auto logits = out.logits.to_host();
  std::vector<T> by_candidate(logits.size());
  for (Index r = 0; r < rows; ++r)
    for (Index n = 0; n <= own + cross; ++n)
      by_candidate[static_cast<std::size_t>(n * rows + r)] = logits[static_cast<std::size_t>(r * (1 + own + cross) + n)];
  f.check("out.logits", by_candidate, bound.output);
  f.check("out.loss", out.loss.value(), bound.output);
  // gathered copies: what the op never makes
  const auto targets = y.value().to_host();
  std::vector<T> gathered;
  for (Index n = 0; n < own + cross; ++n)
    for (Index r = 0; r < rows; ++r)
      for (Index k = 0; k < s[2]; ++k)
        gathered.push_back(
            targets[static_cast<std::size_t>(chosen[static_cast<std::size_t>(r * (own + cross) + n)] * s[2] + k)]);
  f.check("out.negatives", gathered, 0);
  tape.backward(out.loss);
  f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
  f.check_gradient("grad.input.y", tape.grad(y), bound.gradient);
}

template <Real T>
void cmsc(Case& f) {
  const auto bound = kBounds<T>;
  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.features"));
  const auto out = ssl::cmsc(x, f.integers<Flag>("input.padding_mask"), f.values<Index>("input.patient_id"),
                             f.values<Flag>("input.segment"), {.temperature = f.config().at("temp")});
  f.check("out.pooled", out.pooled.value(), bound.output);
  f.check("out.loss", out.loss.value(), bound.output);
  tape.backward(out.loss);
  f.check_gradient("grad.input.features", tape.grad(x), bound.gradient);
}

template <Real T>
void mean_pool(Case& f) {
  const auto bound = kBounds<T>;
  Tape<T> tape;
  const auto x = constant(tape, f.tensor<T>("input.x"));
  const auto y = ops::mean_pool(x, f.integers<Flag>("input.padding_mask"));
  f.check("out.pooled", y.value(), bound.output);
  tape.backward({{y, f.tensor<T>("upstream.pooled")}});
  f.check_gradient("grad.input.x", tape.grad(x), bound.gradient);
}

template <Real T>
void diversity_and_penalty(Case& f) {
  const auto bound = kBounds<T>;
  const auto& c = f.config();
  const Shape s = f.shape("input.logits");  // [rows, G, V]
  const double size = c.at("sample_size"), total = static_cast<double>(s[1] * s[2]);
  Tape<T> tape;
  const auto logits = constant(tape, f.tensor<T>("input.logits").reshaped({s[0], s[1] * s[2]}));
  const auto features = constant(tape, f.tensor<T>("input.features"));
  const Var<T> vars(
      Tensor<T>::from_host(std::vector<T>(static_cast<std::size_t>(s[1] * s[2])), {s[1] * s[2], 1}, test::test_device()));
  const auto q = ops::gumbel_quantize(logits, vars, s[1], Tensor<T>(), 1);
  const auto diversity = ops::scale(q.prob_perplexity, -1 / total, 1);
  const auto penalty = ops::mean_square(features);
  const auto loss = ops::weighted_sum<T>({{size * c.at("loss_weights").at(0).get<double>(), diversity},
                                          {size * c.at("loss_weights").at(1).get<double>(), penalty}});
  f.check("out.prob_perplexity", q.prob_perplexity.value(), bound.output);
  f.check("out.diversity", diversity.value(), bound.output);
  f.check("out.feature_penalty", penalty.value(), bound.output);
  f.check("out.loss", loss.value(), bound.output);
  tape.backward(loss);
  f.check_gradient("grad.input.logits", tape.grad(logits), bound.gradient);
  f.check_gradient("grad.input.features", tape.grad(features), bound.gradient);
}

template <Real T>
void adam(Case& f) {
  const auto& c = f.config();
  const double bound = sizeof(T) == 4 ? 1e-6 : 3e-6;
  std::vector<nn::Named<T>> parameters;
  for (int i = 0; f.has("param.p" + std::to_string(i) + ".0"); ++i) {
    parameters.push_back({"p" + std::to_string(i), std::make_shared<Leaf<T>>()});
    parameters.back().leaf->value = f.tensor<T>("param.p" + std::to_string(i) + ".0");
  }
  REQUIRE(!parameters.empty());
  optim::Adam<T> adam(
      parameters,
      {.beta1 = c.at("betas").at(0), .beta2 = c.at("betas").at(1), .epsilon = c.at("eps"), .decay = c.at("weight_decay")});
  for (int k = 1; k <= c.at("steps").get<int>(); ++k) {
    for (auto& p : parameters) {
      p.leaf->grad = f.tensor<T>("grad." + p.name + "." + std::to_string(k));
      p.leaf->touched = true;
    }
    adam.step(c.at("lr_per_step").at(static_cast<std::size_t>(k - 1)));
    for (auto& p : parameters) f.check("param." + p.name + "." + std::to_string(k), p.leaf->value, bound);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    f.check("state.exp_avg." + parameters[i].name, adam.mean(i), bound);
    f.check("state.exp_avg_sq." + parameters[i].name, adam.square(i), bound);
  }
}

template <Real T>
void clip(Case& f) {
  const double bound = sizeof(T) == 4 ? 1e-6 : 3e-6;
  std::vector<nn::Named<T>> parameters;
  for (int i = 0; f.has("grad.g" + std::to_string(i)); ++i) {
    const std::string name = "g" + std::to_string(i);
    parameters.push_back({name, std::make_shared<Leaf<T>>()});
    parameters.back().leaf->value = parameters.back().leaf->grad = f.tensor<T>("grad." + name);
    parameters.back().leaf->touched = true;
  }
  const double norm = optim::Adam<T>(parameters, {}).grad_norm();
  f.check("out.total_norm", std::vector<double>{norm}, bound);
  for (const auto& limit : f.config().at("max_norms")) {
    const auto max_norm = limit.get<double>();
    const std::string name = "out.clip" + std::to_string(static_cast<int>(max_norm)) + ".";
    for (const auto& p : parameters) {
      auto g = p.leaf->grad.to_host();
      for (auto& v : g) v = static_cast<T>(v * optim::clip_factor(norm, max_norm));
      f.check(name + p.name, g, bound);
    }
  }
}

void schedules(Case& f) {
  for (const auto& [name, description] : f.config().items()) {
    const auto& c = description.at("config");
    optim::Schedule s;
    s.rate = c.at("lr").at(0);
    const std::string kind = description.at("scheduler");
    INFO("schedule " << name << " of kind " << kind);
    if (kind == "fixed") {
      s.warmup = c.at("warmup_updates");
    } else if (kind == "step") {
      s.kind = optim::Schedule::Kind::step;
      s.warmup = c.at("warmup_updates");
      s.period = c.at("lr_deacy_period");  // spelled so in the reference
      s.decay = c.at("lr_decay");
    } else {
      REQUIRE(kind == "tri_stage");
      s.kind = optim::Schedule::Kind::tri_stage;
      s.max_update = c.at("max_update");
      s.warmup_ratio = c.at("phase_ratio").at(0);
      s.hold_ratio = c.at("phase_ratio").at(1);
      s.decay_ratio = c.at("phase_ratio").at(2);
      s.initial_scale = c.at("init_lr_scale");
      s.final_scale = c.at("final_lr_scale");
    }
    const auto expected = f.values<double>("lr." + name);
    for (std::size_t n = 0; n < expected.size(); ++n) {
      INFO("update " << n);
      CHECK(s.at(static_cast<std::int64_t>(n)) == expected[n]);  // exactly
    }
  }
}

struct Unit {
  std::string prefix;
  void (*in_float)(Case&);
  void (*in_double)(Case&);
};

/// The longest prefix of a file's name decides.
const std::vector<Unit> kUnits = {
    {"unit_primitives", primitives<float>, primitives<double>},
    {"unit_conv_features", conv_features<float>, conv_features<double>},
    {"unit_conv_pos", conv_positional<float>, conv_positional<double>},
    {"unit_encoder_layer", encoder_layer<float>, encoder_layer<double>},
    {"unit_encoder", transformer<float>, transformer<double>},
    {"unit_multihead_attention", attention<float>, attention<double>},
    {"unit_quantizer", quantizer<float>, quantizer<double>},
    {"unit_negatives", negatives<float>, negatives<double>},
    {"unit_cmsc", cmsc<float>, cmsc<double>},
    {"unit_mean_pool", mean_pool<float>, mean_pool<double>},
    {"unit_diversity_and_feature_penalty", diversity_and_penalty<float>, diversity_and_penalty<double>},
    {"unit_adam", adam<float>, adam<double>},
    {"unit_clip_global_norm", clip<float>, clip<double>},
    {"unit_lr_schedules", schedules, nullptr},
};

/// Losses that this version does not have yet.
const std::vector<std::string> kLater = {"unit_arcface", "unit_bce_multilabel", "unit_simclr", "unit_3kg_loss"};

}  // namespace

TEST_CASE("single modules equal the reference implementation's", "[parity]") {
  for_each_fixture("unit_", [](const Fixture& fixture) {
    for (const auto& prefix : kLater)
      if (fixture.name.starts_with(prefix)) return;
    const Unit* unit = nullptr;
    for (const auto& u : kUnits)
      if (fixture.name.starts_with(u.prefix) && (!unit || u.prefix.size() > unit->prefix.size())) unit = &u;
    INFO("no test knows the fixture " << fixture.name);
    REQUIRE(unit);
    for (const auto run : {unit->in_float, unit->in_double}) {
      if (!run) continue;
      INFO((run == unit->in_double ? "in double" : "in float"));
      Case c(fixture);
      run(c);
      c.finish();
    }
  });
}

TEST_CASE("masking leads equals the reference implementation's", "[parity]") {
  for_each_fixture("aug_", [](const Fixture& fixture) {
    if (fixture.meta.value("which", "") != "rlm") return;  // noises: augment_parity_test.cpp
    Case f(fixture);
    std::vector<Flag> keep;
    for (const double u : f.values<double>("choice.draw")) keep.push_back(u >= f.config().at("mask_leads_prob").get<double>());
    CHECK(keep == f.values<Flag>("choice.lead_kept"));
    const Shape s = f.shape("input.signal");  // [C, T]
    const Var<float> x(f.tensor<float>("input.signal").reshaped({1, s[0], s[1]}));
    const auto y = ops::lead_mask(x, Tensor<Flag>::from_host(keep, {1, s[0]}, test::test_device()));
    f.compare("out.signal", Case::swap_axes(y.value().to_host(), y.shape(), 1, 2), f.values<double>("out.signal"), 0);
    f.finish();
  });
}
