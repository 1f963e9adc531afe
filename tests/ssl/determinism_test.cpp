// The same step gives the same bits; and what the model must not depend on.
#include <algorithm>

#include <anylead/core/parallel.hpp>

#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace anylead;
using test::tensor;

namespace {

/// Parameters after a few updates.
template <Real T>
std::vector<std::vector<T>> train(int threads_used, bool recompute = false, int steps = 3) {
  const int before = threads();
  set_threads(threads_used);
  auto o = test::tiny_options();
  o.encoder.recompute = recompute;
  o.encoder.layer_drop = 0.3;
  o.encoder.activation_dropout = 0.1;
  ssl::PretrainModel<T> model(o);
  nn::init(model, {.seed = 4, .device = test::test_device()});
  optim::Adam<T> adam(nn::parameters<T>(model), {.clip_norm = 1});
  std::vector<std::vector<T>> results;
  for (int step = 0; step < steps; ++step) {
    const Ctx ctx{.seed = 9, .step = static_cast<std::uint64_t>(step), .training = true};
    auto batch = test::tiny_batch<T>(6, 12, 150);
    batch.keep = tensor(ssl::draw_lead_mask(ctx.at("leads").stream(), 6, 12, {}, {}), {6, 12});
    Tape<T> tape;
    const auto terms = model.forward(ctx, tape.input(batch.signal), batch);
    tape.backward(terms.total);
    results.push_back(terms.total.value().to_host());
    results.push_back({static_cast<T>(adam.step(1e-3, 1.0 / static_cast<double>(terms.sample_size)))});
  }
  for (const auto& p : nn::parameters<T>(model)) results.push_back(p.leaf->value.to_host());
  set_threads(before);
  return results;
}

}  // namespace

TEMPLATE_TEST_CASE("training gives the same bits twice and with any number of threads", "[ssl]", float, double) {
  const auto one = train<TestType>(1);
  CHECK(one == train<TestType>(1));
  for (const int n : {2, 3, 5}) CHECK(one == train<TestType>(n));
  for (const auto& v : one)
    for (const TestType x : v) REQUIRE(std::isfinite(double(x)));
}

TEST_CASE("training goes somewhere", "[ssl]") {
  const auto result = train<float>(2, false, 60);
  // losses are sums over masked frames, whose number varies little: the last ten against the first ten
  float first = 0, last = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    first += result[2 * i][0];
    last += result[2 * (50 + i)][0];
  }
  CHECK(last < first);
}

TEST_CASE("other seeds, other steps, other numbers", "[ssl]") {
  ssl::PretrainModel<float> model(test::tiny_options());
  nn::init(model, {.seed = 4, .device = test::test_device()});
  const auto batch = test::tiny_batch<float>(4, 12, 150);
  const auto loss = [&](const Ctx& ctx) { return test::step_gradients(model, ctx, batch).loss[0]; };
  const Ctx ctx{.seed = 1, .step = 2, .training = true};
  CHECK(loss(ctx) == loss(ctx));
  CHECK(loss(ctx) != loss({.seed = 2, .step = 2, .training = true}));
  CHECK(loss(ctx) != loss({.seed = 1, .step = 3, .training = true}));
}

TEST_CASE("the training context draws what the choices say when they are handed in", "[ssl]") {
  ssl::PretrainModel<float> model(test::tiny_options());
  nn::init(model, {.seed = 4, .device = test::test_device()});
  const auto batch = test::tiny_batch<float>(4, 12, 150);
  const Ctx ctx{.seed = 1, .step = 2, .training = true};
  const auto drawn = model.forward(ctx, Var<float>(batch.signal), batch);
  ssl::W2vChoices<float> choices;
  choices.time_mask = drawn.w2v.mask;
  choices.gumbel_noise =
      ops::gumbel_noise<float>({drawn.sample_size, 10}, ctx.at("quantizer").at("gumbel").stream(), test::test_device());
  std::vector<Index> counts(4);
  for (std::size_t i = 0; i < drawn.w2v.mask.size(); ++i) counts[i * 4 / drawn.w2v.mask.size()] += drawn.w2v.mask[i];
  choices.negative_rows = ssl::draw_negatives(ctx.at("negatives").stream(), counts, model.options().w2v.negatives);
  CHECK(item(model.forward(ctx, Var<float>(batch.signal), batch, choices).total) == item(drawn.total));
  CHECK(test::step_gradients(model, ctx, batch) == test::step_gradients(model, ctx, batch, choices));
}

