// Are gradients right? Central differences against the tape, for the library's ops and for a user's own.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <anylead/autograd/tape.hpp>
#include <anylead/core/random.hpp>

namespace anylead::autograd {

struct CheckOptions {
  double step = 1e-5;                                      ///< of the differences, times max(1, |x|)
  double tolerance = 1e-7;                                 ///< on the error, in units of the largest gradient of the same input
  Index entries = 0;                                       ///< per input, randomly chosen; 0: all
  std::uint64_t seed = 1;                                  ///< of the choice, and of the weights of an output that is no scalar
  bool throws = true;                                      ///< report the first bad entry by an exception
  std::vector<std::shared_ptr<Leaf<double>>> leaves = {};  ///< parameters that f uses, checked as further inputs
};

struct CheckResult {
  bool passed = true;
  double largest_error = 0;  ///< |tape - differences| over the largest gradient of its input
  Index checked = 0;         ///< entries looked at
  std::string message;       ///< the first bad entry; empty if there is none
};

/// Compares the gradients that the tape gives for y = f(tape, inputs) with (s(x + h) - s(x - h)) / 2h, where s = sum of w y
/// with fixed random weights w (s = y for a scalar).
///
///   const auto result = autograd::check(
///       [](Tape<double>& tape, const std::vector<Var<double>>& in) { return my_op(in[0], in[1]); }, {x, weight});
///
/// f: (Tape<double>&, const std::vector<Var<double>>&) -> Var<double> of any shape; it runs many times and must give the same
/// each time (random numbers keyed, as everywhere). inputs: their values; they are not changed. options.leaves: their
/// gradients are empty afterwards. An entry is bad if tape and differences are further apart
/// than tolerance times the largest gradient of its input plus what rounding of s explains, or if one of them is not finite.
/// Functions with kinks (an argmax) have no derivative there: choose inputs away from them.
/// @throws Error naming the first bad entry, both values and the error, unless options.throws is off
template <class F>
CheckResult check(F f, const std::vector<Tensor<double>>& inputs, const CheckOptions& options = {}) {
  const auto& leaves = options.leaves;
  std::vector<Tensor<double>> values;  // what is varied: copies of the inputs, the leaves themselves
  for (const auto& x : inputs) values.push_back(x.clone());
  for (const auto& leaf : leaves) values.push_back(leaf->value);

  const RandomStream stream = {options.seed, 0, site_key("autograd::check")};
  // s, and the sum of its absolute terms: the size that rounding errors have
  const auto weigh = [&](const Tensor<double>& y, double* absolute) {
    const std::vector<double> v = y.to_host();
    double sum = 0, size = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double term = v.size() == 1 ? v[i] : v[i] * stream.normal(i);
      sum += term;
      size += std::abs(term);
    }
    if (absolute) *absolute = size;
    return sum;
  };
  const auto evaluate = [&] {
    Tape<double> tape;
    std::vector<Var<double>> in;
    for (std::size_t i = 0; i < inputs.size(); ++i) in.push_back(tape.input(values[i]));
    return weigh(f(tape, in).value(), nullptr);
  };

  std::vector<std::vector<double>> gradients;
  double size = 0;
  {
    for (const auto& leaf : leaves) leaf->touched = false;
    Tape<double> tape;
    std::vector<Var<double>> in;
    for (std::size_t i = 0; i < inputs.size(); ++i) in.push_back(tape.input_with_grad(values[i]));
    const Var<double> y = f(tape, in);
    weigh(y.value(), &size);
    std::vector<double> w(static_cast<std::size_t>(y.value().count()), 1);
    for (std::size_t i = 0; i < w.size() && w.size() > 1; ++i) w[i] = stream.normal(i);
    tape.backward({{y, Tensor<double>::from_host(w, y.shape(), y.device())}});
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool own = i < inputs.size();
      const Leaf<double>* leaf = own ? nullptr : leaves[i - inputs.size()].get();
      const Tensor<double> g = own ? tape.grad(in[i]) : leaf->touched ? leaf->grad : Tensor<double>();
      gradients.push_back(g.defined() ? g.to_host() : std::vector<double>(static_cast<std::size_t>(values[i].count())));
    }
    for (const auto& leaf : leaves) leaf->touched = false;
  }

  CheckResult result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::vector<double> before = values[i].to_host();
    double scale = std::numeric_limits<double>::min();
    for (const double g : gradients[i]) scale = std::isfinite(g) ? std::max(scale, std::abs(g)) : scale;
    const auto count = static_cast<Index>(before.size());
    const bool all = options.entries == 0 || options.entries >= count;
    for (Index n = 0; n < (all ? count : options.entries); ++n) {
      const auto key = (static_cast<std::uint64_t>(i) << 32) + static_cast<std::uint64_t>(n);
      const auto k = static_cast<std::size_t>(all ? n : stream.below(key, static_cast<std::uint32_t>(count)));
      const double h = options.step * std::max(1.0, std::abs(before[k]));
      std::vector<double> moved = before;
      moved[k] = before[k] + h;
      values[i].assign(moved);
      const double above = evaluate();
      moved[k] = before[k] - h;
      values[i].assign(moved);
      const double slope = (above - evaluate()) / (2 * h);
      values[i].assign(before);
      const double error = std::abs(slope - gradients[i][k]);
      const double rounding = 4 * std::numeric_limits<double>::epsilon() * size / h;
      ++result.checked;
      if (error > rounding) result.largest_error = std::max(result.largest_error, error / scale);
      if (!(error <= options.tolerance * scale + rounding) && result.passed) {
        result.passed = false;
        result.message = str(i < inputs.size() ? "input " : "leaf ", i < inputs.size() ? i : i - inputs.size(), " ",
                             values[i].shape(), ", entry ", k, ": the tape gives ", gradients[i][k], ", differences give ",
                             slope, "; the largest gradient is ", scale);
      }
    }
  }
  ANYLEAD_CHECK(result.passed || !options.throws, Error, "autograd::check", result.message);
  return result;
}

}  // namespace anylead::autograd
