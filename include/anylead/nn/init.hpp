// Initial values.
#pragma once

#include <cmath>
#include <vector>

#include <anylead/core/parallel.hpp>
#include <anylead/core/random.hpp>
#include <anylead/nn/module.hpp>

namespace anylead::nn {

struct InitOptions {
  std::uint64_t seed = 1;
  Device device;
};

/// Gives every parameter memory on the device and its initial value. Values depend on the seed and the parameter's name alone,
/// so a model with one layer more has the same values in the others.
template <Module M>
void init(M& module, const InitOptions& options) {
  detail::walk(
      module, "",
      [&]<Real T>(const std::string& name, Parameter<T>& p) {
        const RandomStream stream = {options.seed, 0, site_key(name, site_key("init"))};
        std::vector<T> values(static_cast<std::size_t>(p.shape().count()), p.init().kind == Init::Kind::ones ? T(1) : T(0));
        parallel_for(p.shape().count(), 1 << 12, [&](Index begin, Index end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            if (p.init().kind == Init::Kind::normal) values[i] = static_cast<T>(p.init().a * stream.normal(i));
            if (p.init().kind == Init::Kind::uniform) values[i] = static_cast<T>(stream.uniform(i, p.init().a, p.init().b));
          }
        });
        p.leaf()->value = Tensor<T>::from_host(values, p.shape(), options.device);
        p.leaf()->grad = {};
        p.leaf()->touched = false;
      },
      [](auto& m) {
        if constexpr (requires { m.after_init(); }) m.after_init();
      });
}

}  // namespace anylead::nn
