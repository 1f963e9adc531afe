// The first block from masked leads in one pass: the same as its parts, on the CPU.
#include <anylead/cuda/launchers.hpp>

#include "cases/products.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

namespace {

template <Real T>
void check(const Conv1dDims& d, BlockNorm norm, double probability) {
  INFO(cases::describe(d) << " norm " << static_cast<int>(norm) << " kept " << probability);
  const Device gpu = cuda::device(0);
  const bool normed = norm != BlockNorm::none;
  const Shape in = {d.batch, d.in, d.time}, turned = {d.batch, d.time, d.in}, out = {d.batch, d.out_time(), d.out};
  const Shape statistics = {d.batch, norm == BlockNorm::group ? d.out : d.out_time()};
  std::vector<Flag> keep(static_cast<std::size_t>(d.batch * d.in));
  const RandomStream stream = {3, 0, site_key("keep")};
  for (std::size_t i = 0; i < keep.size(); ++i) keep[i] = double(stream.uniform(i)) < probability;

  std::vector<Tensor<T>> results[2];
  for (const Device& device : {cpu(), gpu}) {
    const auto x = test::normal<T>("x", in, 5, 1, device), w = test::normal<T>("w", {d.out, d.in, d.taps}, 0, 0.3, device);
    const auto b = test::normal<T>("b", {d.out}, 0, 1, device), nw = test::normal<T>("nw", {d.out}, 1, 0.1, device);
    const auto nb = test::normal<T>("nb", {d.out}, 0, 1, device);
    const auto flags = Tensor<Flag>::from_host(keep, {d.batch, d.in}, device);
    const Tensor<T> y(out, device), z(out, device), masked(turned, device), mean(statistics, device), rstd(statistics, device);
    const auto& op = device.backend().ops<T>();
    if (device == gpu) {
      cuda_ops::lead_conv1d_norm_gelu_forward<T>(device.exec(), d, norm, y.data(), z.data(), masked.data(), mean.data(),
                                                 rstd.data(), x.data(), flags.data(), w.data(), b.data(), nw.data(), nb.data(),
                                                 T(1e-5));
    } else {
      op.lead_mask_forward(device.exec(), {d.batch, d.in, d.time}, masked.data(), x.data(), flags.data());
      op.conv1d_norm_gelu_forward(device.exec(), d, norm, y.data(), z.data(), mean.data(), rstd.data(), masked.data(), w.data(),
                                  b.data(), nw.data(), nb.data(), T(1e-5));
    }
    auto& own = results[device == gpu];
    own = {masked, z, y};
    if (normed) own.insert(own.end(), {mean, rstd});
  }
  if (d.batch == 0) return;
  CHECK(results[0][0].to_host() == results[1][0].to_host());
  const double bound = sizeof(T) == 4 ? 2e-5 : 1e-12;
  for (std::size_t i = 1; i < results[0].size(); ++i) CHECK(test::distance(results[1][i], results[0][i]) < bound);
}

}  // namespace

TEST_CASE("the first block from masked leads equals its parts", "[cuda]") {
  for (const Conv1dDims& d : {Conv1dDims{3, 200, 12, 256, 2, 2, 0, 1},
                              {2, 129, 12, 33, 2, 2, 0, 1},
                              {1, 70, 5, 130, 3, 2, 0, 1},
                              {2, 71, 3, 40, 5, 1, 0, 1},
                              {2, 150, 2, 24, 2, 5, 0, 1},
                              {1, 33, 12, 9, 3, 1, 1, 1},  // padding: by its parts
                              {1, 40, 12, 9, 4, 2, 0, 1},  // too many terms: by its parts
                              {0, 8, 12, 4, 2, 2, 0, 1}})
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer})
      for (const double probability : {0.5, 1.0}) {
        check<float>(d, norm, probability);
        check<double>(d, norm, probability);
      }
}

TEST_CASE("a masked lead is not read into the first convolution, whatever it holds", "[cuda]") {
  const Device gpu = cuda::device(0);
  const Conv1dDims d = {1, 10, 2, 3, 2, 2, 0, 1};
  std::vector<float> values(20, 1.f);
  for (int t = 0; t < 10; ++t) values[static_cast<std::size_t>(t)] = std::numeric_limits<float>::quiet_NaN();
  const auto x = test::tensor<float>(values, {1, 2, 10}, gpu),
             w = test::tensor<float>(std::vector<float>(12, 1.f), {3, 2, 2}, gpu);
  const auto keep = test::tensor<Flag>({0, 1}, {1, 2}, gpu), none = test::tensor<Flag>({0, 0}, {1, 2}, gpu);
  const Tensor<float> z({1, 5, 3}, gpu);
  float* const unwanted = nullptr;
  cuda_ops::lead_conv1d_product<float>(gpu.exec(), d, z.data(), unwanted, unwanted, unwanted, unwanted, x.data(), keep.data(),
                                       w.data(), nullptr);
  CHECK(z.to_host() == std::vector<float>(15, 2.f));
  cuda_ops::lead_conv1d_product<float>(gpu.exec(), d, z.data(), unwanted, unwanted, unwanted, unwanted, x.data(), none.data(),
                                       w.data(), nullptr);
  CHECK(z.to_host() == std::vector<float>(15, 0.f));
}
