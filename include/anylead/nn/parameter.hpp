// A trained tensor with its gradient.
#pragma once

#include <memory>

#include <anylead/autograd/tape.hpp>

namespace anylead::nn {

/// How a parameter starts. @see init.hpp
struct Init {
  enum class Kind { zeros, ones, normal, uniform, derived } kind = Kind::zeros;
  double a = 0, b = 0;  ///< normal: deviation a; uniform: from a to b

  static constexpr Init zeros() { return {Kind::zeros}; }
  static constexpr Init ones() { return {Kind::ones}; }
  static constexpr Init normal(double deviation) { return {Kind::normal, deviation}; }
  static constexpr Init uniform(double low, double high) { return {Kind::uniform, low, high}; }
  static constexpr Init derived() { return {Kind::derived}; }  ///< the module's after_init() sets it from other parameters
};

/// Handles to a value and its gradient. A copy of a parameter is a new one with the same value; constness is shallow. Its name
/// is not here: names come from the modules' visit. Without memory until nn::init() or nn::load() gives it some.
template <Real T>
class Parameter {
 public:
  Parameter() : Parameter(Shape{0}, Init::zeros()) {}
  Parameter(const Shape& shape, Init init) : shape_(shape), init_(init), leaf_(std::make_shared<Leaf<T>>()) {}
  Parameter(const Parameter& other) : shape_(other.shape_), init_(other.init_), leaf_(std::make_shared<Leaf<T>>()) {
    leaf_->value = other.leaf_->value.clone();
    leaf_->frozen = other.leaf_->frozen;
  }
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& other) { return *this = Parameter(other); }
  Parameter& operator=(Parameter&&) noexcept = default;

  const Shape& shape() const { return shape_; }
  Init init() const { return init_; }
  const std::shared_ptr<Leaf<T>>& leaf() const { return leaf_; }
  const Tensor<T>& value() const { return leaf_->value; }
  const Tensor<T>& grad() const { return leaf_->grad; }
  bool has_grad() const { return leaf_->touched; }

 private:
  Shape shape_;
  Init init_;
  std::shared_ptr<Leaf<T>> leaf_;
};

/// The parameter as a variable on the tape of x (a constant if x has none).
/// @throws Error if it was never initialised.
template <Real T>
Var<T> on(const Var<T>& x, const Parameter<T>& p) {
  ANYLEAD_CHECK(p.value().defined(), Error, "parameter",
                "used before nn::init() or a load, or after nn::prepare_inference(), shape ", p.shape());
  return x.tape() ? x.tape()->leaf(p.leaf()) : Var<T>(p.value());
}

}  // namespace anylead::nn
