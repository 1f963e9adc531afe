// Gradients of all ops in double, through the tape, against central differences; and what ops promise beyond their formula.
#include <anylead/autograd/check.hpp>
#include <anylead/ops/ops.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using test::normal;
using test::tensor;
using Inputs = std::vector<Var<double>>;
using Values = std::vector<Tensor<double>>;

namespace {

const Dropout kDropout = {0.25f, {3, 1, site_key("dropout")}};

template <class F>
void check(F f, const Values& values) {
  CHECK(autograd::check([f](Tape<double>&, const Inputs& in) { return f(in); }, values).checked > 0);
}

}  // namespace

TEST_CASE("gradients of element-by-element ops are right", "[ops]") {
  const auto x = normal<double>("x", {3, 17}), a = normal<double>("a", {3, 17});
  check([](const Inputs& in) { return ops::gelu(in[0]); }, {x});
  check([](const Inputs& in) { return ops::dropout_add(in[0], in[1], kDropout); }, {x, a});
  check([](const Inputs& in) { return ops::dropout(in[0], kDropout); }, {x});
  check([](const Inputs& in) { return ops::add(in[0], in[1]); }, {x, a});
  check([](const Inputs& in) { return ops::scale(in[0], -2.5, 1.5); }, {x});
  check([](const Inputs& in) { return ops::mean_square(in[0]); }, {x});
  check([](const Inputs& in) { return ops::reshape(in[0], {17, 3}); }, {x});
  check([](const Inputs& in) { return ops::concat_rows(in[0], in[1]); }, {x, normal<double>("b", {2, 2, 17})});
  check(
      [](const Inputs& in) {
        return ops::weighted_sum<double>(
            {{2.0, ops::mean_square(in[0])}, {-0.5, ops::mean_square(in[1])}, {3.0, ops::mean_square(in[0])}});
      },
      {x, a});
}

TEST_CASE("scale_gradient keeps the value and scales the gradient; 0 stops it", "[ops]") {
  const auto x = normal<double>("x", {3, 5});
  const auto gradient = [&](double factor) {
    Tape<double> tape;
    const auto v = tape.input_with_grad(x);
    const auto y = ops::scale_gradient(v, factor);
    CHECK(y.value().to_host() == x.to_host());
    if (!y.needs_grad()) return std::vector<double>();
    tape.backward(ops::mean_square(y));
    return tape.grad(v).to_host();
  };
  const auto one = gradient(1), half = gradient(0.5);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(half[i] == one[i] / 2);
  CHECK(gradient(0).empty());
}

TEST_CASE("gradients of masks and row picks are right", "[ops]") {
  const auto keep = tensor<Flag>({1, 0, 1, 0, 0, 1}, {2, 3});
  check([&](const Inputs& in) { return ops::lead_mask(in[0], keep); }, {normal<double>("x", {2, 3, 5})});
  check([&](const Inputs& in) { return ops::lead_mask(in[0]); }, {normal<double>("x", {2, 3, 5})});
  const auto mask = tensor<Flag>({1, 0, 0, 1}, {2, 2});
  check([&](const Inputs& in) { return ops::mask_rows(in[0], mask, in[1]); },
        {normal<double>("x", {2, 2, 3}), normal<double>("row", {3})});
  check([&](const Inputs& in) { return ops::mask_rows(in[0], mask); }, {normal<double>("x", {2, 2, 3})});
  check(
      [&](const Inputs& in) {
        return ops::gather_rows(in[0], tensor<Index32>({3, 0}, {2}));
      },
      {normal<double>("x", {2, 2, 3})});
}

TEST_CASE("gradients of norms are right", "[ops]") {
  const auto x = normal<double>("x", {2, 3, 12}, 1), a = normal<double>("a", {2, 3, 12});
  const auto weight = normal<double>("w", {12}, 1), bias = normal<double>("b", {12});
  check([](const Inputs& in) { return ops::layer_norm(in[0], in[1], in[2]); }, {x, weight, bias});
  check([](const Inputs& in) { return ops::residual_norm(in[0], in[1], kDropout, in[2], in[3]); }, {x, a, weight, bias});
  for (const Index groups : {1, 3, 12})
    check([=](const Inputs& in) { return ops::group_norm(in[0], in[1], in[2], groups); }, {x, weight, bias});
  for (const int axis : {0, 1, 2})
    check([=](const Inputs& in) { return ops::weight_norm(in[0], in[1], axis); }, {x, normal<double>("g", {x.shape()[axis]})});
}

