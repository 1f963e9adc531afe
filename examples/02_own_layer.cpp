// A layer of one's own: an ordinary class whose visit() names its parameters; its gradients are checked in double.
#include <cstdio>

#include <anylead/anylead.hpp>
#include <anylead/autograd/check.hpp>
#include <anylead/cpu.hpp>

using namespace anylead;

// [layer]
/// y = x + W2 gelu(W1 x + b1) + b2.
template <Real T>
class Residual {
 public:
  Residual(Index width, Index hidden) : in_(width, hidden), out_(hidden, width) {}

  /// x: [..., width] -> [..., width].
  Var<T> forward(const Var<T>& x) const { return ops::add(x, out_.forward_gelu(in_.forward(x))); }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("in", self.in_);
    f("out", self.out_);
  }

 private:
  nn::Linear<T> in_, out_;
};
// [/layer]

int main() {
  // [check]
  Residual<double> layer(4, 8);
  nn::init(layer, {.seed = 1, .device = cpu()});
  nn::for_each_parameter(
      layer, [](const std::string& name, const auto& p) { std::printf("%-10s %s\n", name.c_str(), str(p.shape()).c_str()); });

  autograd::CheckOptions options;  // the parameters are checked like the input
  for (const auto& p : nn::parameters<double>(layer)) options.leaves.push_back(p.leaf);
  const auto x = Tensor<double>::from_host({0.1, -0.2, 0.3, 0.4, 1.5, -0.6, 0.7, 0.8}, {2, 4}, cpu());
  const auto result =
      autograd::check([&](Tape<double>&, const std::vector<Var<double>>& in) { return layer.forward(in[0]); }, {x}, options);
  // [/check]
  std::printf("%lld gradients agree with differences, largest error %.1e\n", static_cast<long long>(result.checked),
              result.largest_error);
}