TEST_CASE("permuting the batch permutes representations", "[ssl]") {
  for (const Index leads : {1, 2, 3, 12, 15}) {
    ssl::EcgEncoder<float> encoder(test::tiny_options(leads).encoder);
    nn::init(encoder, {.seed = 4, .device = test::test_device()});
    const Index samples = 77, per_row = leads * samples;
    const auto batch = test::tiny_batch<float>(5, leads, samples);
    const std::vector<Index> order = {3, 0, 4, 1, 2}, lengths = {77, 40, 77, 60, 50};
    const std::vector<float> x = batch.signal.to_host();
    std::vector<float> permuted;
    std::vector<Index> permuted_lengths;
    for (const Index b : order) {
      permuted.insert(permuted.end(), x.begin() + b * per_row, x.begin() + (b + 1) * per_row);
      permuted_lengths.push_back(lengths[static_cast<std::size_t>(b)]);
    }
    const auto y = encoder.forward({}, Var<float>(batch.signal), {}, lengths).value();
    const auto z = encoder.forward({}, Var<float>(tensor(permuted, {5, leads, samples})), {}, permuted_lengths).value();
    const Index out = y.count() / 5;
    const auto a = y.to_host(), b = z.to_host();
    for (std::size_t i = 0; i < 5; ++i) {
      const std::vector<float> before(a.begin() + order[i] * out, a.begin() + (order[i] + 1) * out);
      const std::vector<float> after(b.begin() + Index(i) * out, b.begin() + Index(i + 1) * out);
      // to the bit; but cuBLASLt promises only the same bits for the same product, not for a row wherever it lies
      CHECK(test::distance(after, before) <= (test::wants_cuda() ? 2e-6 : 0));
    }
  }
}

TEST_CASE("what lies in the padding does not matter where no position reaches it", "[ssl]") {
  auto o = test::tiny_options(2).encoder;
  o.conv_layer_norm = true;  // the group norm's statistics include padding, as in the reference
  o.position_taps = 1;       // a longer kernel carries padded frames into their neighbours, as in the reference
  ssl::EcgEncoder<float> encoder(o);
  nn::init(encoder, {.seed = 4, .device = test::test_device()});
  const auto batch = test::tiny_batch<float>(2, 2, 80);
  const std::vector<Index> lengths = {80, 48};
  std::vector<float> x = batch.signal.to_host(), changed = x;
  for (Index c = 0; c < 2; ++c)
    for (Index t = 48; t < 80; ++t) changed[static_cast<std::size_t>((2 + c) * 80 + t)] = 123;
  const auto f = [&](const std::vector<float>& signal) {
    return encoder.forward({}, Var<float>(tensor(signal, {2, 2, 80})), {}, lengths).value().to_host();
  };
  const auto a = f(x), b = f(changed);
  CHECK(a == b);
  // and the segment by itself, cut, gives the same
  std::vector<float> cut;
  for (Index c = 0; c < 2; ++c) cut.insert(cut.end(), x.begin() + (2 + c) * 80, x.begin() + (2 + c) * 80 + 48);
  const auto y = encoder.forward({}, Var<float>(tensor(cut, {1, 2, 48}))).value().to_host();
  CHECK(test::distance(std::vector<float>(a.begin() + 20 * 12, a.begin() + 32 * 12), y) < 1e-6);

  // with positions the leak ends half a kernel away from the padding, before attention mixes all frames
  o.position_taps = 8;
  ssl::EcgEncoder<float> leaking(o);
  nn::init(leaking, {.seed = 4, .device = test::test_device()});
  const auto g = [&](const std::vector<float>& signal) {
    const auto features = leaking.features({}, Var<float>(tensor(signal, {2, 2, 80})), {}, lengths);
    return leaking.position().forward(features.projected).value().to_host();
  };
  const auto p = g(x), q = g(changed);
  // transforms spread their rounding over the whole segment, and the padding here is a hundred times the signal
  const auto frames = [](const std::vector<float>& v, std::ptrdiff_t from, std::ptrdiff_t to) {
    return std::vector<float>(v.begin() + from * 12, v.begin() + to * 12);
  };
  CHECK(test::distance(frames(p, 0, 20), frames(q, 0, 20)) == 0);
  CHECK(test::distance(frames(p, 20, 20 + 12 - 4), frames(q, 20, 20 + 12 - 4)) < 1e-5);
  CHECK(test::distance(frames(p, 20, 20 + 12), frames(q, 20, 20 + 12)) > 1e-3);
}

TEST_CASE("lead agnostic: masking a lead is the same as a lead of zeros", "[ssl]") {
  ssl::EcgEncoder<float> encoder(test::tiny_options().encoder);
  nn::init(encoder, {.seed = 4, .device = test::test_device()});
  const auto batch = test::tiny_batch<float>(2, 12, 64);
  std::vector<Flag> keep(24, 1);
  std::vector<float> zeroed = batch.signal.to_host();
  for (const std::size_t lead : {3u, 7u, 14u, 23u}) {
    keep[lead] = 0;
    std::fill(zeroed.begin() + Index(lead) * 64, zeroed.begin() + Index(lead + 1) * 64, 0.f);
  }
  const auto a = encoder.forward({}, Var<float>(batch.signal), tensor(keep, {2, 12})).value().to_host();
  CHECK(a == encoder.forward({}, Var<float>(tensor(zeroed, {2, 12, 64}))).value().to_host());
  // all leads may vanish
  for (const float v : encoder.forward({}, Var<float>(batch.signal), tensor(std::vector<Flag>(24), {2, 12})).value().to_host())
    REQUIRE(std::isfinite(v));
}
