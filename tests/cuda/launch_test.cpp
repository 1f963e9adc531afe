// The CUDA device without tensors in between: kernels reached through the table, from a .cpp.
#include <numeric>

#include <anylead/core/scalar_math.hpp>
#include <anylead/core/tensor.hpp>

#include "support/catch.hpp"
#include "support/devices.hpp"

using namespace anylead;

TEST_CASE("a .cpp reaches kernels through the table", "[cuda]") {
  const Device device = cuda::device(0);
  CHECK(str(device) == "cuda:0");
  CHECK(cuda::available());
  CHECK(cuda::unavailable_reason().empty());
  const Index n = 1000;
  const Tensor<float> x({n}, device), y({n}, device);
  const auto& op = device.backend().ops<float>();
  op.fill(device.exec(), n, x.data(), 0.5f);
  op.scale(device.exec(), n, {x.data(), GradMode::overwrite}, x.data(), 3.f);
  op.gelu_forward(device.exec(), n, y.data(), x.data());
  for (const float v : y.to_host()) CHECK(v == Approx(gelu(1.5)).epsilon(1e-6));
}
