// How far a result may lie from the reference in double.
#pragma once

#include <cmath>
#include <limits>

#include <anylead/core/types.hpp>

namespace anylead::test {

/// Bound in units of the largest value of the result.
///
/// - An element-by-element op with exp or erf: its parts are good to 2 .. 8 units in the last place, a chain of them to 32.
/// - A sum of n terms: rounding errors add up like a random walk, sqrt(n) units of the size of the terms, in the blocked sums
///   used here less. Factor 4: the largest of many results, and terms larger than their sum where signs alternate.
/// - double is compared with another double computation whose own sums run in plain order: the same bound.
template <Real T>
double tolerance(double terms) {
  return double(std::numeric_limits<T>::epsilon()) * (32 + 4 * std::sqrt(terms));
}

}  // namespace anylead::test
