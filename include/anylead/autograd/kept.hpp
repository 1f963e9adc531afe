// What ops keep of their inputs for backward.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <anylead/core/tensor.hpp>

namespace anylead {

/// How to compute a value again that nobody kept, and that value from its first use in backward on.
template <Real T>
struct Recipe {
  std::function<Tensor<T>()> compute;
  Tensor<T> value = {};
};

/// A value that a record keeps: the tensor itself, or a recipe that costs less than its memory. Records that share a recipe
/// share what it gave, which is released with the last of them.
template <Real T>
class Kept {
 public:
  Kept(Tensor<T> value, std::shared_ptr<Recipe<T>> recipe) : recipe_(std::move(recipe)) {
    if (!recipe_) value_ = std::move(value);
  }

  const Tensor<T>& value() const {
    if (!recipe_) return value_;
    if (!recipe_->value.defined()) recipe_->value = recipe_->compute();
    return recipe_->value;
  }

 private:
  Tensor<T> value_;
  std::shared_ptr<Recipe<T>> recipe_;
};

}  // namespace anylead
