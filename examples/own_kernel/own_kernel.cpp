// An op with kernels of one's own: recorded on the tape like any other, its gradient checked in double on the GPU.
#include <cstdio>
#include <string_view>

#include <anylead/anylead.hpp>
#include <anylead/autograd/check.hpp>
#include <anylead/cuda.hpp>

#include "soft_clip.hpp"

using namespace anylead;

// [op]
/// y = limit tanh(x / limit), of any shape, on a GPU. Keeps x.
template <Real T>
Var<T> soft_clip(const Var<T>& x, T limit) {
  ANYLEAD_CHECK(std::string_view(x.device().backend().name) == "cuda", NotImplemented, "soft_clip", "not implemented on ",
                x.device());
  Tensor<T> y = Tensor<T>::like(x.value());
  own::soft_clip_forward(x.device().exec(), y.count(), y.data(), x.data(), limit);
  return record(std::move(y), {&x}, [x = x.value(), limit](Gradients<T>& g) {
    own::soft_clip_backward(x.device().exec(), x.count(), g[0], g.out(), x.data(), limit);
  });
}
// [/op]

int main() {
  if (!cuda::available()) {
    std::printf("no GPU: %s\n", cuda::unavailable_reason().c_str());
    return 77;  // to ctest: skipped
  }
  const Device gpu = cuda::device(0);

  // [check]
  const auto x = Tensor<double>::from_host({-3, -0.5, 0, 0.1, 0.7, 12}, {2, 3}, gpu);
  const auto result = autograd::check(
      [](Tape<double>&, const std::vector<Var<double>>& in) {
        return ops::add(in[0], soft_clip(in[0], 1.5));  // x is used twice: one gradient is added to the other
      },
      {x});
  // [/check]
  std::printf("%lld gradients agree with differences, largest error %.1e\n", static_cast<long long>(result.checked),
              result.largest_error);

  nn::Linear<float> layer(12, 4);
  nn::init(layer, {.seed = 1, .device = gpu});
  Tape<float> tape;
  const auto signal = Tensor<float>::from_host(std::vector<float>(12 * 5, 2.f), {5, 12}, gpu);
  const auto loss = ops::mean_square(layer.forward(soft_clip(tape.input(signal), 1.5f)));
  tape.backward(loss);
  std::printf("loss of a layer behind it: %.4f on %s\n", double(item(loss)), str(gpu).c_str());
}
