// Tensors, a tape, one gradient.
#include <cstdio>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>

using namespace anylead;

int main() {
  // [tape]
  const Device device = cpu();
  const auto x = Tensor<float>::from_host({1, 2, 3, 4, 5, 6}, {2, 3}, device);  // two rows of three values
  const auto w = Tensor<float>::from_host({0.5f, -1, 2}, {1, 3}, device);

  Tape<float> tape;
  const Var<float> weight = tape.input_with_grad(w);
  const Var<float> y = ops::linear(tape.input(x), weight, Var<float>());  // [2, 1] = x w^T
  const Var<float> loss = ops::mean_square(y);                            // (y0^2 + y1^2) / 2
  tape.backward(loss);
  // [/tape]

  std::printf("loss %g\n", double(item(loss)));
  for (const float g : tape.grad(weight).to_host()) std::printf("d loss / d w: %g\n", double(g));
}
