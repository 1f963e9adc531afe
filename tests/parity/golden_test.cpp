// Golden values of the reference modules in double precision for a model that formulas describe completely.
#include <algorithm>
#include <map>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>

#include "support/catch.hpp"
#include "support/devices.hpp"

using namespace anylead;

namespace {

/// A printed value: equal to its last digit.
void check_printed(double value, double printed, double unit) {
  INFO("found " << value << ", printed " << printed);
  CHECK(std::abs(value - printed) <= 0.5000001 * unit);
}

ssl::PretrainOptions tiny() {
  ssl::PretrainOptions o;
  o.encoder.conv = std::vector<nn::ConvLayer>(4, {16, 2, 2});
  o.encoder.layers = 2;
  o.encoder.width = 32;
  o.encoder.heads = 4;
  o.encoder.feed_forward = 64;
  o.encoder.position_taps = 8;
  o.encoder.position_groups = 4;
  o.encoder.dropout = o.encoder.attention_dropout = o.encoder.input_dropout = 0;
  o.w2v.feature_dropout = 0;
  o.w2v.entries = 6;
  o.w2v.final_width = 8;
  o.w2v.negatives.own = 5;
  return o;
}

/// value = 0.1 sin(0.37 i + 0.91 j + 0.2), j the rank of the key in ASCII order; norms and magnitudes around one.
ssl::PretrainModel<double> golden_model() {
  ssl::PretrainModel<double> model(tiny());
  std::map<std::string, nn::Parameter<double>*> sorted;
  nn::for_each_parameter(model, [&](const std::string& name, nn::Parameter<double>& p) { sorted[name] = &p; });
  REQUIRE(sorted.size() == 55);
  int j = 0;
  for (auto& [name, p] : sorted) {
    std::vector<double> values(static_cast<std::size_t>(p->shape().count()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      double v = 0.1 * std::sin(0.37 * static_cast<double>(i) + 0.91 * j + 0.2);
      const bool norm = name.ends_with(".weight") && name.find("norm") != std::string::npos;
      if (name.ends_with("weight_g") || norm || name == "feature_extractor.conv_layers.0.2.weight") v += 1;
      if (name == "quantizer.weight_proj.weight") v *= 10;
      if (name.starts_with("feature_extractor.conv_layers.") && name.ends_with(".0.weight")) v *= 2;
      values[i] = v;
    }
    p->leaf()->value = Tensor<double>::from_host(values, p->shape(), anylead::test::test_device());
    ++j;
  }
  return model;
}

Tensor<double> signal(const std::vector<std::pair<Index, Index>>& zeroed = {}) {
  constexpr Index B = 4, C = 12, T = 320;
  std::vector<double> x(B * C * T);
  for (Index b = 0; b < B; ++b)
    for (Index c = 0; c < C; ++c)
      for (Index t = 0; t < T; ++t) {
        const auto db = static_cast<double>(b), dc = static_cast<double>(c), dt = static_cast<double>(t);
        double v = std::sin(0.01 * (db + 1) * dt + 0.5 * dc) + 0.3 * std::cos(0.07 * dt + 1.1 * db + 0.2 * dc);
        for (const auto& [row, from] : zeroed)
          if (b == row && t >= from) v = 0;
        x[static_cast<std::size_t>((b * C + c) * T + t)] = v;
      }
  return Tensor<double>::from_host(x, {B, C, T}, anylead::test::test_device());
}

double sum(const std::vector<double>& x) {
  double s = 0;
  for (const double v : x) s += v;
  return s;
}

/// Element [b, t, c].
double at(const Var<double>& x, Index b, Index t, Index c) {
  return x.value().to_host()[static_cast<std::size_t>((b * x.shape()[1] + t) * x.shape()[2] + c)];
}

const double kUnit10 = 1e-10, kUnit8 = 1e-8;

}  // namespace

TEST_CASE("forward values of the golden model", "[parity]") {
  const auto model = golden_model();
  const auto f = model.encoder().features(Ctx{}, Var<double>(signal()));
  check_printed(sum(f.conv.value().to_host()), 80.4414457643, kUnit10);
  const double conv[] = {-0.05138116, 0.11247330, 0.26558039};  // [0, 0:3, 0] of (batch, channels, frames)
  for (Index c = 0; c < 3; ++c) check_printed(at(f.conv, 0, 0, c), conv[c], kUnit8);
  const double normed[] = {-0.63070288, 0.29702816, 1.17686587};
  for (Index c = 0; c < 3; ++c) check_printed(at(f.normed, 0, 0, c), normed[c], kUnit8);

  const auto position = ops::add(model.encoder().position().forward(f.projected), ops::scale(f.projected, -1));
  const double first[] = {0.01595133, 0.02239372, 0.03527819}, last[] = {-0.02285353, 0.00467944, 0.07633372};
  for (Index c = 0; c < 3; ++c) {
    check_printed(at(position, 0, 0, c), first[c], kUnit8);
    check_printed(at(position, 0, 19, c), last[c], kUnit8);
  }

  const auto y = model.encoder().context(Ctx{}, f.projected, {});
  auto values = y.value().to_host();
  check_printed(sum(values), 26.1496050007, kUnit10);
  for (double& v : values) v = std::abs(v);
  check_printed(sum(values), 2127.6846071068, kUnit10);
  const double begin[] = {-1.14051236, -1.44986109, -0.98702361, -0.63145089},
               end[] = {-1.86449624, -0.99304306, 0.30353732, 0.54747728};
  for (Index c = 0; c < 4; ++c) {
    check_printed(at(y, 0, 0, c), begin[c], kUnit8);
    check_printed(at(y, 3, 19, c), end[c], kUnit8);
  }

  const auto q = model.w2v().quantizer().forward(Ctx{}, f.normed);
  const Index32 codes[] = {5, 2, 5, 1, 5, 1, 5, 0, 1, 0, 1, 0};
  const auto chosen = q.codes.to_host();
  CHECK(std::equal(std::begin(codes), std::end(codes), chosen.begin()));
  const double vector[] = {-0.09983259, -0.09516821, -0.07762325, -0.04957236,
                           0.03242894,  -0.00397291, -0.03983705, -0.07030943};
  for (Index c = 0; c < 8; ++c) check_printed(at(q.vectors, 0, 0, c), vector[c], kUnit8);
}

TEST_CASE("padded run of the golden model", "[parity]") {
  const auto model = golden_model();
  const auto f = model.encoder().features(Ctx{}, Var<double>(signal({{1, 192}, {2, 200}})), {}, {320, 192, 200, 320});
  CHECK(f.frames == std::vector<Index>{20, 12, 12, 20});
  const auto y = model.encoder().context(Ctx{}, f.projected, f.padding);
  const double a[] = {-2.25053598, -1.88783260, -0.41564870, 0.41652649}, b[] = {0.00896704, 1.42683386, 1.78553349},
               c[] = {-1.22139724, -0.32657774, 0.60361654};
  for (Index i = 0; i < 4; ++i) check_printed(at(y, 1, 0, i), a[i], kUnit8);
  for (Index i = 0; i < 3; ++i) check_printed(at(y, 1, 5, i), b[i], kUnit8);
  for (Index i = 0; i < 3; ++i) check_printed(at(y, 1, 11, i), c[i], kUnit8);
}

TEST_CASE("training step of the golden model", "[parity]") {
  auto model = golden_model();
  ssl::W2vChoices<double> choices;
  const std::vector<std::vector<Index>> frames = {
      {1, 2, 3, 6, 7, 8, 9, 15}, {0, 1, 2, 7, 10, 11, 12, 18}, {4, 5, 6, 8, 9, 13, 14, 16}, {2, 3, 4, 5, 11, 12, 17, 18}};
  choices.time_mask = std::vector<Flag>(80, Flag{0});
  for (std::size_t b = 0; b < 4; ++b)
    for (const Index t : frames[b]) (*choices.time_mask)[b * 20 + static_cast<std::size_t>(t)] = 1;
  std::vector<Index32> draws;
  for (int b = 0; b < 4; ++b)
    for (int k = 0; k < 40; ++k) draws.push_back((7 * b + 5 * k + 1) % 7);
  choices.negative_rows = ssl::negative_rows({8, 8, 8, 8}, draws, {}, 5, 0);
  choices.gumbel_noise = Tensor<double>::from_host(std::vector<double>(32 * 12), {32, 12}, anylead::test::test_device());

  ssl::PretrainBatch<double> batch;
  batch.signal = signal();
  batch.patient = {7, 7, 9, 9};
  batch.segment = {0, 1, 0, 1};
  Tape<double> tape;
  const auto out = model.forward(Ctx{.training = true}, tape.input(batch.signal), batch, choices);

  CHECK(out.w2v.logits.shape() == Shape({32, 6}));
  const auto by_row = out.w2v.logits.to_host();
  CHECK(std::count_if(by_row.begin(), by_row.end(), [](double v) { return std::isinf(v); }) == 26);
  // Rows are stored segment by segment; the printed rows 0 and 1 are frame 0 of segments 0 and 1.
  const double inf = std::numeric_limits<double>::infinity();
  const double row0[] = {-3.08922344, -3.49340934, -3.56206368, -3.89323734, -3.42530105, -inf};
  const double row1[] = {-2.83315039, -3.36412109, -3.43362173, -inf, -3.83187555, -3.36412109};
  for (std::size_t n = 0; n < 6; ++n) {
    for (const auto& [found, printed] : {std::pair{by_row[n], row0[n]}, std::pair{by_row[8 * 6 + n], row1[n]}}) {
      if (std::isinf(printed))
        CHECK(found == printed);
      else
        check_printed(found, printed, kUnit8);
    }
  }
  check_printed(item(out.w2v.contrastive), 55.3447596274, kUnit10);
  CHECK(out.sample_size == 32);
  check_printed(item(out.w2v.diversity), 0.0468484822, kUnit10);
  check_printed(item(out.w2v.penalty), 0.0605806440, kUnit10);
  check_printed(item(out.w2v.code_perplexity), 6.30057612, kUnit8);
  check_printed(item(out.w2v.prob_perplexity), 11.43781821, kUnit8);
  const auto pooled = out.cmsc.pooled.value().to_host();
  const double first[] = {-1.04672721, -0.17819813, 0.72607098, 0.59792762};
  for (std::size_t i = 0; i < 4; ++i) check_printed(pooled[i], first[i], kUnit8);
  check_printed(item(out.cmsc.loss), 0.7634479042, kUnit10);
  check_printed(item(out.total), 99.3108137995, kUnit10);
  check_printed(item(out.total) / 32, 3.1034629312, kUnit10);

  tape.backward(out.total);
  const std::map<std::string, double> norms = {{"conv_pos.pos_conv.0.bias", 6.31628284e-01},
                                               {"conv_pos.pos_conv.0.weight_g", 1.00789112e-02},
                                               {"conv_pos.pos_conv.0.weight_v", 4.82981511e-01},
                                               {"encoder.layer_norm.weight", 4.56864034e-02},
                                               {"encoder.layer_norm.bias", 7.25793608e-02},
                                               {"encoder.layers.0.self_attn.q_proj.weight", 3.61408501e-01},
                                               {"encoder.layers.0.self_attn.q_proj.bias", 6.61449517e-02},
                                               {"encoder.layers.0.self_attn.k_proj.weight", 3.58477648e-01},
                                               {"encoder.layers.0.self_attn.k_proj.bias", 0},
                                               {"encoder.layers.0.self_attn.v_proj.weight", 4.02480203e-01},
                                               {"encoder.layers.0.self_attn.v_proj.bias", 3.23297578e-02},
                                               {"encoder.layers.0.self_attn.out_proj.weight", 6.28075999e-01},
                                               {"encoder.layers.0.self_attn.out_proj.bias", 5.38276654e-02},
                                               {"encoder.layers.0.self_attn_layer_norm.weight", 5.25659933e-02},
                                               {"encoder.layers.0.self_attn_layer_norm.bias", 5.65228959e-02},
                                               {"encoder.layers.0.fc1.weight", 2.80314529e-01},
                                               {"encoder.layers.0.fc1.bias", 5.11357653e-02},
                                               {"encoder.layers.0.fc2.weight", 3.86128298e-01},
                                               {"encoder.layers.0.fc2.bias", 4.89443695e-02},
                                               {"encoder.layers.0.final_layer_norm.weight", 6.64147293e-02},
                                               {"encoder.layers.0.final_layer_norm.bias", 5.25689902e-02},
                                               {"encoder.layers.1.self_attn.q_proj.weight", 4.28221642e-01},
                                               {"encoder.layers.1.self_attn.q_proj.bias", 7.30262610e-02},
                                               {"encoder.layers.1.self_attn.k_proj.weight", 4.10823709e-01},
                                               {"encoder.layers.1.self_attn.v_proj.weight", 3.63459183e-01},
                                               {"encoder.layers.1.self_attn.v_proj.bias", 6.85832725e-02},
                                               {"encoder.layers.1.self_attn.out_proj.weight", 8.42805343e-01},
                                               {"encoder.layers.1.self_attn.out_proj.bias", 6.23212309e-02},
                                               {"encoder.layers.1.self_attn_layer_norm.weight", 9.21780832e-02},
                                               {"encoder.layers.1.self_attn_layer_norm.bias", 6.87060227e-02},
                                               {"encoder.layers.1.fc1.weight", 2.35918108e-01},
                                               {"encoder.layers.1.fc1.bias", 2.16457118e-02},
                                               {"encoder.layers.1.fc2.weight", 3.85023030e-01},
                                               {"encoder.layers.1.fc2.bias", 6.59519778e-02},
                                               {"encoder.layers.1.final_layer_norm.weight", 1.07496852e-01},
                                               {"encoder.layers.1.final_layer_norm.bias", 9.14856897e-02},
                                               {"feature_extractor.conv_layers.0.0.weight", 2.03486579e+00},
                                               {"feature_extractor.conv_layers.0.2.weight", 7.51956824e-01},
                                               {"feature_extractor.conv_layers.0.2.bias", 6.79951501e-01},
                                               {"feature_extractor.conv_layers.1.0.weight", 1.15827380e+00},
                                               {"feature_extractor.conv_layers.2.0.weight", 7.84673071e-02},
                                               {"feature_extractor.conv_layers.3.0.weight", 2.09317040e-01},
                                               {"layer_norm.weight", 9.29907343e-01},
                                               {"layer_norm.bias", 9.16770052e-01},
                                               {"mask_emb", 3.61990671e-01},
                                               {"post_extract_proj.weight", 4.49728030e+00},
                                               {"post_extract_proj.bias", 1.08420484e+00},
                                               {"final_proj.weight", 1.03770906e+00},
                                               {"final_proj.bias", 1.82904988e-01},
                                               {"project_q.weight", 2.78118807e+00},
                                               {"project_q.bias", 1.38376954e+00},
                                               {"quantizer.vars", 6.60527244e-01},
                                               {"quantizer.weight_proj.weight", 9.58740531e-02},
                                               {"quantizer.weight_proj.bias", 1.30351268e-02}};
  std::size_t seen = 0;
  nn::for_each_parameter(model, [&](const std::string& name, nn::Parameter<double>& p) {
    INFO(name);
    REQUIRE(p.has_grad());
    double square = 0;
    for (const double g : p.grad().to_host()) square += g * g;
    const double norm = std::sqrt(square) / 32;
    if (!norms.contains(name)) return;  // the appendix prints no key bias of layer 1
    ++seen;
    if (norms.at(name) == 0)
      CHECK(norm < 1e-12);
    else
      CHECK(std::abs(norm - norms.at(name)) <= 0.5000001e-8 * std::pow(10, std::floor(std::log10(norms.at(name)))));
  });
  CHECK(seen == norms.size());
}

TEST_CASE("CMSC on the golden embeddings", "[parity]") {
  std::vector<double> e;
  for (int r = 0; r < 6; ++r)
    for (int d = 0; d < 5; ++d) e.push_back(std::sin(0.3 * (5 * r + d) + 0.1));
  const auto z = Tensor<double>::from_host(e, {6, 1, 5}, anylead::test::test_device());
  const auto out = ssl::cmsc(Var<double>(z), Tensor<Flag>(), {3, 3, 4, 4, 3, 3}, {0, 1, 0, 1, 0, 1});
  check_printed(item(out.loss), 0.8357104175, kUnit10);
}
