// One call of one entry of the op table: its buffers, how it is called, what it costs. Tests on every device and benchmarks run
// the same list.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <anylead/core/device.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/text.hpp>

#include "support/poison.hpp"

namespace anylead::test {

/// One buffer of a call.
struct Slot {
  enum class Role {
    input,     ///< read
    kept,      ///< read; made by the forward pass, so that arbitrary values make no sense
    output,    ///< assigned in full
    changed,   ///< read and written
    scratch,   ///< written, of no interest
    gradient,  ///< skipped, assigned or added to by its mode
    on_host    ///< assigned, in host memory
  };
  enum class Type { real, flag, index };

  std::string name;
  Role role;
  Type type;
  Index count;
  std::vector<double> values;  ///< of input, kept and changed
  double scale = 0;            ///< natural size of results, where they may all be 0 or cancel
};

/// The buffers of a call on a device, by name.
template <Real T>
class Bound {
 public:
  struct Place {
    std::string name;
    void* data;
    GradMode mode;
  };
  explicit Bound(std::vector<Place> places) : places_(std::move(places)) {}

  T* real(std::string_view name) const { return static_cast<T*>(find(name).data); }
  Flag* flag(std::string_view name) const { return static_cast<Flag*>(find(name).data); }
  Index32* index(std::string_view name) const { return static_cast<Index32*>(find(name).data); }
  Grad<T> grad(std::string_view name) const { return {static_cast<T*>(find(name).data), find(name).mode}; }

  /// The buffer, or null where the case has none of that name.
  template <class V = T>
  V* optional(std::string_view name) const {
    for (const auto& p : places_)
      if (p.name == name) return static_cast<V*>(p.data);
    return nullptr;
  }
  Grad<T> optional_grad(std::string_view name) const {
    for (const auto& p : places_)
      if (p.name == name) return grad(name);
    return {};
  }

 private:
  const Place& find(std::string_view name) const {
    for (const auto& p : places_)
      if (p.name == name) return p;
    throw Error(str("the case has no buffer ", name));
  }

  std::vector<Place> places_;
};

/// A call. Build it with the functions of tests/cases/*.hpp.
class OpCase {
 public:
  OpCase(std::string op, std::string what) : op_(std::move(op)), what_(std::move(what)) {}

  // --- buffers ------------------------------------------------------------------------------------------------------------
  /// Normally distributed numbers, keyed by op, case and name.
  OpCase& normal(const std::string& name, Index n, double mean = 0, double deviation = 1) {
    std::vector<double> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = mean + deviation * stream(name).normal(i);
    return input(name, std::move(v));
  }
  OpCase& input(const std::string& name, std::vector<double> values) {
    return add(name, Slot::Role::input, Slot::Type::real, std::move(values));
  }
  OpCase& kept(const std::string& name, std::vector<double> values) {
    return add(name, Slot::Role::kept, Slot::Type::real, std::move(values));
  }
  OpCase& changed(const std::string& name, std::vector<double> values) {
    return add(name, Slot::Role::changed, Slot::Type::real, std::move(values));
  }
  OpCase& flags(const std::string& name, const std::vector<Flag>& v) {
    return add(name, Slot::Role::kept, Slot::Type::flag, {v.begin(), v.end()});
  }
  /// Ones with the given probability.
  OpCase& flags(const std::string& name, Index n, double probability) { return flags(name, draw_flags(name, n, probability)); }
  OpCase& indices(const std::string& name, const std::vector<Index32>& v) {
    return add(name, Slot::Role::kept, Slot::Type::index, {v.begin(), v.end()});
  }
  OpCase& output(const std::string& name, Index n, Slot::Type type = Slot::Type::real) {
    slots_.push_back({name, Slot::Role::output, type, n, {}});
    return *this;
  }
  OpCase& scratch(const std::string& name, Index n) {
    slots_.push_back({name, Slot::Role::scratch, Slot::Type::real, n, {}});
    return *this;
  }
  OpCase& gradient(const std::string& name, Index n) {
    slots_.push_back({name, Slot::Role::gradient, Slot::Type::real, n, {}});
    return *this;
  }
  OpCase& on_host(const std::string& name, Index n) {
    slots_.push_back({name, Slot::Role::on_host, Slot::Type::real, n, {}});
    return *this;
  }
  /// The natural size of the results in the last buffer.
  OpCase& of_size(double scale) {
    slots_.back().scale = scale;
    return *this;
  }
  /// The output may be the same memory as the input.
  OpCase& may_alias(const std::string& output, const std::string& input) {
    aliases_.emplace_back(output, input);
    return *this;
  }

  /// What has been added so far is fixed: in a backward pass values and what forward made of them belong together.
  OpCase& fixed() {
    for (auto& s : slots_)
      if (s.role == Slot::Role::input) s.role = Slot::Role::kept;
    return *this;
  }

  /// A NaN may spread to results that the plain sum would not reach: the op works on transformed sequences.
  OpCase& may_spread() {
    spreads_ = true;
    return *this;
  }

  // --- the call -----------------------------------------------------------------------------------------------------------
  /// f(const OpTable<T>&, const Exec&, const Bound<T>&) for float and double.
  template <class F>
  OpCase& runs(F f) {
    float_ = [f](const OpTable<float>& op, const Exec& e, const Bound<float>& b) { f(op, e, b); };
    double_ = [f](const OpTable<double>& op, const Exec& e, const Bound<double>& b) { f(op, e, b); };
    return *this;
  }

  /// Longest sum, for the tolerance; floating-point operations; bytes that must move once, per byte of a number.
  OpCase& costs(double terms, double flops, double numbers) {
    terms_ = terms;
    flops_ = flops;
    numbers_ = numbers;
    return *this;
  }

  template <Real T>
  void call(const OpTable<T>& op, const Exec& exec, const Bound<T>& bound) const {
    if constexpr (std::same_as<T, float>)
      float_(op, exec, bound);
    else
      double_(op, exec, bound);
  }

  const std::string& op() const { return op_; }
  const std::string& what() const { return what_; }
  const std::vector<Slot>& slots() const { return slots_; }
  std::vector<Slot>& slots() { return slots_; }
  const std::vector<std::pair<std::string, std::string>>& aliases() const { return aliases_; }
  bool spreads() const { return spreads_; }
  double terms() const { return terms_; }
  double flops() const { return flops_; }
  double bytes(std::size_t size_of_number) const { return numbers_ * static_cast<double>(size_of_number); }

  RandomStream stream(std::string_view name) const { return {42, 0, site_key(name, site_key(what_, site_key(op_)))}; }
  std::vector<Flag> draw_flags(std::string_view name, Index n, double probability) const {
    std::vector<Flag> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = double(stream(name).uniform(i)) < probability;
    return v;
  }
  /// Values of a buffer, for the forward pass that makes others.
  double* values(std::string_view name) {
    for (auto& s : slots_)
      if (s.name == name) return s.values.data();
    return nullptr;
  }

 private:
  OpCase& add(const std::string& name, Slot::Role role, Slot::Type type, std::vector<double> values) {
    const auto n = static_cast<Index>(values.size());
    slots_.push_back({name, role, type, n, std::move(values)});
    return *this;
  }

  std::string op_, what_;
  std::vector<Slot> slots_;
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::function<void(const OpTable<float>&, const Exec&, const Bound<float>&)> float_;
  std::function<void(const OpTable<double>&, const Exec&, const Bound<double>&)> double_;
  bool spreads_ = false;
  double terms_ = 1, flops_ = 0, numbers_ = 0;
};

}  // namespace anylead::test