TEST_CASE("gradients of products are right", "[ops]") {
  const auto x = normal<double>("x", {2, 7, 6}), bias = normal<double>("b", {4});
  const auto weight = normal<double>("w", {4, 6});
  check([](const Inputs& in) { return ops::linear(in[0], in[1], in[2]); }, {x, weight, bias});
  check([](const Inputs& in) { return ops::linear(in[0], in[1]); }, {x, weight});
  check([](const Inputs& in) { return ops::gelu_linear(in[0], in[1], in[2]); }, {x, weight, bias});
  check([](const Inputs& in) { return ops::conv1d(in[0], in[1], in[2], {.stride = 2}); },
        {x, normal<double>("w", {4, 6, 2}), bias});
  check([](const Inputs& in) { return ops::conv1d(in[0], in[1], {}, {.stride = 2, .padding = 1, .groups = 2}); },
        {x, normal<double>("w", {4, 3, 3})});
  for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer})
    check(
        [=](const Inputs& in) {
          const bool normed = norm != BlockNorm::none;
          return ops::conv1d_norm_gelu(in[0], in[1], in[2], {.stride = 2}, norm, normed ? in[3] : Var<double>(),
                                       normed ? in[4] : Var<double>());
        },
        norm == BlockNorm::none
            ? Values{x, normal<double>("w", {4, 6, 2}), bias}
            : Values{x, normal<double>("w", {4, 6, 2}), bias, normal<double>("nw", {4}, 1), normal<double>("nb", {4})});
  const auto keep = tensor<Flag>({1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0}, {2, 6});
  const auto recording = normal<double>("x", {2, 6, 7});
  for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer}) {
    const bool normed = norm != BlockNorm::none;
    Values values = {normal<double>("w", {4, 6, 2}), bias};
    if (normed) values.insert(values.end(), {normal<double>("nw", {4}, 1), normal<double>("nb", {4})});
    const auto block = [=](const Var<double>& signal, const Inputs& in) {
      return ops::lead_conv1d_norm_gelu(signal, keep, in[0], in[1], {.stride = 2}, norm, normed ? in[2] : Var<double>(),
                                        normed ? in[3] : Var<double>());
    };
    check([=](const Inputs& in) { return block(Var<double>(recording), in); }, values);
    values.push_back(recording);  // with a gradient of the recording: by its parts
    check([=](const Inputs& in) { return block(in.back(), in); }, values);
  }
  for (const Index taps : {1, 4, 5, 16})
    check([](const Inputs& in) { return ops::conv_positional(in[0], in[1], in[2], 2); },
          {x, normal<double>("w", {6, 3, taps}), normal<double>("b", {6})});
}

TEST_CASE("gradients of attention are right", "[ops]") {
  const auto q = normal<double>("q", {2, 5, 6}), k = normal<double>("k", {2, 5, 6}), v = normal<double>("v", {2, 5, 6});
  const auto padding = tensor<Flag>({0, 0, 0, 1, 1, 0, 0, 0, 0, 0}, {2, 5});
  for (const Index heads : {1, 2, 6})
    for (const bool padded : {false, true})
      for (const Dropout& dropout : {Dropout{}, kDropout})
        check(
            [=](const Inputs& in) {
              return ops::attention(in[0], in[1], in[2], heads, padded ? padding : Tensor<Flag>(), dropout);
            },
            {q, k, v});
}

