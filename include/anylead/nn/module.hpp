// What makes a class a module, and what follows from it.
//
// A module is an ordinary value type with one static member
//
//   template <class Self, class F> static void visit(Self& self, F&& f) { f("weight", self.weight_); f("norm", self.norm_); }
//
// that names its parameters and parts. An empty name gives a part the names of its owner.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <anylead/nn/parameter.hpp>

namespace anylead::nn {

template <class M>
concept Module = requires(M& m) {
  M::visit(m, [](std::string_view, auto&) {});
};

namespace detail {

template <class>
inline constexpr bool kIsParameter = false;
template <Real T>
inline constexpr bool kIsParameter<Parameter<T>> = true;

template <class M, class OnParameter, class OnModule>
void walk(M& module, const std::string& prefix, OnParameter&& on_parameter, OnModule&& on_module) {
  M::visit(module, [&](std::string_view name, auto& part) {
    const std::string path = name.empty() ? prefix : prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
    if constexpr (kIsParameter<std::remove_cvref_t<decltype(part)>>)
      on_parameter(path, part);
    else
      walk(part, path, on_parameter, on_module);
  });
  on_module(module);
}

}  // namespace detail

/// Calls f(name, parameter) for all parameters, in the order of visit; names are those of the reference's state dict.
template <Module M, class F>
void for_each_parameter(M& module, F&& f) {
  detail::walk(module, "", f, [](auto&) {});
}

/// A parameter and its name.
template <Real T>
struct Named {
  std::string name;
  std::shared_ptr<Leaf<T>> leaf;
};

/// Handles to all parameters.
template <Real T, Module M>
std::vector<Named<T>> parameters(M& module) {
  std::vector<Named<T>> all;
  for_each_parameter(module, [&](const std::string& name, Parameter<T>& p) { all.push_back({name, p.leaf()}); });
  return all;
}

/// Number of trained values.
template <Module M>
Index parameter_count(M& module) {
  Index n = 0;
  for_each_parameter(module, [&](const std::string&, auto& p) { n += p.shape().count(); });
  return n;
}

/// Marks all gradients as empty: the next backward pass overwrites them.
template <Module M>
void zero_grad(M& module) {
  for_each_parameter(module, [](const std::string&, auto& p) { p.leaf()->touched = false; });
}

/// No gradients for parameters whose name starts with the prefix ("" : all), or gradients again.
template <Module M>
void freeze(M& module, std::string_view prefix, bool frozen = true) {
  for_each_parameter(module, [&](const std::string& name, auto& p) {
    if (std::string_view(name).starts_with(prefix)) p.leaf()->frozen = frozen;
  });
}

/// Moves all values to a device; gradients are dropped. Build optimisers afterwards.
template <Module M>
void move_to(M& module, const Device& device) {
  for_each_parameter(module, [&](const std::string&, auto& p) {
    p.leaf()->value = p.value().to(device);
    p.leaf()->grad = {};
    p.leaf()->touched = false;
  });
}

}  // namespace anylead::nn
