// Activation recomputation: memory for time.
#pragma once

#include <utility>

#include <anylead/autograd/tape.hpp>

namespace anylead {

/// y = f(x), keeping only x: backward runs f again and differentiates that. Exact to the last bit, since random numbers are
/// keyed (nn::Ctx) and not drawn from a state. f: Var -> Var, with parameters of its own; it must not touch other variables of
/// the tape.
template <Real T, class F>
Var<T> recompute(const Var<T>& x, F f) {
  if (!x.tape()) return f(x);
  Tape<T>* outer = x.tape();
  // Without a tape the pass keeps nothing. The record is entered even if x itself wants no gradient: parameters inside may.
  Tensor<T> y = f(Var<T>(x.value())).value();
  const Var<T> anchor = x.needs_grad() ? x : outer->input_with_grad(x.value());
  return record(std::move(y), {&anchor}, [f = std::move(f), value = x.value(), wanted = x.needs_grad()](Gradients<T>& g) {
    Tape<T> inner;
    const Var<T> input = wanted ? inner.input_with_grad(value) : inner.input(value);
    const Var<T> output = f(input);
    const Tensor<T> seed = g.out_tensor();
    inner.backward({{output, seed}});
    if (wanted) g.add(0, inner.grad(input));
  });
}

}  // namespace anylead