TEST_CASE("gradients of the parts of objectives are right", "[ops]") {
  const auto x = normal<double>("x", {2, 4, 5}, 0.5);
  const auto padding = tensor<Flag>({0, 0, 0, 1, 0, 0, 1, 1}, {2, 4});
  check([](const Inputs& in) { return ops::log_softmax(in[0]); }, {x});
  check([](const Inputs& in) { return ops::cosine_similarity(in[0], in[1]); }, {x, normal<double>("y", {3, 2, 4, 5})});
  for (const bool non_zero : {true, false}) {
    check([=](const Inputs& in) { return ops::mean_pool(in[0], padding, non_zero); }, {x});
    check([=](const Inputs& in) { return ops::mean_pool(in[0], {}, non_zero); }, {x});
  }
  const auto context = normal<double>("c", {4, 5}), target = normal<double>("t", {6, 5});
  const auto negatives = tensor<Index32>({1, 2, 5, 0, 4, 3, 3, 1, 0, 5, 4, 2}, {4, 3});
  check([=](const Inputs& in) { return ops::sampled_contrastive(in[0], in[1], negatives, {}, 0.5).loss; }, {context, target});
  const auto codes = tensor<Index32>({1, 2, 1, 2, 2, 2}, {6, 1});
  check([=](const Inputs& in) { return ops::sampled_contrastive(in[0], in[1], negatives, codes, 0.5).loss; },
        {context, target});
  const auto first = tensor<Index32>({0, 2, 4}, {3}), second = tensor<Index32>({1, 3}, {2}),
             id = tensor<Index32>({0, 0, 1, 1, 0}, {5});
  check([=](const Inputs& in) { return ops::pair_contrastive(in[0], first, second, id, 0.5, false); },
        {normal<double>("z", {5, 7})});
}

TEST_CASE("with a detached norm the pair loss is differentiated as if lengths were constants", "[ops]") {
  const auto z = normal<double>("z", {5, 7});
  const auto first = tensor<Index32>({0, 2, 4}, {3}), second = tensor<Index32>({1, 3}, {2}),
             id = tensor<Index32>({0, 0, 1, 1, 0}, {5});
  Tape<double> tape;
  const auto v = tape.input_with_grad(z);
  tape.backward(ops::pair_contrastive(v, first, second, id, 0.5, true));
  // the same loss of unit vectors, whose lengths do not matter to first order along the sphere; then divided by the length
  std::vector<double> unit = z.to_host(), length(5);
  for (std::size_t r = 0; r < 5; ++r) {
    for (std::size_t c = 0; c < 7; ++c) length[r] += unit[r * 7 + c] * unit[r * 7 + c];
    length[r] = std::sqrt(length[r]);
    for (std::size_t c = 0; c < 7; ++c) unit[r * 7 + c] /= length[r];
  }
  Tape<double> other;
  const auto u = other.input_with_grad(tensor(unit, {5, 7}));
  other.backward(ops::pair_contrastive(u, first, second, id, 0.5, true));
  std::vector<double> expected = other.grad(u).to_host();
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] /= length[i / 7];
  CHECK(test::distance(tape.grad(v).to_host(), expected) < 1e-13);
}

TEST_CASE("the quantiser is differentiated straight through, as its soft form", "[ops]") {
  const Index rows = 6, groups = 2, entries = 4, width = 3;
  const auto logits = normal<double>("l", {rows, groups * entries}), noise = normal<double>("n", {rows, groups * entries});
  const auto weights = normal<double>("dy", {rows, groups * width});
  for (const bool shared : {false, true}) {
    const auto vars = normal<double>("v", {(shared ? 1 : groups) * entries, width});
    const double tau = 1.5;
    Tape<double> tape;
    const auto l = tape.input_with_grad(logits), v = tape.input_with_grad(vars);
    const auto q = ops::gumbel_quantize(l, v, groups, noise, tau, shared);
    tape.backward({{q.vectors, weights}});
    // soft form: y = softmax((logits + noise) / tau) vars, differentiated by central differences
    const std::vector<double> w = weights.to_host(), book = vars.to_host(), n = noise.to_host();
    const auto soft = [&](const std::vector<double>& x) {
      double s = 0;
      for (Index r = 0; r < rows; ++r)
        for (Index g = 0; g < groups; ++g) {
          double total = 0;
          std::vector<double> p(entries);
          for (Index e = 0; e < entries; ++e) {
            const auto i = static_cast<std::size_t>((r * groups + g) * entries + e);
            total += p[static_cast<std::size_t>(e)] = std::exp((x[i] + n[i]) / tau);
          }
          for (Index e = 0; e < entries; ++e)
            for (Index c = 0; c < width; ++c)
              s += p[static_cast<std::size_t>(e)] / total *
                   book[static_cast<std::size_t>(((shared ? 0 : g * entries) + e) * width + c)] *
                   w[static_cast<std::size_t>((r * groups + g) * width + c)];
        }
      return s;
    };
    std::vector<double> x = logits.to_host(), expected(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double before = x[i];
      x[i] = before + 1e-5;
      const double above = soft(x);
      x[i] = before - 1e-5;
      expected[i] = (above - soft(x)) / 2e-5;
      x[i] = before;
    }
    CHECK(test::distance(tape.grad(l).to_host(), expected) < 1e-8);
    // the codebook and the perplexity have true derivatives
    check(
        [=](const Inputs& in) { return ops::gumbel_quantize(Var<double>(logits), in[0], groups, noise, tau, shared).vectors; },
        {vars});
    check(
        [=](const Inputs& in) {
          return ops::gumbel_quantize(in[0], Var<double>(vars), groups, noise, tau, shared).prob_perplexity;
        },
        {logits});
    // without noise nothing flows through the choice
    Tape<double> plain;
    const auto pl = plain.input_with_grad(logits);
    plain.backward({{ops::gumbel_quantize(pl, Var<double>(vars), groups, Tensor<double>(), tau, shared).vectors, weights}});
    for (const double d : plain.grad(pl).to_host()) CHECK(d == 0);
  }
}

