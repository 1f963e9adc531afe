#include <anylead/autograd/check.hpp>
#include <anylead/autograd/recompute.hpp>
#include <anylead/nn/encoder_layer.hpp>
#include <anylead/nn/init.hpp>
#include <anylead/ops/ops.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using test::normal;
using Inputs = std::vector<Var<double>>;

namespace {

/// y = x^2 with a gradient of factor x.
Var<double> square(const Var<double>& x, double factor) {
  std::vector<double> y = x.value().to_host();
  for (double& v : y) v *= v;
  return record(Tensor<double>::from_host(y, x.shape(), x.device()), {&x}, [x = x.value(), factor](Gradients<double>& g) {
    const Tensor<double>& dy = g.out_tensor();
    std::vector<double> dx = x.to_host(), d = dy.to_host();
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] *= factor * d[i];
    g.add(0, Tensor<double>::from_host(dx, x.shape(), x.device()));
  });
}

}  // namespace

TEST_CASE("the gradient checker passes a right gradient and names the first wrong entry", "[autograd]") {
  const auto x = normal<double>("x", {2, 3}, 3);
  const auto right = autograd::check([](Tape<double>&, const Inputs& in) { return square(in[0], 2); }, {x});
  CHECK(right.passed);
  CHECK(right.checked == 6);
  CHECK(right.largest_error < 1e-8);

  const auto wrong = [](Tape<double>&, const Inputs& in) { return square(in[0], 2.001); };
  CHECK_THROWS_WITH(autograd::check(wrong, {x}), Catch::Contains("input 0 [2, 3], entry 0: the tape gives "));
  const auto quiet = autograd::check(wrong, {x}, {.throws = false});
  CHECK_FALSE(quiet.passed);
  CHECK(quiet.largest_error == Approx(0.001 / 2.001).epsilon(0.3));

  CHECK(autograd::check([](Tape<double>&, const Inputs& in) { return square(in[0], 2); }, {x}, {.entries = 2}).checked == 2);
}

TEST_CASE("the gradient checker finds a missing gradient, one that is not finite, and wrong parameters", "[autograd]") {
  const auto x = normal<double>("x", {4});
  const auto detached =
      autograd::check([](Tape<double>&, const Inputs& in) { return square(in[0], 2).detached(); }, {x}, {.throws = false});
  CHECK_FALSE(detached.passed);
  const auto infinite =
      autograd::check([](Tape<double>&, const Inputs& in) { return square(in[0], std::numeric_limits<double>::infinity()); },
                      {x}, {.throws = false});
  CHECK_FALSE(infinite.passed);

  auto leaf = std::make_shared<Leaf<double>>();
  leaf->value = normal<double>("leaf", {4}, 2);
  const std::vector<double> before = leaf->value.to_host();
  const auto f = [&](double factor) {
    return [leaf, factor](Tape<double>& tape, const Inputs& in) { return ops::add(in[0], square(tape.leaf(leaf), factor)); };
  };
  CHECK(autograd::check(f(2), {x}, {.leaves = {leaf}}).checked == 8);
  CHECK_THROWS_WITH(autograd::check(f(3), {x}, {.leaves = {leaf}}), Catch::Contains("leaf 0 [4], entry 0"));
  CHECK(leaf->value.to_host() == before);
  CHECK_FALSE(leaf->touched);
}

TEST_CASE("an empty input is checked without an entry", "[autograd]") {
  const auto result = autograd::check([](Tape<double>&, const Inputs& in) { return ops::gelu(in[0]); },
                                      {Tensor<double>({0, 3}, test::test_device())});
  CHECK(result.passed);
  CHECK(result.checked == 0);
}

TEST_CASE("a variable used twice by one op gets both gradients", "[autograd]") {
  const auto x = normal<double>("x", {2, 5, 8});
  const auto weight = normal<double>("w", {8}), bias = normal<double>("b", {8});
  autograd::check([](Tape<double>&, const Inputs& in) { return ops::attention(in[0], in[0], in[0], 2); }, {x});
  autograd::check([](Tape<double>&, const Inputs& in) { return ops::add(in[0], in[0]); }, {x});
  autograd::check([](Tape<double>&, const Inputs& in) { return ops::dropout_add(in[0], in[0], {0.3f, {1, 2, 3}}); }, {x});
  autograd::check(
      [](Tape<double>&, const Inputs& in) {
        const auto y = ops::gelu(in[0]);
        return ops::residual_norm(y, y, Dropout{0.3f, {1, 2, 3}}, in[1], in[1]);
      },
      {x, weight});
  autograd::check([](Tape<double>&, const Inputs& in) { return ops::cosine_similarity(in[0], ops::scale(in[0], 2, 1)); }, {x});
  autograd::check([](Tape<double>&, const Inputs& in) { return ops::concat_rows(in[0], in[0]); }, {x});

  auto leaf = std::make_shared<Leaf<double>>();  // the same parameter in two places of one op
  leaf->value = weight;
  autograd::check(
      [leaf](Tape<double>& tape, const Inputs& in) { return ops::layer_norm(in[0], tape.leaf(leaf), tape.leaf(leaf)); }, {x},
      {.leaves = {leaf}});
}

