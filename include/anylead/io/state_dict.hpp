// Parameters of modules as named arrays.
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/io/array.hpp>
#include <anylead/nn/module.hpp>

namespace anylead::io {

/// All parameters under their names, copied to the host.
/// @throws Error if one has no value: never initialised, or given up by nn::prepare_inference()
template <nn::Module M>
Arrays state_dict(M& module) {
  Arrays arrays;
  nn::for_each_parameter(module, [&]<Real T>(const std::string& name, nn::Parameter<T>& p) {
    ANYLEAD_CHECK(p.value().defined(), Error, "state_dict", name,
                  " has no value: never initialised, or given up by nn::prepare_inference()");
    arrays.add(name, Array::of<T>(std::vector<Index>(p.shape().begin(), p.shape().end()), p.value().to_host()));
  });
  return arrays;
}

struct LoadOptions {
  Device device;
  std::string prefix;                     ///< of the stored names: "encoder." for a fine-tuned model
  std::vector<std::string> surplus = {};  ///< prefixes of stored names that the module need not have
  bool in_place = false;  ///< on the CPU, parameters may be the mapped file itself, where its type is theirs: nothing is copied
};

namespace detail {

inline std::string shape_text(const std::vector<Index>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += str(i ? ", " : "", shape[i]);
  return text + "]";
}

/// Norm of v [.., L] for each of the L taps, as [1, 1, L].
inline Array tap_norms(const Array& v) {
  const auto taps = static_cast<std::size_t>(v.shape().back());
  const auto values = v.to_vector<double>();
  std::vector<double> norm(taps);
  for (std::size_t i = 0; i < values.size(); ++i) norm[i % taps] += values[i] * values[i];
  for (double& n : norm) n = std::sqrt(n);
  return Array::of<double>({1, 1, v.shape().back()}, norm);
}

template <Real T>
Tensor<T> parameter_value(const Array& array, const Shape& shape, const LoadOptions& options) {
  const Bytes& bytes = array.bytes();
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0;
  if (options.in_place && aligned && bytes.owner() && array.dtype() == Array::dtype_of<T>() &&
      std::string_view(options.device.backend().name) == "cpu")
    return Tensor<T>::over(reinterpret_cast<T*>(const_cast<std::byte*>(bytes.data())), shape, options.device, bytes.owner());
  return Tensor<T>::from_host(array.to_vector<T>(), shape, options.device);
}

}  // namespace detail

/// Gives every parameter the stored array of its name; all or nothing. Weight-normalised weights are found under any of the
/// reference's three forms: weight_g and weight_v, parametrizations.weight.original0 and original1, or the folded weight.
/// @throws FormatError that lists all missing, surplus and misshapen arrays at once; `file` names them in the message
template <nn::Module M>
void load_state_dict(M& module, const Arrays& arrays, std::string_view file, const LoadOptions& options) {
  std::set<std::string> unused;
  for (const auto& [name, array] : arrays) unused.insert(name);
  std::string problems;
  const auto stored = [&](const std::string& name) -> const Array* {
    const Array* array = arrays.find(options.prefix + name);
    if (array) unused.erase(options.prefix + name);
    return array;
  };
  std::vector<std::pair<std::string, Array>> found;
  nn::for_each_parameter(module, [&](const std::string& name, auto& p) {
    const Array* array = stored(name);
    Array derived;
    for (const bool magnitude : {true, false}) {
      const std::string ending = magnitude ? "weight_g" : "weight_v";
      if (array || !name.ends_with(ending)) continue;
      const std::string base = name.substr(0, name.size() - ending.size());
      array = stored(base + (magnitude ? "parametrizations.weight.original0" : "parametrizations.weight.original1"));
      if (array) continue;
      array = stored(base + "weight");
      if (array && magnitude && !array->shape().empty()) array = &(derived = detail::tap_norms(*array));
    }
    const std::vector<Index> expected(p.shape().begin(), p.shape().end());
    if (!array)
      problems += str("\n  missing   ", options.prefix, name, " ", detail::shape_text(expected));
    else if (array->shape() != expected)
      problems += str("\n  shape     ", options.prefix, name, ": expected ", detail::shape_text(expected), ", found ",
                      detail::shape_text(array->shape()));
    else
      found.emplace_back(name, *array);
  });
  for (const auto& name : unused) {
    bool expected = false;
    for (const auto& prefix : options.surplus) expected = expected || name.starts_with(prefix);
    if (!expected) problems += str("\n  surplus   ", name, " ", detail::shape_text(arrays.at(name).shape()));
  }
  if (!problems.empty()) throw FormatError(file, "", str("the parameters are not those of the model:", problems));
  auto next = found.begin();
  nn::for_each_parameter(module, [&]<Real T>(const std::string&, nn::Parameter<T>& p) {
    p.leaf()->value = detail::parameter_value<T>((next++)->second, p.shape(), options);
    p.leaf()->grad = {};
    p.leaf()->touched = false;
  });
}

}  // namespace anylead::io
