// Ops refuse what does not fit, by name and with the shapes.
#include <anylead/ops/ops.hpp>

#include "reference/device.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using Catch::Contains;
using test::tensor;

namespace {

Var<float> v(const Shape& shape) { return Var<float>(test::normal<float>("v", shape)); }

}  // namespace

TEST_CASE("ops name what does not fit", "[ops]") {
  CHECK_THROWS_WITH(ops::linear(v({2, 3}), v({4, 5})),
                    Contains("linear: weight [4, 5] does not fit x [2, 3]: expected [out, 3]"));
  CHECK_THROWS_WITH(ops::linear(v({2, 3}), v({4, 3}), v({3})), Contains("bias [3], expected [4]"));
  CHECK_THROWS_WITH(ops::linear(v({}), v({4, 3})), Contains("linear"));
  CHECK_THROWS_WITH(ops::conv1d(v({2, 9, 8}), v({4, 12, 2})), Contains("expects 12 input channels, x [2, 9, 8] has 8"));
  CHECK_THROWS_WITH(ops::conv1d(v({2, 2, 3}), v({4, 3, 5})), Contains("5 taps on 2 frames"));
  CHECK_THROWS_AS(ops::conv1d(v({2, 9, 8}), v({4, 8, 2}), {}, {.stride = 0}), ShapeError);
  CHECK_THROWS_AS(ops::conv1d(v({2, 9, 8}), v({4, 8, 2}), {}, {.groups = 3}), ShapeError);
  CHECK_THROWS_AS(ops::conv1d(v({9, 8}), v({4, 8, 2})), ShapeError);
  CHECK_THROWS_WITH(ops::conv1d_norm_gelu(v({2, 9, 8}), v({4, 8, 2}), {}, {}, BlockNorm::group), Contains("norm weight"));
  CHECK_THROWS_WITH(ops::conv_positional(v({2, 9, 8}), v({4, 8, 2}), v({4}), 1), Contains("as many channels as x"));
  CHECK_THROWS_WITH(ops::layer_norm(v({2, 3}), v({2}), v({3})), Contains("layer_norm: weight [2]"));
  CHECK_THROWS_AS(ops::layer_norm(v({}), v({1}), v({1})), ShapeError);
  CHECK_THROWS_WITH(ops::residual_norm(v({2, 3}), v({3, 3}), Dropout{}, v({3}), v({3})), Contains("a [3, 3]"));
  CHECK_THROWS_WITH(ops::group_norm(v({2, 5, 9}), v({9}), v({9}), 2), Contains("9 channels in 2 groups"));
  CHECK_THROWS_AS(ops::weight_norm(v({2, 3}), v({2}), 1), ShapeError);
  CHECK_THROWS_AS(ops::weight_norm(v({2, 3}), v({2}), 2), ShapeError);
  CHECK_THROWS_WITH(ops::attention(v({2, 3, 8}), v({2, 3, 8}), v({2, 3, 8}), 3), Contains("width 8 in 3 heads"));
  CHECK_THROWS_AS(ops::attention(v({2, 3, 8}), v({2, 4, 8}), v({2, 3, 8}), 2), ShapeError);
  CHECK_THROWS_WITH(ops::attention(v({2, 3, 8}), v({2, 3, 8}), v({2, 3, 8}), 2, tensor<Flag>({0, 1}, {2})),
                    Contains("padding [2]"));
  CHECK_THROWS_AS(ops::dropout_add(v({2, 3}), v({3, 2}), Dropout{}), ShapeError);
  CHECK_THROWS_AS(ops::lead_mask(v({2, 3})), ShapeError);
  CHECK_THROWS_AS(ops::lead_mask(v({2, 3, 4}), tensor<Flag>({1, 1}, {2})), ShapeError);
  const auto first_block = [](const Shape& x, const Tensor<Flag>& keep, const Shape& weight) {
    return ops::lead_conv1d_norm_gelu(v(x), keep, v(weight), {}, {.stride = 2}, BlockNorm::none);
  };
  CHECK_THROWS_WITH(first_block({2, 8}, {}, {4, 8, 2}), Contains("expected a recording [B, C, T], found [2, 8]"));
  CHECK_THROWS_WITH(first_block({2, 8, 9}, tensor<Flag>({1, 1}, {2}), {4, 8, 2}), Contains("keep [2] for x [2, 8, 9]"));
  CHECK_THROWS_WITH(first_block({2, 8, 9}, {}, {4, 12, 2}), Contains("lead_conv1d_norm_gelu: weight [4, 12, 2] expects 12"));
  CHECK_THROWS_WITH(first_block({2, 8, 1}, {}, {4, 8, 2}), Contains("2 taps on 1 frames"));
  CHECK_THROWS_WITH(ops::lead_conv1d_norm_gelu(v({2, 8, 9}), {}, v({4, 8, 2}), {}, {}, BlockNorm::group),
                    Contains("norm weight"));
  CHECK_THROWS_AS(ops::mask_rows(v({2, 3}), tensor<Flag>({1}, {1})), ShapeError);
  CHECK_THROWS_AS(ops::mask_rows(v({2, 3}), tensor<Flag>({1, 0}, {2}), v({4})), ShapeError);
  CHECK_THROWS_AS(ops::concat_rows(v({2, 3}), v({2, 4})), ShapeError);
  CHECK_THROWS_AS(ops::cosine_similarity(v({2, 3}), v({3, 3})), ShapeError);
  CHECK_THROWS_AS(ops::reshape(v({2, 3}), {7}), ShapeError);
  CHECK_THROWS_AS(ops::weighted_sum<float>({}), ShapeError);
  CHECK_THROWS_AS(ops::weighted_sum<float>({{1, v({2})}}), ShapeError);
  CHECK_THROWS_AS(ops::mean_pool(v({2, 3})), ShapeError);
  CHECK_THROWS_AS(ops::gumbel_quantize(v({2, 6}), v({5, 3}), 2, Tensor<float>(), 1), ShapeError);
  CHECK_THROWS_AS(ops::gumbel_quantize(v({2, 6}), v({6, 3}), 2, test::normal<float>("n", {5}), 1), ShapeError);
  CHECK_THROWS_AS(ops::gumbel_quantize(v({2, 6}), v({6, 3}), 2, Tensor<float>(), 0), OptionError);
  CHECK_THROWS_AS(ops::sampled_contrastive(v({3, 4}), v({2, 4}), tensor<Index32>({0, 0, 0}, {3, 1}), {}), ShapeError);
  CHECK_THROWS_AS(ops::sampled_contrastive(v({2, 4}), v({2, 4}), tensor<Index32>({0, 0, 0}, {3, 1}), {}), ShapeError);
  CHECK_THROWS_AS(
      ops::pair_contrastive(v({2, 4}), tensor<Index32>({0}, {1}), tensor<Index32>({1}, {1}), tensor<Index32>({0}, {1})),
      ShapeError);
  CHECK_THROWS_WITH(
      ops::pair_contrastive(v({2, 4}), tensor<Index32>({0, 1}, {2}), tensor<Index32>({1}, {1}), tensor<Index32>({0, 0}, {2})),
      Contains("2 and 1 rows out of 2: one is there twice"));
}

