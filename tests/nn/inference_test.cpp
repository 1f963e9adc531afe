#include <anylead/nn/inference.hpp>

#include <array>
#include <cmath>
#include <vector>

#include <anylead/core/parallel.hpp>
#include <anylead/nn/precision.hpp>
#include <support/catch.hpp>
#include <support/tiny_model.hpp>

using namespace anylead;
using namespace anylead::test;

namespace {

template <Real T>
std::vector<T> embed(const ssl::EcgEncoder<T>& encoder, const ssl::PretrainBatch<T>& batch) {
  return encoder.forward(Ctx{}, Var<T>(batch.signal)).value().to_host();
}

/// Largest difference over the largest value.
double distance(const std::vector<float>& x, const std::vector<float>& y) {
  REQUIRE(x.size() == y.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference = std::max(difference, std::abs(double(x[i]) - double(y[i])));
    size = std::max(size, std::abs(double(x[i])));
  }
  return difference / size;
}

}  // namespace

TEMPLATE_TEST_CASE("an encoder prepared for inference gives the same bits, and cannot be trained", "[nn]", float, double) {
  using T = TestType;
  ssl::EcgEncoder<T> encoder(tiny_options().encoder);
  nn::init(encoder, {.seed = 3, .device = test_device()});
  const auto batch = tiny_batch<T>(3, 12, 77);
  const std::vector<T> plain = embed(encoder, batch);
  ssl::EcgEncoder<T> prepared = encoder;
  nn::prepare_inference(prepared);
  nn::prepare_inference(prepared);  // once more: nothing is left to do
  CHECK(embed(prepared, batch) == plain);
  CHECK(embed(ssl::EcgEncoder<T>(prepared), batch) == plain);  // copies are prepared, too
  CHECK(embed(encoder, batch) == plain);

  Tape<T> tape;
  CHECK_THROWS_WITH(prepared.forward(Ctx{}, tape.input(batch.signal)), Catch::Contains("prepared for inference"));

  nn::init(prepared, {.seed = 4, .device = test_device()});
  nn::init(encoder, {.seed = 4, .device = test_device()});
  CHECK(embed(prepared, batch) == embed(encoder, batch));
  CHECK(embed(prepared, batch) != plain);
}

TEST_CASE("linear maps with prepared weights equal those with plain ones, at any size", "[nn]") {
  for (const auto& [rows, in, out] :
       std::vector<std::array<Index, 3>>{{1, 1, 1}, {3, 33, 17}, {15, 800, 65}, {2, 0, 3}, {0, 4, 5}}) {
    const Tensor<double> x = normal<double>("x", {rows, in}), w = normal<double>("w", {out, in}),
                         b = normal<double>("b", {out});
    const auto plain = ops::linear(Var<double>(x), Var<double>(w), Var<double>(b)).value().to_host();
    const auto prepared = ops::prepare_linear(w);
    REQUIRE((prepared.data.defined() || wants_cuda()));  // a GPU has no such form
    if (prepared.data.defined()) CHECK(ops::linear(Var<double>(x), prepared, Var<double>(b)).value().to_host() == plain);
  }
}

TEMPLATE_TEST_CASE("positional convolutions with prepared weights equal those with plain ones, whatever frames they are for",
                   "[nn]", float, double) {
  using T = TestType;
  for (const auto& [width, groups, taps] : std::vector<std::array<Index, 3>>{{12, 4, 8}, {72, 4, 9}, {20, 5, 16}, {6, 2, 4}}) {
    const Tensor<T> w = normal<T>("w", {width, width / groups, taps}), b = normal<T>("b", {width});
    const auto prepared = ops::prepare_conv_positional(w, groups, taps);
    CHECK(prepared.data.defined() == (!wants_cuda() && groups >= 4));  // a GPU has no such form, nor have few groups
    for (const Index batch : {0, 1, 3})
      for (const Index frames : {1, 5, 9, 13, 24, 40}) {
        INFO(str(batch, " x ", frames, " x ", width, ", ", taps, " taps in ", groups, " groups"));
        const Var<T> x(normal<T>("x", {batch, frames, width}));
        CHECK(ops::conv_positional(x, prepared, Var<T>(b)).value().to_host() ==
              ops::conv_positional(x, Var<T>(w), Var<T>(b), groups).value().to_host());
      }
  }
  CHECK_THROWS_AS(ops::prepare_conv_positional(normal<T>("w", {12, 4, 8}), 2, 8), ShapeError);
}

TEST_CASE("products in bf16 change a step by their rounding, alike for any number of threads", "[nn]") {
  const auto batch = tiny_batch<float>(4, 12, 101);
  const Ctx ctx = {.seed = 5, .step = 0, .training = true};
  ssl::PretrainModel<float> model(tiny_options());
  nn::init(model, {.seed = 3, .device = test_device()});
  const auto full = step_gradients(model, ctx, batch);
  nn::set_precision(model, Precision::bf16);
  const int before = threads();
  set_threads(1);
  const auto half = step_gradients(model, ctx, batch);
  set_threads(2);
  CHECK(step_gradients(model, ctx, batch) == half);
  set_threads(before);
  if (!wants_cuda()) CHECK(half.loss != full.loss);  // a GPU may round factors; a simulator of one does not
  CHECK(distance(full.loss, half.loss) < 2e-2);
  nn::set_precision(model, Precision::full);
  CHECK(step_gradients(model, ctx, batch) == full);
}

TEST_CASE("an encoder prepared in bf16 gives the bits of plain products in bf16", "[nn]") {
  ssl::EcgEncoder<float> encoder(tiny_options().encoder);
  nn::init(encoder, {.seed = 3, .device = test_device()});
  const auto batch = tiny_batch<float>(2, 12, 90);
  const auto full = embed(encoder, batch);
  nn::set_precision(encoder, Precision::bf16);
  const auto half = embed(encoder, batch);
  if (!wants_cuda()) CHECK(half != full);
  CHECK(distance(full, half) < 2e-2);
  nn::prepare_inference(encoder);
  CHECK(embed(encoder, batch) == half);
}

TEST_CASE("bf16 is refused for a model of double", "[nn]") {
  ssl::EcgEncoder<double> encoder(tiny_options().encoder);
  CHECK_THROWS_AS(nn::set_precision(encoder, Precision::bf16), OptionError);
  CHECK_NOTHROW(nn::set_precision(encoder, Precision::full));
}
