// Weights in the form that inference reads fastest.
#pragma once

#include <anylead/nn/module.hpp>

namespace anylead::nn {

/// Lets layers arrange their weights for inference, once for all calls, in their precision: products read packed weights,
/// weight norms are multiplied out. The plain weights are given back, so that memory stays what it was, but for transforms of
/// the positional convolution (39 MB of the base model's 363); such a module cannot be trained, copied to another device or
/// saved. Loading or initialising parameters undoes it. Results keep their bits.
template <Module M>
void prepare_inference(M& module) {
  detail::walk(
      module, "", [](const std::string&, auto&) {},
      [](auto& m) {
        if constexpr (requires { m.prepare_inference(); }) m.prepare_inference();
      });
}

}  // namespace anylead::nn
