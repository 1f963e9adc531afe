// Contrast of pairs in bf16 against the reference in double on the same rounded numbers.
#include <anylead/cuda/launchers.hpp>

#include "reference/contrastive.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Half;
using test::Whole;

namespace {

Tensor<Index32> on_gpu(const std::vector<Index32>& host) {
  return Tensor<Index32>::from_host(host, {static_cast<Index>(host.size())}, cuda::device(0));
}

}  // namespace

TEST_CASE("pair contrast in bf16 agrees with the reference to a hundredth, whatever the size", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  const double temperature = 0.1, eps = 1e-8;
  for (const PairDims& d :
       {PairDims{0, 4, 0, 0}, {1, 3, 1, 0}, {9, 17, 3, 2}, {63, 65, 32, 31}, {140, 264, 66, 70}, {401, 32, 201, 200}})
    for (const bool detached : {true, false}) {
      INFO("R=" << d.rows << " E=" << d.width << " n=" << d.first << " m=" << d.second << " detached " << detached);
      const Half z("z", d.rows * d.width);
      std::vector<Index32> first, second, id;
      for (Index r = 0; r < d.rows; ++r) {
        if (r % 2 == 0 && static_cast<Index>(first.size()) < d.first)
          first.push_back(static_cast<Index32>(r));
        else if (static_cast<Index>(second.size()) < d.second)
          second.push_back(static_cast<Index32>(r));
        id.push_back(static_cast<Index32>(r / 2 % 70));
      }
      const Tensor<Index32> gpu_first = on_gpu(first), gpu_second = on_gpu(second), gpu_id = on_gpu(id);
      const Index all = d.first + d.second, count = d.rows * d.width;
      std::vector<double> loss(1), lines(2 * all), dz(count);
      reference::pair_contrastive_forward({}, d, loss.data(), lines.data(), z.values(), first.data(), second.data(), id.data(),
                                          temperature, eps);
      const Whole dloss("dloss", 1), got_loss(1), got_lines(2 * all);
      cuda_ops::pair_contrastive_forward(exec, d, got_loss.data(), got_lines.data(), z.data(), gpu_first.data(),
                                         gpu_second.data(), gpu_id.data(), float(temperature), float(eps));
      CHECK(got_loss.agrees(loss));
      const std::vector<double> kept = got_lines.read();
      for (std::size_t i = 0; i < kept.size(); ++i) CHECK((kept[i] == lines[i] || std::abs(kept[i] - lines[i]) <= 1e-4));

      reference::pair_contrastive_backward({}, d, detached, reference::whole(dz), dloss.values(), kept.data(), z.values(),
                                           first.data(), second.data(), id.data(), temperature, eps);
      const Half got(count), before("before", count);
      const auto backward = [&](Grad<bf16> to) {
        cuda_ops::pair_contrastive_backward(exec, d, detached, to, dloss.data(), got_lines.data(), z.data(), gpu_first.data(),
                                            gpu_second.data(), gpu_id.data(), float(temperature), float(eps));
      };
      backward(got.grad());
      CHECK(got.agrees(dz));
      const std::vector<double> once = got.read();
      backward(got.grad());
      CHECK(got.read() == once);
      backward({before.data(), GradMode::accumulate});
      for (std::size_t i = 0; i < dz.size(); ++i) dz[i] += before.values()[i];
      CHECK(before.agrees(dz));
    }
}

TEST_CASE("pair contrast of thousands of pairs works strip by strip", "[cuda]") {
  // more rows of the second set than a strip has room for with all of the first; few numbers each, so that a simulator keeps up
  const Index n = 900, m = 8000, width = 8;
  const PairDims d = {n + m, width, n, m};
  const Exec exec = cuda::device(0).exec();
  std::vector<Index32> first, second, id;
  for (Index r = 0; r < n + m; ++r) {
    (r < n ? first : second).push_back(static_cast<Index32>(r));
    id.push_back(static_cast<Index32>(r < n ? r : r - n));
  }
  const Tensor<Index32> gpu_first = on_gpu(first), gpu_second = on_gpu(second), gpu_id = on_gpu(id);
  const Half z("z", d.rows * width), got(d.rows * width);
  const Whole dloss("dloss", 1), got_loss(1), got_lines(2 * (n + m));
  std::vector<double> loss(1), lines(2 * (n + m)), dz(d.rows * width);
  reference::pair_contrastive_forward({}, d, loss.data(), lines.data(), z.values(), first.data(), second.data(), id.data(), 0.5,
                                      1e-8);
  reference::pair_contrastive_backward({}, d, false, reference::whole(dz), dloss.values(), lines.data(), z.values(),
                                       first.data(), second.data(), id.data(), 0.5, 1e-8);
  cuda_ops::pair_contrastive_forward(exec, d, got_loss.data(), got_lines.data(), z.data(), gpu_first.data(), gpu_second.data(),
                                     gpu_id.data(), 0.5f, 1e-8f);
  CHECK(got_loss.agrees(loss));
  cuda_ops::pair_contrastive_backward(exec, d, false, got.grad(), dloss.data(), got_lines.data(), z.data(), gpu_first.data(),
                                      gpu_second.data(), gpu_id.data(), 0.5f, 1e-8f);
  CHECK(got.agrees(dz));
}
