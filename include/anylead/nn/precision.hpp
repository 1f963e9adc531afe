// How the products of layers multiply.
#pragma once

#include <anylead/nn/module.hpp>

namespace anylead::nn {

/// Sets the precision of all products of a module, forward and backward: a property of a run, not of the model. Parameters,
/// their gradients, sums, norms and losses stay float. @throws OptionError for bf16 products of double
template <Module M>
void set_precision(M& module, Precision precision) {
  detail::walk(
      module, "",
      [&]<Real T>(const std::string&, Parameter<T>&) {
        ANYLEAD_CHECK(precision == Precision::full || sizeof(T) == 4, OptionError, "set_precision",
                      "bf16 is for products of float");
      },
      [&](auto& m) {
        if constexpr (requires { m.set_precision(precision); }) m.set_precision(precision);
      });
}

}  // namespace anylead::nn
