// Gradients of layers in double, all inputs and parameters against central differences.
#include <anylead/autograd/check.hpp>

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace anylead;
using test::normal;
using test::tensor;
using Inputs = std::vector<Var<double>>;

namespace {

const Ctx kTraining{.seed = 3, .step = 5, .training = true};

template <class M, class F>
void check(M& module, F f, const std::vector<Tensor<double>>& inputs) {
  nn::init(module, {.seed = 2, .device = test::test_device()});
  test::shake(module);
  const auto result = autograd::check([&](Tape<double>&, const Inputs& in) { return f(in[0]); }, inputs,
                                      {.entries = 12, .leaves = test::leaves<double>(module)});
  CHECK(result.checked > 0);
}

}  // namespace

TEST_CASE("gradients of a transformer layer are right", "[nn]") {
  const auto padding = tensor<Flag>({0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, {2, 6});
  for (const bool norm_first : {false, true})
    for (const Index heads : {1, 3})
      for (const double activation_dropout : {0.0, 0.2}) {
        nn::EncoderLayer<double> layer({.width = 6,
                                        .heads = heads,
                                        .feed_forward = 9,
                                        .dropout = 0.1,
                                        .attention_dropout = 0.1,
                                        .activation_dropout = activation_dropout,
                                        .norm_first = norm_first});
        check(layer, [&](const Var<double>& x) { return layer.forward(kTraining, x, padding); },
              {normal<double>("x", {2, 6, 6})});
      }
}

TEST_CASE("gradients of the transformer are right, with padding, layers left out, recomputation", "[nn]") {
  const auto padding = tensor<Flag>({0, 0, 0, 0, 0, 0, 1, 1}, {2, 4});
  for (const bool norm_first : {false, true})
    for (const bool recompute : {false, true})
      for (const double layer_drop : {0.0, 0.5}) {
        nn::Transformer<double> transformer(
            {.layers = 3,
             .layer = {.width = 6, .heads = 2, .feed_forward = 5, .dropout = 0.1, .norm_first = norm_first},
             .layer_drop = layer_drop,
             .recompute = recompute});
        check(transformer, [&](const Var<double>& x) { return transformer.forward(kTraining, x, padding); },
              {normal<double>("x", {2, 4, 6})});
      }
}

TEST_CASE("gradients of the feature extractor are right in both modes", "[nn]") {
  using Features = nn::ConvFeatures<double>;
  for (const auto mode : {Features::Mode::group_norm, Features::Mode::layer_norm})
    for (const bool bias : {false, true})
      for (const auto& layers :
           {std::vector<nn::ConvLayer>{{4, 2, 2}}, std::vector<nn::ConvLayer>{{4, 2, 2}, {5, 3, 2}, {3, 2, 1}}}) {
        Features features({.leads = 3, .layers = layers, .mode = mode, .bias = bias});
        const auto x = normal<double>("x", {2, 3, 19});
        check(features, [&](const Var<double>& in) { return features.forward(in); }, {x});
        // no gradient of the recording: the first block as one op
        const auto keep = tensor<Flag>({1, 0, 1, 1, 1, 0}, {2, 3});
        const auto result =
            autograd::check([&](Tape<double>& tape, const Inputs&) { return features.forward(tape.input(x), keep); }, {},
                            {.entries = 12, .leaves = test::leaves<double>(features)});
        CHECK(result.checked > 0);
      }
}

TEST_CASE("gradients of the positional convolution are right for even and odd kernels", "[nn]") {
  for (const Index taps : {1, 3, 4, 12}) {
    nn::ConvPositional<double> position({.width = 6, .taps = taps, .groups = 3});
    check(position, [&](const Var<double>& x) { return position.forward(x); }, {normal<double>("x", {2, 7, 6})});
  }
}

TEST_CASE("the weight of the positional convolution starts as its direction", "[nn]") {
  nn::ConvPositional<double> position({.width = 4, .taps = 3, .groups = 2});
  nn::init(position, {.seed = 1, .device = test::test_device()});
  std::vector<double> v, g;
  nn::for_each_parameter(position, [&](const std::string& name, auto& p) {
    if (name == "pos_conv.0.weight_v") v = p.value().to_host();
    if (name == "pos_conv.0.weight_g") g = p.value().to_host();
  });
  REQUIRE(g.size() == 3);
  for (std::size_t l = 0; l < 3; ++l) {
    double square = 0;
    for (std::size_t i = l; i < v.size(); i += 3) square += v[i] * v[i];
    CHECK(g[l] == Approx(std::sqrt(square)).epsilon(1e-14));
  }
}

TEST_CASE("the quantiser's projection, codebook and perplexity have right gradients", "[nn]") {
  for (const bool shared : {false, true}) {
    nn::Quantizer<double> quantizer({.in = 4, .groups = 2, .entries = 5, .width = 6, .shared = shared});
    // evaluation: the choice is constant; the perplexity's gradient is a true one
    check(quantizer,
          [&](const Var<double>& x) {
            const auto q = quantizer.forward({}, x);
            return ops::concat_rows(ops::reshape(q.vectors, {42, 1}), ops::reshape(q.prob_perplexity, {1, 1}));
          },
          {normal<double>("x", {7, 4})});
  }
}

TEST_CASE("the quantiser's temperature falls to its end and stays there", "[nn]") {
  const nn::Quantizer<float> q({.in = 2,
                                .groups = 1,
                                .entries = 2,
                                .width = 2,
                                .temperature_start = 2,
                                .temperature_end = 0.5,
                                .temperature_decay = 0.5});
  CHECK(q.temperature(0) == 2);
  CHECK(q.temperature(1) == 1);
  CHECK(q.temperature(2) == 0.5);
  CHECK(q.temperature(1000000) == 0.5);
}

TEST_CASE("padded frames do not reach unpadded ones in the transformer", "[nn]") {
  nn::Transformer<float> transformer({.layers = 2, .layer = {.width = 6, .heads = 2, .feed_forward = 5}});
  nn::init(transformer, {.seed = 1, .device = test::test_device()});
  test::shake(transformer);
  auto a = normal<float>("x", {2, 5, 6}).to_host(), b = a;
  const auto padding = tensor<Flag>({0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, {2, 5});
  for (std::size_t i = 3 * 6; i < 5 * 6; ++i) b[i] = 1e6f;
  const auto ya = transformer.forward({}, Var<float>(tensor(a, {2, 5, 6})), padding).value().to_host();
  const auto yb = transformer.forward({}, Var<float>(tensor(b, {2, 5, 6})), padding).value().to_host();
  CHECK(ya == yb);  // the padded ones too: they are cleared
  // and a segment cut to its length gives the same
  const auto cut = transformer.forward({}, Var<float>(tensor(std::vector<float>(a.begin(), a.begin() + 18), {1, 3, 6})), {})
                       .value()
                       .to_host();
  CHECK(test::distance(std::vector<float>(ya.begin(), ya.begin() + 18), cut) < 1e-6);
}

TEST_CASE("a segment that is nothing but padding gives finite values and gradients", "[nn]") {
  nn::Transformer<float> transformer({.layers = 1, .layer = {.width = 6, .heads = 2, .feed_forward = 5}});
  nn::init(transformer, {.seed = 1, .device = test::test_device()});
  Tape<float> tape;
  const auto x = tape.input_with_grad(normal<float>("x", {1, 3, 6}));
  const auto y = transformer.forward({}, x, tensor<Flag>({1, 1, 1}, {1, 3}));
  tape.backward(ops::mean_square(y));
  for (const float v : y.value().to_host()) CHECK(std::isfinite(v));
  for (const float v : tape.grad(x).to_host()) CHECK(v == 0);
}

TEST_CASE("modules are values: a copy has its own parameters, names and order are kept", "[nn]") {
  nn::EncoderLayer<float> layer({.width = 4, .heads = 2, .feed_forward = 3});
  nn::init(layer, {.seed = 1, .device = test::test_device()});
  nn::EncoderLayer<float> copy = layer;
  const auto a = nn::parameters<float>(layer), b = nn::parameters<float>(copy);
  REQUIRE(a.size() == 16);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].name == b[i].name);
    CHECK(a[i].leaf != b[i].leaf);
    CHECK(a[i].leaf->value.to_host() == b[i].leaf->value.to_host());
    CHECK(a[i].leaf->value.data() != b[i].leaf->value.data());
  }
  CHECK(a[0].name == "self_attn.k_proj.weight");
  CHECK(nn::parameter_count(layer) == 4 * (16 + 4) + 2 * 8 + (12 + 3) + (12 + 4));
  nn::freeze(layer, "self_attn");
  Tape<float> tape;
  tape.backward(ops::mean_square(layer.forward({}, tape.input(normal<float>("x", {1, 3, 4})), {})));
  for (const auto& p : a) CHECK(p.leaf->touched == !p.name.starts_with("self_attn"));
}

TEST_CASE("a start depends on seed and name alone", "[nn]") {
  nn::Transformer<float> two({.layers = 2, .layer = {.width = 4, .heads = 2, .feed_forward = 3}}),
      three({.layers = 3, .layer = {.width = 4, .heads = 2, .feed_forward = 3}});
  nn::init(two, {.seed = 1, .device = test::test_device()});
  nn::init(three, {.seed = 1, .device = test::test_device()});
  const auto a = nn::parameters<float>(two), b = nn::parameters<float>(three);
  std::size_t found = 0;
  for (const auto& p : a)
    for (const auto& q : b)
      if (p.name == q.name) {
        ++found;
        CHECK(p.leaf->value.to_host() == q.leaf->value.to_host());
      }
  CHECK(found == a.size());
  const auto before = a[0].leaf->value.to_host();
  nn::init(two, {.seed = 2, .device = test::test_device()});
  CHECK(a[0].leaf->value.to_host() != before);
}

TEST_CASE("a layer used before its start says so", "[nn]") {
  const nn::Linear<float> linear(3, 2);
  CHECK_THROWS_WITH(linear.forward(Var<float>(normal<float>("x", {1, 3}))), Catch::Contains("used before nn::init()"));
}
