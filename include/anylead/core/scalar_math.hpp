// Formulas of single numbers that a device's loops share with the host, where they can be tested.
#pragma once

#include <cmath>

#include <anylead/core/host_device.hpp>

namespace anylead {

/// Phi(x) = erfc(-x / sqrt 2) / 2, exact in relative terms in the lower tail too.
template <class T>
ANYLEAD_HD T normal_cdf(T x) {
  return T(0.5) * std::erfc(x * T(-0.70710678118654752440));
}

/// phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
template <class T>
ANYLEAD_HD T normal_density(T x) {
  return std::exp(T(-0.5) * x * x) * T(0.39894228040143267794);
}

/// x Phi(x)
template <class T>
ANYLEAD_HD T gelu(T x) {
  return x * normal_cdf(x);
}

/// d gelu / dx = Phi(x) + x phi(x)
template <class T>
ANYLEAD_HD T gelu_slope(T x) {
  return normal_cdf(x) + x * normal_density(x);
}

/// max(x, least), but NaN stays NaN.
template <class T>
ANYLEAD_HD T at_least(T least, T x) {
  return x < least ? least : x;
}

}  // namespace anylead
