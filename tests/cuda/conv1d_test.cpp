// Convolutions so large that they take large tiles, against the CPU (tests/ops has the small ones, against the reference).
#include "cases/products.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

TEST_CASE("large convolutions and blocks on a GPU agree with the CPU", "[cuda]") {
  // Batch, time, in, out, taps, stride, padding, groups: more than 108 tiles of 128 x 256 or 128 x 128, ends of tiles and
  // segments in all of them; the second has many inputs, for dx. The others are small first blocks, whose input needs no
  // gradient.
  for (const Conv1dDims& d : {Conv1dDims{110, 260, 8, 200, 2, 2, 0, 1},
                              {60, 257, 200, 8, 2, 2, 0, 1},
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
