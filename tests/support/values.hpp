// Tensors and numbers of tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include <anylead/autograd/tape.hpp>
#include <anylead/core/random.hpp>

#include "support/devices.hpp"

namespace anylead::test {

/// Normally distributed numbers, keyed by name.
template <Real T>
Tensor<T> normal(std::string_view name, const Shape& shape, double mean = 0, double deviation = 1,
                 const Device& device = test_device()) {
  const RandomStream stream = {11, 0, site_key(name)};
  std::vector<T> v(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(mean + deviation * stream.normal(i));
  return Tensor<T>::from_host(v, shape, device);
}

template <class T>
Tensor<T> tensor(const std::vector<T>& values, const Shape& shape, const Device& device = test_device()) {
  return Tensor<T>::from_host(values, shape, device);
}

/// Largest |a - b| in units of the largest |b|; infinity where the counts differ or something is not finite.
template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  double difference = 0, size = 0;
  bool fits = a.size() == b.size();
  for (std::size_t i = 0; fits && i < a.size(); ++i) {
    fits = std::isfinite(double(a[i])) && std::isfinite(double(b[i]));
    difference = std::max(difference, std::abs(double(a[i]) - double(b[i])));
    size = std::max(size, std::abs(double(b[i])));
  }
  if (!fits) return std::numeric_limits<double>::infinity();
  return difference == 0 ? 0 : difference / size;
}

template <class T>
double distance(const Tensor<T>& a, const Tensor<T>& b) {
  return a.defined() && b.defined() ? distance(a.to_host(), b.to_host()) : std::numeric_limits<double>::infinity();
}

}  // namespace anylead::test
