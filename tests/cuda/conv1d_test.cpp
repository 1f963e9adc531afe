// Convolutions so large that they take large tiles, against the CPU (tests/ops has the small ones, against the reference).
#include <cmath>

#include "cases/products.hpp"
#include "reference/conv1d.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

TEST_CASE("large convolutions and blocks on a GPU agree with the CPU", "[cuda]") {
  // Batch, time, in, out, taps, stride, padding, groups: more than 108 tiles of 128 x 256 or 128 x 128, ends of tiles and
  // segments in all of them; the second has many inputs, for dx; the third has its GELU's gradient on the way. The others are
  // small first blocks, whose input needs no gradient.
  for (const Conv1dDims& d : {Conv1dDims{110, 260, 8, 200, 2, 2, 0, 1},
                              {60, 257, 200, 8, 2, 2, 0, 1},
                              {110, 255, 68, 132, 2, 2, 0, 1},
                              {20, 370, 140, 142, 3, 1, 1, 2},
                              {2, 521, 12, 131, 2, 2, 0, 1},
                              {3, 97, 3, 9, 5, 3, 0, 1},
                              {2, 131, 5, 140, 3, 2, 0, 1},
                              {3, 70, 31, 33, 1, 1, 0, 1}})
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group}) {
      INFO(cases::describe(d) << " norm " << static_cast<int>(norm));
      const bool normed = norm != BlockNorm::none;
      std::vector<Tensor<float>> results[2];
      const Device gpu = cuda::device(0);
      for (const Device& device : {cpu(), gpu}) {
        const auto x = test::normal<float>("x", {d.batch, d.time, d.in}, 2, 1, device);
        const auto w = test::normal<float>("w", {d.out, d.in / d.groups, d.taps}, 0, 0.1, device);
        const auto dy = test::normal<float>("dy", {d.batch, d.out_time(), d.out}, 0, 1, device);
        const auto nw = test::normal<float>("nw", {d.out}, 1, 0.1, device),
                   nb = test::normal<float>("nb", {d.out}, 0, 1, device);
        const auto y = Tensor<float>::like(dy), z = Tensor<float>::like(dy), dz = Tensor<float>::like(dy);
        const Tensor<float> mean({d.batch, d.out}, device), rstd({d.batch, d.out}, device);
        const auto dx = Tensor<float>::like(x), dw = Tensor<float>::like(w), dnw = Tensor<float>::like(nw),
                   dnb = Tensor<float>::like(nb), first_dw = Tensor<float>::like(w);
        const auto to = [](const Tensor<float>& t) { return Grad<float>{t.data(), GradMode::overwrite}; };
        const auto& op = device.backend().ops<float>();
        op.conv1d_norm_gelu_forward(device.exec(), d, norm, y.data(), z.data(), mean.data(), rstd.data(), x.data(), w.data(),
                                    nullptr, nw.data(), nb.data(), 1e-5f);
        op.conv1d_norm_gelu_backward(device.exec(), d, norm, to(dx), to(dw), {}, normed ? to(dnw) : Grad<float>{},
                                     normed ? to(dnb) : Grad<float>{}, dz.data(), dy.data(), x.data(), z.data(), w.data(),
                                     nw.data(), nb.data(), mean.data(), rstd.data());
        auto& own = results[device == gpu];
        op.conv1d_norm_gelu_backward(device.exec(), d, norm, {}, to(first_dw), {}, normed ? to(dnw) : Grad<float>{},
                                     normed ? to(dnb) : Grad<float>{}, dz.data(), dy.data(), x.data(), z.data(), w.data(),
                                     nw.data(), nb.data(), mean.data(), rstd.data());
        own = {y, z, dx, dw, first_dw};
        if (normed) own.insert(own.end(), {mean, rstd, dnw, dnb});
      }
      for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(test::distance(results[1][i], results[0][i]) < 2e-5);
    }
}

TEST_CASE("a first block on a GPU knows the spread of small differences between large, similar samples", "[cuda]") {
  const Conv1dDims d = {2, 601, 12, 40, 2, 2, 0, 1};
  const Device gpu = cuda::device(0);
  std::vector<float> x, w;  // slow waves on an offset, filters that subtract neighbours: the variance is 1e-8 of its terms
  for (Index i = 0; i < d.batch * d.time; ++i)
    for (Index c = 0; c < d.in; ++c) x.push_back(float(100 + std::sin(0.02 * double(i) + 0.4 * double(c))));
  for (Index i = 0; i < d.out * d.in; ++i) w.insert(w.end(), {float(1 + i % 5), -float(1 + i % 5)});
  const std::vector<float> ones(static_cast<std::size_t>(d.out), 1);
  const auto on_gpu = [&](const std::vector<float>& v) {
    return Tensor<float>::from_host(v, {static_cast<Index>(v.size())}, gpu);
  };
  const auto gx = on_gpu(x), gw = on_gpu(w), one = on_gpu(ones);
  const Tensor<float> y({d.batch, d.out_time(), d.out}, gpu), z = Tensor<float>::like(y), mean({d.batch, d.out}, gpu),
                                                              rstd = Tensor<float>::like(mean);
  gpu.backend().ops<float>().conv1d_norm_gelu_forward(gpu.exec(), d, BlockNorm::group, y.data(), z.data(), mean.data(),
                                                      rstd.data(), gx.data(), gw.data(), nullptr, one.data(), one.data(),
                                                      1e-12f);
  const std::vector<double> wide_x(x.begin(), x.end()), wide_w(w.begin(), w.end()), wide_one(ones.begin(), ones.end());
  std::vector<double> want_y(static_cast<std::size_t>(d.batch * d.out_time() * d.out)),
      want_z = want_y, want_mean(static_cast<std::size_t>(d.batch * d.out)), want_rstd = want_mean;
  reference::conv1d_norm_gelu_forward({}, d, BlockNorm::group, want_y.data(), want_z.data(), want_mean.data(), want_rstd.data(),
                                      wide_x.data(), wide_w.data(), nullptr, wide_one.data(), wide_one.data(), 1e-12);
  const std::vector<float> got_mean = mean.to_host(), got_rstd = rstd.to_host();
  for (std::size_t i = 0; i < want_rstd.size(); ++i) {
    CHECK(got_rstd[i] == Approx(want_rstd[i]).epsilon(1e-6));
    CHECK(got_mean[i] == Approx(want_mean[i]).margin(1e-6 / want_rstd[i]));
  }
}
