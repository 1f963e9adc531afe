#include "support/catch.hpp"
#include "support/tiny_model.hpp"

using namespace anylead;

TEMPLATE_TEST_CASE("a recomputed model trains to the same bits with less memory", "[ssl]", float, double) {
  using T = TestType;
  auto o = test::tiny_options();
  o.encoder.layers = 6;
  o.encoder.activation_dropout = 0.1;
  const auto batch = test::tiny_batch<T>(4, 12, 400);
  const Ctx ctx{.seed = 1, .step = 2, .training = true};
  test::StepResult<T> results[2];
  std::size_t peak[2];
  for (const bool recompute : {false, true}) {
    o.encoder.recompute = recompute;
    ssl::PretrainModel<T> model(o);
    nn::init(model, {.seed = 4, .device = test::test_device()});
    test::step_gradients(model, ctx, batch);
    memory_pool(test::test_device()).reset_peak();
    results[recompute] = test::step_gradients(model, ctx, batch);
    peak[recompute] = memory_pool(test::test_device()).statistics().peak;
  }
  CHECK(results[0] == results[1]);
  CHECK(peak[1] < peak[0]);
}