TEST_CASE("a fused op equals the composition of its parts, forward and backward", "[ops]") {
  const auto equal = [](auto fused, auto composed, const Values& values) {
    std::vector<std::vector<double>> results[2];
    for (const bool is_fused : {true, false}) {
      Tape<double> tape;
      Inputs in;
      for (const auto& v : values) in.push_back(tape.input_with_grad(v));
      const Var<double> y = is_fused ? fused(in) : composed(in);
      tape.backward({{y, normal<double>("weights", y.shape())}});
      auto& r = results[is_fused];
      r.push_back(y.value().to_host());
      for (const auto& x : in) r.push_back(tape.grad(x).to_host());
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) {
      INFO("output 0, then gradients: " << i);
      double size = 0;
      for (const double v : results[0][i]) size = std::max(size, std::abs(v));
      // absolute below 1: the gradient of a bias in front of a group norm is 0, and rounding is all of it
      CHECK(test::distance(results[1][i], results[0][i]) * std::min(1.0, size) < 1e-12);
    }
  };
  const auto x = normal<double>("x", {3, 21, 12}), a = normal<double>("a", {3, 21, 12});
  const auto w = normal<double>("w", {12}, 1), b = normal<double>("b", {12});
  equal([](const Inputs& in) { return ops::residual_norm(in[0], in[1], kDropout, in[2], in[3]); },
        [](const Inputs& in) { return ops::layer_norm(ops::add(in[0], ops::dropout(in[1], kDropout)), in[2], in[3]); },
        {x, a, w, b});
  equal([](const Inputs& in) { return ops::gelu_linear(in[0], in[1], in[2]); },
        [](const Inputs& in) { return ops::linear(ops::gelu(in[0]), in[1], in[2]); },
        {x, normal<double>("m", {5, 12}), normal<double>("c", {5})});
  const Values block = {x, normal<double>("k", {16, 12, 2}), normal<double>("kb", {16}), normal<double>("nw", {16}, 1),
                        normal<double>("nb", {16})};
  const ops::Conv1dOptions stride2 = {.stride = 2};
  equal(
      [=](const Inputs& in) { return ops::conv1d_norm_gelu(in[0], in[1], in[2], stride2, BlockNorm::group, in[3], in[4]); },
      [=](const Inputs& in) { return ops::gelu(ops::group_norm(ops::conv1d(in[0], in[1], in[2], stride2), in[3], in[4], 16)); },
      block);
  equal([=](const Inputs& in) { return ops::conv1d_norm_gelu(in[0], in[1], in[2], stride2, BlockNorm::layer, in[3], in[4]); },
        [=](const Inputs& in) { return ops::gelu(ops::layer_norm(ops::conv1d(in[0], in[1], in[2], stride2), in[3], in[4])); },
        block);
  equal([=](const Inputs& in) { return ops::conv1d_norm_gelu(in[0], in[1], in[2], stride2, BlockNorm::none); },
        [=](const Inputs& in) { return ops::gelu(ops::conv1d(in[0], in[1], in[2], stride2)); }, {block[0], block[1], block[2]});
  const auto recording = normal<double>("recording", {3, 12, 21}, 3);
  const auto keep = tensor<Flag>(
      {1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {3, 12});
  for (const Tensor<Flag>& mask : {keep, Tensor<Flag>()})
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer}) {
      const bool normed = norm != BlockNorm::none;
      const auto none = Var<double>();
      equal(
          [=](const Inputs& in) {
            return ops::lead_conv1d_norm_gelu(Var<double>(recording), mask, in[0], in[1], stride2, norm, normed ? in[2] : none,
                                              normed ? in[3] : none);
          },
          [=](const Inputs& in) {
            return ops::conv1d_norm_gelu(ops::lead_mask(Var<double>(recording), mask), in[0], in[1], stride2, norm,
                                         normed ? in[2] : none, normed ? in[3] : none);
          },
          normed ? Values{block[1], block[2], block[3], block[4]} : Values{block[1], block[2]});
    }
  // an odd kernel needs no trimming; the even one is compared with the odd one whose last tap is 0
  equal([](const Inputs& in) { return ops::conv_positional(in[0], in[1], in[2], 3); },
        [](const Inputs& in) {
          return ops::add(in[0], ops::gelu(ops::conv1d(in[0], in[1], in[2], {.padding = 4, .groups = 3})));
        },
        {x, normal<double>("k", {12, 4, 9}), normal<double>("kb", {12})});
  std::vector<double> even = normal<double>("k", {12, 4, 8}).to_host(), odd(12 * 4 * 9);
  for (std::size_t i = 0; i < even.size(); ++i) odd[i / 8 * 9 + i % 8] = even[i];
  const auto y_even = ops::conv_positional(Var<double>(x), Var<double>(tensor(even, {12, 4, 8})), Var<double>(b), 3);
  const auto y_odd = ops::conv_positional(Var<double>(x), Var<double>(tensor(odd, {12, 4, 9})), Var<double>(b), 3);
  CHECK(test::distance(y_even.value(), y_odd.value()) < 1e-13);

  // contrast against gathered rows
  const Index rows = 5, n = 4, d = 6;
  std::vector<Index32> negatives;
  for (Index i = 0; i < rows * n; ++i) negatives.push_back(static_cast<Index32>((i / n + 1 + i % (rows - 1)) % rows));
  const auto picks = tensor(negatives, {rows, n});
  equal([=](const Inputs& in) { return ops::sampled_contrastive(in[0], in[1], picks, {}, 0.25).loss; },
        [=](const Inputs& in) {
          // candidates [1 + N, R, D], row by row: picks of one column are distinct rows
          Var<double> all = in[1];
          for (Index k = 0; k < n; ++k) {
            std::vector<Index32> column;
            for (Index r = 0; r < rows; ++r) column.push_back(negatives[static_cast<std::size_t>(r * n + k)]);
            all = ops::concat_rows(all, ops::gather_rows(in[1], tensor(column, {rows})));
          }
          const auto cosines = ops::cosine_similarity(in[0], ops::reshape(all, {1 + n, rows, d}));  // [1 + N, R]
          std::vector<double> t(static_cast<std::size_t>((1 + n) * (1 + n) * rows * rows));
          // [R, 1 + N] = the transpose, by a constant matrix; then -log softmax at column 0
          for (Index r = 0; r < rows; ++r)
            for (Index k = 0; k <= n; ++k) t[static_cast<std::size_t>((r * (1 + n) + k) * (1 + n) * rows + k * rows + r)] = 4;
          const auto logits = ops::reshape(
              ops::linear(ops::reshape(cosines, {1, (1 + n) * rows}), Var<double>(tensor(t, {(1 + n) * rows, (1 + n) * rows}))),
              {rows, 1 + n});
          std::vector<double> pick(static_cast<std::size_t>(rows * (1 + n)));
          for (Index r = 0; r < rows; ++r) pick[static_cast<std::size_t>(r * (1 + n))] = -1;
          return ops::reshape(ops::linear(ops::reshape(ops::log_softmax(logits), {1, rows * (1 + n)}),
                                          Var<double>(tensor(pick, {1, rows * (1 + n)}))),
                              Shape{});
        },
        {normal<double>("c", {rows, d}), normal<double>("t", {rows, d})});
}