TEST_CASE("rank-0 inputs of row-wise ops are refused, not read", "[ops]") {
  CHECK_THROWS_AS(ops::log_softmax(v({})), ShapeError);
  CHECK_THROWS_AS(ops::mask_rows(v({}), tensor<Flag>({1}, {1})), ShapeError);
  CHECK_THROWS_AS(ops::gather_rows(v({}), tensor<Index32>({0}, {1})), ShapeError);
  CHECK_THROWS_AS(ops::cosine_similarity(v({}), v({})), ShapeError);
  CHECK_THROWS_AS(ops::concat_rows(v({}), v({})), ShapeError);
  CHECK_THROWS_AS(ops::gumbel_quantize(v({}), v({1, 3}), 1, Tensor<float>(), 1), ShapeError);
  CHECK_THROWS_AS(ops::sampled_contrastive(v({}), v({}), tensor<Index32>({0}, {1, 1}), {}), ShapeError);
}

TEST_CASE("inputs on two devices, and ops that a device lacks, are reported", "[ops]") {
  const Var<double> here(test::normal<double>("x", {2, 3}, 0, 1, cpu())),
      there(test::normal<double>("x", {2, 3}, 0, 1, reference::device()));
  CHECK_THROWS_WITH(ops::add(here, there), Contains("inputs on cpu:0 and reference:0"));
  const Var<float> single(test::normal<float>("x", {2, 3}, 0, 1, reference::device()));
  CHECK_THROWS_AS(ops::gelu(single), NotImplemented);
  CHECK_THROWS_WITH(ops::gelu(single), Contains("gelu: not implemented on reference:0"));
}

TEST_CASE("without a tape the same code keeps nothing", "[ops]") {
  const auto y = ops::layer_norm(ops::gelu(v({2, 3})), v({3}), v({3}));
  CHECK(y.tape() == nullptr);
  CHECK_FALSE(y.needs_grad());
}
