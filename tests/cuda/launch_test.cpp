// The CUDA device without layers in between: kernels reached through the table, from a .cpp.
#include <anylead/core/scalar_math.hpp>
#include <anylead/core/tensor.hpp>

#include "support/catch.hpp"
#include "support/devices.hpp"

using namespace anylead;

TEST_CASE("a .cpp reaches kernels through the table", "[cuda]") {
  const Device device = cuda::device(0);
  CHECK(str(device) == "cuda:0");
  CHECK(cuda::unavailable_reason().empty());
  const Index n = 1000;
  const Tensor<float> x({n}, device), y({n}, device);
  const auto& op = device.backend().ops<float>();
  op.fill(device.exec(), n, x.data(), 0.5f);
  op.scale(device.exec(), n, {x.data(), GradMode::overwrite}, x.data(), 3.f);
  op.gelu_forward(device.exec(), n, y.data(), x.data());
  for (const float v : y.to_host()) CHECK(v == Approx(gelu(1.5)).epsilon(1e-6));
}

TEST_CASE("on a GPU dropout draws the CPU's numbers, bit for bit", "[cuda]") {
  const Device gpu = cuda::device(0);
  for (const std::uint64_t step : {std::uint64_t{0}, std::uint64_t{77}, std::uint64_t{1} << 41})
    for (const Index n : {1, 63, 64, 65, 5003}) {
      const Dropout dropout = {0.3f, {0x123456789ABCDEFu, step, site_key("somewhere")}};
      const std::vector<float> ones(static_cast<std::size_t>(n), 1.f);
      std::vector<float> results[2];
      for (const Device& device : {cpu(), gpu}) {
        const auto a = Tensor<float>::from_host(ones, {n}, device);
        const Tensor<float> y({n}, device);
        device.backend().ops<float>().dropout_add_forward(device.exec(), n, y.data(), nullptr, a.data(), dropout);
        results[device == gpu] = y.to_host();
      }
      CHECK(results[0] == results[1]);
    }
}

TEST_CASE("on a GPU Gumbel numbers are the CPU's to the last place", "[cuda]") {
  const Device gpu = cuda::device(0);
  const Index n = 20011;
  const RandomStream stream = {5, 6, site_key("gumbel")};
  std::vector<float> results[2];
  for (const Device& device : {cpu(), gpu}) {
    const Tensor<float> y({n}, device);
    device.backend().ops<float>().gumbel_noise(device.exec(), n, y.data(), stream);
    results[device == gpu] = y.to_host();
  }
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    const float a = results[0][i], b = results[1][i];
    if (a != b && std::nextafter(a, b) != b) FAIL("number " << i << " is " << b << ", expected " << a);
  }
}