TEST_CASE("a fused pair loss equals log-softmax over rows and columns", "[ops]") {
  const auto z = normal<double>("z", {5, 7});
  const std::vector<Index32> first = {0, 2, 4}, second = {1, 3}, id = {0, 0, 1, 1, 0};
  const auto loss = item(ops::pair_contrastive(Var<double>(z), tensor(first, {3}), tensor(second, {2}), tensor(id, {5}), 0.5));
  std::vector<double> s, transposed(6);
  for (const Index32 i : first)
    for (const Index32 j : second)
      s.push_back(2 * item(ops::cosine_similarity(ops::gather_rows(Var<double>(z), tensor<Index32>({i}, {1})),
                                                  ops::gather_rows(Var<double>(z), tensor<Index32>({j}, {1})))));
  for (std::size_t i = 0; i < 6; ++i) transposed[i % 2 * 3 + i / 2] = s[i];
  const auto rows = ops::log_softmax(Var<double>(tensor(s, {3, 2}))).value().to_host();
  const auto columns = ops::log_softmax(Var<double>(tensor(transposed, {2, 3}))).value().to_host();
  double expected = 0, positives = 0;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 2; ++j)
      if (id[static_cast<std::size_t>(first[i])] == id[static_cast<std::size_t>(second[j])]) {
        expected -= (rows[i * 2 + j] + columns[j * 3 + i]) / 2;
        positives += 1;
      }
  CHECK(loss == Approx(expected / positives).epsilon(1e-13));
}

