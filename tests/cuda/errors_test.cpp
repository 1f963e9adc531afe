// What can go wrong with a GPU is reported as an exception, and the CPU goes on working. Hidden cases need an environment of
// their own (tests/CMakeLists.txt).
#include <cuda_runtime_api.h>

#include <anylead/ops/ops.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using Catch::Contains;

namespace {

void check_works(const Device& device) {
  const auto x = test::normal<float>("x", {3, 5}, 0, 1, device);
  CHECK(test::distance(ops::scale(Var<float>(x), 2).value(), ops::add(Var<float>(x), Var<float>(x)).value()) == 0);
}

}  // namespace

TEST_CASE("inputs on CPU and GPU are refused", "[cuda]") {
  const Var<float> here(test::normal<float>("x", {2, 3}, 0, 1, cpu())),
      there(test::normal<float>("x", {2, 3}, 0, 1, cuda::device(0)));
  CHECK_THROWS_WITH(ops::add(there, here), Contains("inputs on cuda:0 and cpu:0"));
}

TEST_CASE("a GPU that is not there is refused by its number", "[cuda]") {
  CHECK_THROWS_WITH(cuda::device(cuda::count()), Contains("there is no device " + std::to_string(cuda::count())));
  CHECK_THROWS_AS(cuda::device(-1), DeviceError);
  check_works(cuda::device(0));
}

TEST_CASE("more memory than a GPU has: the message tells what was asked, what is free and what is held", "[cuda]") {
  const Device device = cuda::device(0);
  const auto kept = test::normal<float>("x", {1000}, 0, 1, device);
  CHECK_THROWS_AS(Tensor<float>({Index{1} << 42}, device), DeviceError);
  CHECK_THROWS_WITH(Tensor<float>({Index{1} << 42}, device),
                    Contains("cuda:0: out of memory: asked for 17592186044416 bytes, free ") && Contains("tensors hold "));
  check_works(device);
  check_works(cpu());
}

TEST_CASE("an error that a call outside the library left behind is reported as such, once", "[cuda]") {
  const Device device = cuda::device(0);
  const auto x = test::normal<float>("x", {3}, 0, 1, device);
  REQUIRE(cudaSetDevice(cuda::count() + 7) != cudaSuccess);
  CHECK_THROWS_WITH(ops::gelu(Var<float>(x)), Contains("before gelu_forward 3") && Contains("an earlier call of this process"));
  check_works(device);
  check_works(cpu());
  REQUIRE(cudaSetDevice(cuda::count() + 7) != cudaSuccess);
  const auto w = Var<float>(test::normal<float>("w", {2, 3}, 0, 1, device));
  CHECK_THROWS_AS(ops::linear(w, w), DeviceError);  // reported by whichever call comes next
  CHECK(ops::linear(w, w).shape() == Shape({2, 2}));
}

TEST_CASE("memory that lies free in other sizes is found", "[.small_memory]") {
  const Device device = cuda::device(0);
  std::size_t available = 0, total = 0;
  REQUIRE(cudaMemGetInfo(&available, &total) == cudaSuccess);
  REQUIRE(total <= std::size_t{1} << 30);
  const auto bytes = static_cast<Index>(available);
  { const Tensor<Flag> most({bytes * 5 / 10}, device); }
  { const Tensor<Flag> more({bytes * 7 / 10}, device); }
  CHECK_THROWS_WITH(Tensor<Flag>({bytes * 2}, device), Contains("out of memory") && Contains("tensors hold 0 bytes"));
  check_works(device);
}

TEST_CASE("without a driver there is no GPU, with the reason, and the CPU works", "[.no_driver]") {
  CHECK_FALSE(cuda::available());
  CHECK(cuda::count() == 0);
  CHECK_FALSE(cuda::unavailable_reason().empty());
  CHECK_THROWS_WITH(cuda::device(0), Contains("cuda: no device: " + cuda::unavailable_reason()));
  check_works(cpu());
}

TEST_CASE("a GPU that the kernels were not built for is refused with both architectures", "[.old_device]") {
  CHECK_THROWS_WITH(cuda::device(0), Contains("the kernels are built for sm_80") && Contains("the device is sm_75"));
  check_works(cpu());
}

TEST_CASE("with ANYLEAD_SYNC=1 a failing kernel is named with its sizes, and the CPU goes on", "[.sync]") {
  const Device device = cuda::device(0);
  const auto& op = device.backend().ops<float>();
  CHECK_THROWS_WITH(op.mask_rows_forward(device.exec(), {7, 33}, nullptr, nullptr, nullptr, nullptr),
                    Contains("mask_rows_forward [7, 33], 1 x 1 x 1 blocks of 32 x 8 threads: an illegal memory access"));
  CHECK_THROWS_AS(test::normal<float>("x", {3}, 0, 1, device), DeviceError);  // the device is lost to this process
  check_works(cpu());
}
