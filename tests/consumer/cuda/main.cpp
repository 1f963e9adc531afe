// One layer trained on a GPU, or on the CPU where there is none.
#include <cstdio>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/cuda.hpp>

int main() {
  using namespace anylead;
  // [device]
  const Device device = cuda::available() ? cuda::device(0) : cpu();
  // [/device]
  if (!cuda::available()) std::printf("no GPU: %s\n", cuda::unavailable_reason().c_str());
  nn::Linear<float> layer(3, 1);
  nn::init(layer, {.seed = 7, .device = device});
  optim::Adam<float> adam(nn::parameters<float>(layer), {});
  const auto x = Tensor<float>::from_host({1, 2, 3, 4, 5, 6}, {2, 3}, device);

  float first = 0, last = 0;
  for (int step = 1; step <= 20; ++step) {
    Tape<float> tape;
    const auto loss = ops::mean_square(layer.forward(tape.input(x)));
    tape.backward(loss);
    adam.step(0.05);
    last = item(loss);
    if (step == 1) first = last;
  }
  std::printf("anylead on %s: the loss went from %.4f to %.4f\n", str(device).c_str(), double(first), double(last));
  return last < first ? 0 : 1;
}
