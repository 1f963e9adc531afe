// Positional convolutions of so many segments that tiles share a block's weights, against the CPU (tests/ops has the small
// ones, against the reference).
#include "cases/products.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

TEST_CASE("positional convolutions of many segments on a GPU agree with the CPU", "[cuda]") {
  // Batch, time, width, taps, groups: 5, 4 and 108 tiles of 160 frames, three a block.
  for (const Conv1dDims& d :
       {cases::positional(5, 40, 256, 5, 64), cases::positional(2, 170, 512, 66, 64), cases::positional(108, 3, 150, 4, 3)}) {
    INFO(cases::describe(d));
    std::vector<Tensor<float>> results[2];
    const Device gpu = cuda::device(0);
    for (const Device& device : {cpu(), gpu}) {
      const auto x = test::normal<float>("x", {d.batch, d.time, d.in}, 0, 1, device);
      const auto w = test::normal<float>("w", {d.out, d.in / d.groups, d.taps}, 0, 0.1, device);
      const auto b = test::normal<float>("b", {d.out}, 0, 1, device), dy = test::normal<float>("dy", x.shape(), 0, 1, device);
      const auto y = Tensor<float>::like(x), z = Tensor<float>::like(x), dz = Tensor<float>::like(x),
                 dx = Tensor<float>::like(x), dw = Tensor<float>::like(w), db = Tensor<float>::like(b);
      const auto to = [](const Tensor<float>& t) { return Grad<float>{t.data(), GradMode::overwrite}; };
      const auto& op = device.backend().ops<float>();
      op.conv_positional_forward(device.exec(), d, y.data(), z.data(), x.data(), w.data(), b.data());
      op.conv_positional_backward(device.exec(), d, to(dx), to(dw), to(db), dz.data(), dy.data(), x.data(), z.data(), w.data());
      results[device == gpu] = {y, z, dx, dw, db};
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) CHECK(test::distance(results[1][i], results[0][i]) < 2e-5);
  }
}
