// A tensor with a place on a tape.
#pragma once

#include <memory>
#include <utility>

#include <anylead/autograd/kept.hpp>

namespace anylead {

template <Real T>
class Tape;

/// A value and, if gradients are recorded, its tape and number there. Without a tape the same code is inference and keeps
/// nothing.
template <Real T>
class Var {
 public:
  Var() = default;
  Var(Tensor<T> value)
      : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor): a tensor is a value without history
  Var(Tensor<T> value, Tape<T>* tape, int id) : value_(std::move(value)), tape_(tape), id_(id) {}

  const Tensor<T>& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  Device device() const { return value_.device(); }
  T* data() const { return value_.data(); }
  bool defined() const { return value_.defined(); }

  Tape<T>* tape() const { return tape_; }
  int id() const { return id_; }
  bool needs_grad() const { return id_ >= 0; }

  /// The value for a record to keep.
  Kept<T> kept() const { return {value_, recipe_}; }

  /// Records keep the recipe instead of the value. It must give the same bits.
  Var with_recipe(std::function<Tensor<T>()> compute) const {
    Var y = *this;
    if (needs_grad()) y.recipe_ = std::make_shared<Recipe<T>>(Recipe<T>{std::move(compute)});
    return y;
  }

  /// The same value as a constant: no gradient flows through it.
  Var detached() const { return Var(value_, tape_, -1); }

 private:
  Tensor<T> value_;
  Tape<T>* tape_ = nullptr;
  int id_ = -1;
  std::shared_ptr<Recipe<T>> recipe_;
};

/// The value of a variable with one element. Waits for the device.
template <Real T>
T item(const Var<T>& x) {
  return item(x.value());
}

/// A value that outlives tapes, with the gradient that backward passes add to: what a parameter is made of.
template <Real T>
struct Leaf {
  Tensor<T> value;
  Tensor<T> grad;        ///< allocated at the first backward pass
  bool touched = false;  ///< grad holds a gradient; false: the next one overwrites it
  bool frozen = false;   ///< no gradient is wanted
};

}  // namespace anylead
