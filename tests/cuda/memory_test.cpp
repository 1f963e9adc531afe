// Memory of a GPU: copies through page-locked memory, pools of streams, steps that allocate nothing.
#include <cuda_runtime_api.h>

#include <numeric>
#include <thread>

#include <anylead/nn/init.hpp>
#include <anylead/nn/linear.hpp>
#include <anylead/ops/ops.hpp>
#include <anylead/optim/adam.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

TEST_CASE("copies of any size arrive, many in a row", "[cuda]") {
  const Device device = cuda::device(0);
  std::vector<Tensor<Index32>> tensors;
  const std::vector<Index> sizes = {0, 1,      15, 1000, 1 << 20, (3 << 20) + 5,
                                    7, 1 << 21};  // the last are larger than the staging
  for (const Index n : sizes) {
    std::vector<Index32> values(static_cast<std::size_t>(n));
    std::iota(values.begin(), values.end(), static_cast<Index32>(n));
    tensors.push_back(Tensor<Index32>::from_host(values, {n}, device));
    std::fill(values.begin(), values.end(), -1);  // the host's copy may change at once
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::vector<Index32> values = tensors[i].clone().to_host();
    REQUIRE(static_cast<Index>(values.size()) == sizes[i]);
    for (std::size_t k = 0; k < values.size(); k += 97)
      REQUIRE(values[k] == static_cast<Index32>(sizes[i]) + static_cast<Index32>(k));
  }
  const auto back = tensors[3].to(cpu());
  CHECK(back.device() == cpu());
  CHECK(back.to_host() == tensors[3].to_host());
}

TEST_CASE("streams of one device have memory of their own", "[cuda]") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  const Device own = cuda::device(0), other = cuda::device(0, stream);
  CHECK(own == other);
  CHECK(&memory_pool(own) == &memory_pool(cuda::device(0)));
  CHECK(&memory_pool(own) != &memory_pool(other));
  {
    const auto x = test::normal<float>("x", {100, 7}, 0, 1, other);
    CHECK(test::distance(ops::gelu(Var<float>(x)).value(), ops::gelu(Var<float>(x.to(cpu()))).value()) < 1e-6);
  }
  memory_pool(other).trim();
  CHECK(memory_pool(other).statistics().reserved == 0);
  REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("two threads may use one stream", "[cuda]") {
  const Device device = cuda::device(0);
  std::vector<double> sums(4);
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < sums.size(); ++w)
    workers.emplace_back([&, w] {
      for (int i = 0; i < 20; ++i) {
        const Tensor<float> x({3001}, device);
        device.backend().ops<float>().fill(device.exec(), x.count(), x.data(), float(w + 1));
        sums[w] += double(item(ops::mean_square(Var<float>(x))));
      }
    });
  for (auto& w : workers) w.join();
  for (std::size_t w = 0; w < sums.size(); ++w) CHECK(sums[w] == 20.0 * double((w + 1) * (w + 1)));
}

TEST_CASE("from the second step on a GPU allocates nothing, whatever optimisers take turns", "[cuda]") {
  const Device device = cuda::device(0);
  nn::Linear<float> first(33, 17), second(17, 5);
  nn::init(first, {.seed = 1, .device = device});
  nn::init(second, {.seed = 2, .device = device});
  optim::Adam<float> one(nn::parameters<float>(first), {}), two(nn::parameters<float>(second), {.clip_norm = 1});
  const auto x = test::normal<float>("x", {65, 33}, 0, 1, device);
  std::vector<float> losses;
  std::size_t allocations = 0;
  for (int step = 0; step < 6; ++step) {
    Tape<float> tape;
    const auto h = first.forward(tape.input(x));
    const auto loss = ops::mean_square(second.forward(h));
    tape.backward(loss);
    one.step(0.01);
    two.step(0.01);
    losses.push_back(item(loss));
    if (step == 1) allocations = memory_pool(device).statistics().allocations;
  }
  CHECK(memory_pool(device).statistics().allocations == allocations);
  for (std::size_t i = 1; i < losses.size(); ++i) CHECK(losses[i] < losses[i - 1]);
}
