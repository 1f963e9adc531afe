// Products in bf16 against the same products in float, forward and backward, on the device under test.
#include <functional>

#include <anylead/ops/ops.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using test::normal;

namespace {

using Inputs = std::vector<Var<float>>;

/// The result and all gradients of `op` agree between the precisions to a hundredth, and show that factors were rounded.
void check(const std::function<Var<float>(const Inputs&, Precision)>& op, const std::vector<Tensor<float>>& values) {
  std::vector<std::vector<float>> of[2];
  for (const Precision precision : {Precision::full, Precision::bf16}) {
    Tape<float> tape;
    Inputs in;
    for (const auto& v : values) in.push_back(tape.input_with_grad(v));
    const Var<float> y = op(in, precision);
    tape.backward({{y, normal<float>("dy", y.shape())}});
    auto& got = of[precision == Precision::bf16];
    got.push_back(y.value().to_host());
    for (const auto& v : in) got.push_back(tape.grad(v).to_host());
  }
  double most = 0;
  for (std::size_t i = 0; i < of[0].size(); ++i) {
    const double distance = test::distance(of[1][i], of[0][i]);
    INFO((i == 0 ? "the result" : str("gradient ", i - 1)));
    CHECK(distance <= 1e-2);
    most = std::max(most, distance);
  }
  CHECK(most > 1e-4);
}

}  // namespace

TEST_CASE("attention multiplies in bf16 where it is told to", "[ops]") {
  const Shape shape = {2, 33, 24};
  check([](const Inputs& in, Precision p) { return ops::attention(in[0], in[1], in[2], 3, {}, {}, p); },
        {normal<float>("q", shape), normal<float>("k", shape), normal<float>("v", shape)});
}

TEST_CASE("convolutions multiply in bf16 where they are told to", "[ops]") {
  const auto x = normal<float>("x", {2, 31, 16}), w = normal<float>("w", {24, 8, 3}, 0, 0.2), b = normal<float>("b", {24}),
             scale = normal<float>("scale", {24}, 1, 0.2), shift = normal<float>("shift", {24});
  const auto options = [](Precision p) { return ops::Conv1dOptions{.stride = 2, .padding = 1, .groups = 2, .precision = p}; };
  check([=](const Inputs& in, Precision p) { return ops::conv1d(in[0], in[1], in[2], options(p)); }, {x, w, b});
  check([=](const Inputs& in,
            Precision p) { return ops::conv1d_norm_gelu(in[0], in[1], {}, options(p), BlockNorm::group, in[2], in[3]); },
        {x, w, scale, shift});
}

TEST_CASE("the positional convolution multiplies in bf16 where it is told to", "[ops]") {
  // few taps: by sums on every device
  check([](const Inputs& in, Precision p) { return ops::conv_positional(in[0], in[1], in[2], 2, p); },
        {normal<float>("x", {2, 33, 16}), normal<float>("w", {16, 8, 4}, 0, 0.2), normal<float>("b", {16})});
}

TEST_CASE("the first block out of recorded leads is not rounded, whatever it is told", "[ops]") {
  const Var<float> x(normal<float>("x", {2, 12, 31})), w(normal<float>("w", {16, 12, 2}, 0, 0.2)),
      scale(normal<float>("scale", {16}, 1, 0.2)), shift(normal<float>("shift", {16}));
  const auto block = [&](Precision p) {
    return ops::lead_conv1d_norm_gelu(x, {}, w, {}, {.stride = 2, .precision = p}, BlockNorm::group, scale, shift)
        .value()
        .to_host();
  };
  CHECK(block(Precision::bf16) == block(Precision::full));
}