TEST_CASE("gradients of a leaf add up over tapes until it is marked empty", "[autograd]") {
  auto leaf = std::make_shared<Leaf<double>>();
  leaf->value = normal<double>("leaf", {3});
  const auto once = [&] {
    Tape<double> tape;
    const auto y = ops::mean_square(tape.leaf(leaf));
    tape.backward(y);
    return leaf->grad.to_host();
  };
  const auto one = once(), two = once();
  for (std::size_t i = 0; i < 3; ++i) CHECK(two[i] == 2 * one[i]);
  leaf->touched = false;
  CHECK(once() == one);
  leaf->touched = false;
  leaf->frozen = true;
  Tape<double> tape;
  const auto y = ops::mean_square(tape.leaf(leaf));
  CHECK_FALSE(y.needs_grad());
  CHECK(tape.size() == 0);
}

TEST_CASE("the tape refuses what has no meaning", "[autograd]") {
  Tape<double> tape, other;
  const auto x = tape.input_with_grad(normal<double>("x", {2, 3}));
  const auto y = ops::gelu(x);
  CHECK_THROWS_AS(tape.backward(y), ShapeError);  // no scalar
  CHECK_THROWS_WITH(ops::add(x, other.input_with_grad(normal<double>("x", {2, 3}))), Catch::Contains("two tapes"));
  const auto loss = ops::mean_square(y);
  CHECK_THROWS_AS(other.backward(loss), Error);
  tape.backward(loss);
  CHECK_THROWS_WITH(tape.backward(loss), Catch::Contains("spent"));
  CHECK_THROWS_AS(other.grad(x), Error);
}

TEST_CASE("backward frees what ops kept, and inputs without influence get no gradient", "[autograd]") {
  Tape<double> tape;
  const auto x = tape.input_with_grad(normal<double>("x", {2, 3})), unused = tape.input_with_grad(normal<double>("u", {2}));
  const auto loss = ops::mean_square(ops::gelu(x));
  CHECK(tape.size() == 2);
  tape.backward(loss);
  CHECK(tape.size() == 0);
  CHECK(tape.grad(x).defined());
  CHECK_FALSE(tape.grad(unused).defined());
}

TEST_CASE("a gradient that two ops share is not overwritten", "[autograd]") {
  // reshape hands its buffer on; gelu of the same variable then adds to it
  autograd::check(
      [](Tape<double>&, const Inputs& in) {
        const auto flat = ops::reshape(in[0], {6}), again = ops::reshape(flat, {3, 2});
        return ops::add(ops::reshape(ops::gelu(again), {2, 3}), ops::add(in[0], ops::reshape(flat, {2, 3})));
      },
      {normal<double>("x", {2, 3})});
}

TEMPLATE_TEST_CASE("recomputation gives the same bits as keeping, dropout included", "[autograd]", float, double) {
  using T = TestType;
  for (const bool norm_first : {false, true}) {
    nn::EncoderLayer<T> layer({.width = 12,
                               .heads = 3,
                               .feed_forward = 20,
                               .dropout = 0.2,
                               .attention_dropout = 0.1,
                               .activation_dropout = 0.1,
                               .norm_first = norm_first});
    nn::init(layer, {.seed = 3, .device = test::test_device()});
    const Ctx ctx{.seed = 5, .step = 7, .training = true};
    for (const bool input_trains : {true, false}) {
      std::vector<std::vector<T>> results[2];
      for (const bool kept : {true, false}) {
        nn::zero_grad(layer);
        Tape<T> tape;
        const auto value = normal<T>("x", {2, 9, 12});
        const auto x = input_trains ? tape.input_with_grad(value) : tape.input(value);
        const auto run = [&](const Var<T>& v) { return layer.forward(ctx, v, {}); };
        const auto y = kept ? run(x) : recompute(x, run);
        const auto loss = ops::mean_square(ops::gelu(y));
        if (!kept) CHECK(tape.size() == 3);
        tape.backward(loss);
        auto& r = results[kept];
        r.push_back(y.value().to_host());
        if (input_trains) r.push_back(tape.grad(x).to_host());
        nn::for_each_parameter(layer, [&](const std::string& name, auto& p) {
          INFO(name);
          CHECK(p.has_grad());
          r.push_back(p.grad().to_host());
        });
      }
      CHECK(results[0] == results[1]);
    }
  }
}
