// The steady state of training asks the system for nothing.
#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace anylead;

namespace {

/// Updates `from` .. `to - 1` with masks of their own.
void train(ssl::PretrainModel<float>& model, optim::Adam<float>& adam, Index from, Index to, bool padded) {
  auto batch = test::tiny_batch<float>(4, 12, 312);
  for (Index step = from; step < to; ++step) {
    const Ctx ctx{.seed = 9, .step = static_cast<std::uint64_t>(step), .training = true};
    batch.lengths.clear();
    batch.keep = test::tensor(ssl::draw_lead_mask(ctx.at("leads").stream(), 4, 12, {}, {}), {4, 12});
    if (padded)
      for (Index b = 0; b < 4; ++b)
        batch.lengths.push_back(100 + ctx.at("lengths").stream().below(static_cast<std::uint64_t>(b), 213));
    Tape<float> tape;
    const auto terms = model.forward(ctx, tape.input(batch.signal), batch);
    tape.backward(terms.total);
    adam.step(1e-4, 1.0 / static_cast<double>(terms.sample_size));
  }
}

}  // namespace

TEST_CASE("after some steps training allocates nothing, whatever is masked", "[nn]") {
  for (const bool recompute : {false, true})
    for (const bool padded : {false, true}) {
      CAPTURE(recompute, padded);
      memory_pool(test::test_device()).trim();
      auto o = test::tiny_options();
      o.encoder.recompute = recompute;
      o.w2v.mask.length = 10;
      o.w2v.negatives.own = 20;
      ssl::PretrainModel<float> model(o);
      nn::init(model, {.seed = 4, .device = test::test_device()});
      optim::Adam<float> adam(nn::parameters<float>(model), {});
      train(model, adam, 0, 20, padded);
      const auto before = memory_pool(test::test_device()).statistics();
      train(model, adam, 20, test::wants_cuda() ? 35 : 120, padded);  // fewer there: it may be a simulator
      const auto after = memory_pool(test::test_device()).statistics();
      CHECK(after.allocations == before.allocations);
      CHECK(after.reserved == before.reserved);
      CHECK(after.used == before.used);
    }
}

TEST_CASE("a model gives its memory back", "[nn]") {
  const auto before = memory_pool(test::test_device()).statistics().used;
  {
    ssl::PretrainModel<float> model(test::tiny_options());
    nn::init(model, {.seed = 4, .device = test::test_device()});
    optim::Adam<float> adam(nn::parameters<float>(model), {});
    train(model, adam, 0, 1, false);
    CHECK(memory_pool(test::test_device()).statistics().used > before);
  }
  CHECK(memory_pool(test::test_device()).statistics().used == before);
}
