// Number types and indices.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace anylead {

/// Every size, stride and position. Signed, so that differences are safe.
using Index = std::int64_t;

/// Row numbers and codes kept on a device.
using Index32 = std::int32_t;

/// Truth values kept on a device: 0 or 1.
using Flag = std::uint8_t;

/// How products may multiply: a property of a run. State and sums stay in the tensors' own type either way.
enum class Precision : std::uint8_t {
  full,  ///< factors in the tensors' type
  bf16   ///< where it is faster, factors rounded to bfloat16 (8 bits of significand, nearest, ties to even), sums in float
};

/// Number types that layers and ops are instantiated for.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

}  // namespace anylead
