// Number types and indices.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace anylead {

/// Every size, stride and position. Signed, so that differences are safe.
using Index = std::int64_t;

/// Number types that layers and ops are instantiated for.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

}  // namespace anylead