TEST_CASE("NaN in a representation reaches every gradient it touches", "[ops]") {
  auto values = normal<double>("a", {3, 5}).to_host();
  values[7] = std::numeric_limits<double>::quiet_NaN();
  const auto gradient = [&](auto f) {
    Tape<double> tape;
    const auto a = tape.input_with_grad(tensor(values, {3, 5}));
    const Var<double> y = f(a);
    tape.backward({{y, normal<double>("dy", y.shape())}});
    return tape.grad(a).to_host();
  };
  const auto b = Var<double>(normal<double>("b", {3, 5}));
  const auto cosine = gradient([&](const Var<double>& a) { return ops::cosine_similarity(a, b); });
  for (std::size_t i = 5; i < 10; ++i) CHECK(std::isnan(cosine[i]));
  const auto contrast = gradient([&](const Var<double>& a) {
    return ops::sampled_contrastive(a, b, tensor<Index32>({1, 2, 0, 2, 0, 1}, {3, 2}), {}, 0.5).loss;
  });
  for (std::size_t i = 5; i < 10; ++i) CHECK(std::isnan(contrast[i]));
  const auto pair = gradient([&](const Var<double>& a) {
    return ops::pair_contrastive(a, tensor<Index32>({0, 1}, {2}), tensor<Index32>({2}, {1}), tensor<Index32>({0, 0, 0}, {3}),
                                 0.5);
  });
  for (std::size_t i = 5; i < 10; ++i) CHECK(std::isnan(pair[i]));
}

TEST_CASE("a masked lead is not read into the first block, whatever it holds", "[ops]") {
  std::vector<float> values(2 * 3 * 10, 1.f);
  const auto hide = [&](std::size_t from, std::size_t count) {
    std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(from * 10), count * 10, std::numeric_limits<float>::quiet_NaN());
  };
  hide(0, 1);
  hide(3, 3);
  const auto keep = tensor<Flag>({0, 1, 1, 0, 0, 0}, {2, 3});
  const auto recording = tensor(values, {2, 3, 10});
  for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer}) {
    const bool normed = norm != BlockNorm::none;
    Tape<float> tape;
    const auto w = tape.input_with_grad(normal<float>("w", {5, 3, 2})), nw = tape.input_with_grad(normal<float>("nw", {5})),
               nb = tape.input_with_grad(normal<float>("nb", {5}));
    const auto y = ops::lead_conv1d_norm_gelu(Var<float>(recording), keep, w, {}, {.stride = 2}, norm,
                                              normed ? nw : Var<float>(), normed ? nb : Var<float>());
    for (const float v : y.value().to_host()) CHECK(std::isfinite(v));
    tape.backward({{y, normal<float>("dy", y.shape())}});
    const auto dw = tape.grad(w).to_host();
    for (std::size_t i = 0; i < dw.size(); ++i) CHECK((i / 2 % 3 == 0 ? dw[i] == 0 : std::isfinite(dw[i])));
  }
}
