// A project of its own that uses an installed anylead: one layer, one step of gradient descent.
#include <cstdio>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>

int main() {
  using namespace anylead;
  nn::Linear<float> layer(3, 1);
  nn::init(layer, {.seed = 7, .device = cpu()});
  optim::Adam<float> adam(nn::parameters<float>(layer), {});
  const auto x = Tensor<float>::from_host({1, 2, 3, 4, 5, 6}, {2, 3}, cpu());

  float first = 0, last = 0;
  for (int step = 1; step <= 20; ++step) {
    Tape<float> tape;
    const auto loss = ops::mean_square(layer.forward(tape.input(x)));
    tape.backward(loss);
    adam.step(0.05);
    last = item(loss);
    if (step == 1) first = last;
  }
  std::printf("anylead: the loss went from %.4f to %.4f\n", double(first), double(last));
  return last < first ? 0 : 1;
}
