// Ops neither wait nor allocate once their sizes are known, so that a CUDA graph can record them.
#include <cuda_runtime_api.h>

#include <anylead/autograd/tape.hpp>
#include <anylead/ops/ops.hpp>

#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;

TEST_CASE("a forward and backward pass is recorded by a CUDA graph and replayed with other inputs", "[cuda]") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  const Device device = cuda::device(0, stream);
  const auto weight = test::normal<float>("w", {17, 33}, 0, 1, device), scale = test::normal<float>("s", {17}, 1, 1, device),
             bias = test::normal<float>("b", {17}, 0, 1, device);
  const auto x = test::normal<float>("x", {65, 33}, 0, 1, device), other = test::normal<float>("other", {65, 33}, 0, 1, device);
  Tensor<float> loss, gradient;
  const auto pass = [&] {
    Tape<float> tape;
    const auto w = tape.input_with_grad(weight);
    const auto h = ops::linear(tape.input(x), w, Var<float>(bias));
    const auto y = ops::gelu(ops::layer_norm(ops::dropout(h, Dropout{0.25f, {1, 2, 3}}), Var<float>(scale), Var<float>(bias)));
    const auto total = ops::mean_square(y);
    tape.backward(total);
    loss = total.value();
    gradient = tape.grad(w);
  };

  pass();  // takes its memory and makes its plans
  const std::vector<float> first = gradient.to_host();
  loss = gradient = {};
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  pass();
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  cudaGraphExec_t steps = nullptr;
  REQUIRE(cudaGraphInstantiate(&steps, graph, 0) == cudaSuccess);
  REQUIRE(cudaGraphLaunch(steps, stream) == cudaSuccess);
  CHECK(gradient.to_host() == first);

  x.assign(other.to_host());
  REQUIRE(cudaGraphLaunch(steps, stream) == cudaSuccess);
  const std::vector<float> replayed = gradient.to_host();
  CHECK(replayed != first);
  pass();
  CHECK(gradient.to_host() == replayed);
  REQUIRE(cudaGraphExecDestroy(steps) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
}
