// Sampled contrast of vectors in bf16 against the reference in double on the same rounded numbers.
#include <anylead/cuda/launchers.hpp>

#include "reference/contrastive.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Half;
using test::Whole;

namespace {

/// Negatives of the row's own segment, `segment` rows each; 0: of anywhere.
std::vector<Index32> draw(const ContrastDims& d, Index segment) {
  const RandomStream stream = {9, 0, site_key("negatives")};
  std::vector<Index32> negatives;
  for (Index r = 0; r < d.rows; ++r)
    for (Index n = 0; n < d.negatives; ++n) {
      const Index first = segment ? r / segment * segment : 0, end = segment ? std::min(first + segment, d.rows) : d.candidates;
      negatives.push_back(static_cast<Index32>(
          first + stream.below(static_cast<std::uint64_t>(r * d.negatives + n), static_cast<std::uint32_t>(end - first))));
    }
  return negatives;
}

template <class T>
Tensor<T> on_gpu(const std::vector<T>& host) {
  return Tensor<T>::from_host(host, {static_cast<Index>(host.size())}, cuda::device(0));
}

}  // namespace

TEST_CASE("sampled contrast in bf16 agrees with the reference to a hundredth, whatever the size", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  const double temperature = 0.1, eps = 1e-8;
  for (const auto& [dims, segment] : {std::pair{ContrastDims{0, 0, 4, 3}, Index{0}},
                                      {{1, 1, 1, 0}, 0},
                                      {{7, 7, 33, 15}, 0},
                                      {{31, 33, 64, 17}, 0},
                                      {{110, 110, 256, 100}, 55},
                                      {{9, 300, 300, 40}, 0},
                                      {{67, 401, 24, 131}, 0}})
    for (const bool coded : {false, true}) {
      const ContrastDims d = dims;
      INFO("R=" << d.rows << " candidates=" << d.candidates << " D=" << d.width << " N=" << d.negatives << " codes " << coded);
      const Half context("context", d.rows * d.width), target("target", d.candidates * d.width);
      const Whole dloss("dloss", 1), got_loss(1), got_logits(d.rows * (1 + d.negatives));
      const std::vector<Index32> negatives = draw(d, segment);
      std::vector<Index32> codes;
      for (Index i = 0; i < 2 * d.candidates; ++i) codes.push_back(static_cast<Index32>(i * i % 3));
      std::vector<double> loss(1), logits(d.rows * (1 + d.negatives));
      std::vector<Flag> correct(d.rows);
      reference::sampled_contrastive_forward({}, d, loss.data(), logits.data(), correct.data(), context.values(),
                                             target.values(), negatives.data(), coded ? codes.data() : nullptr, 2, temperature,
                                             eps);
      const Tensor<Index32> picks = on_gpu(negatives), code = on_gpu(codes);
      const Tensor<Flag> got_correct = on_gpu(std::vector<Flag>(correct.size(), 7));
      cuda_ops::sampled_contrastive_forward(exec, d, got_loss.data(), got_logits.data(), got_correct.data(), context.data(),
                                            target.data(), picks.data(), coded ? code.data() : nullptr, 2, float(temperature),
                                            float(eps));
      CHECK(got_loss.agrees(loss));
      const std::vector<double> kept = got_logits.read();
      for (std::size_t i = 0; i < kept.size(); ++i)  // products of bf16 are exact: what differs is the order of sums
        CHECK((kept[i] == logits[i] || std::abs(kept[i] - logits[i]) <= 1e-5));
      CHECK(got_correct.to_host() == correct);

      std::vector<double> dc(d.rows * d.width), dt(d.candidates * d.width);
      reference::sampled_contrastive_backward({}, d, reference::whole(dc), reference::whole(dt), dloss.values(), kept.data(),
                                              context.values(), target.values(), negatives.data(), temperature, eps);
      const Half got_dc(d.rows * d.width), got_dt(d.candidates * d.width), before("before", d.rows * d.width);
      const auto backward = [&](Grad<bf16> dcontext, Grad<bf16> dtarget) {
        cuda_ops::sampled_contrastive_backward(exec, d, dcontext, dtarget, dloss.data(), got_logits.data(), context.data(),
                                               target.data(), picks.data(), float(temperature), float(eps));
      };
      backward(got_dc.grad(), got_dt.grad());
      CHECK(got_dc.agrees(dc));
      CHECK(got_dt.agrees(dt));
      const std::vector<double> first = got_dt.read();
      backward({before.data(), GradMode::accumulate}, {});
      for (std::size_t i = 0; i < dc.size(); ++i) dc[i] += before.values()[i];
      CHECK(before.agrees(dc));
      backward({}, got_dt.grad());
      CHECK(got_dt.read() == first);
    }
}
