// bfloat16: the upper half of a float. For storage; computations are in float.
#pragma once

#include <cstdint>

#include <anylead/core/host_device.hpp>

namespace anylead {

/// 1 sign, 8 exponent and 7 fraction bits. POD, so that arrays of it go to kernels.
struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  /// Rounds to the nearest, ties to even; NaN stays NaN, what is too large becomes infinite.
  ANYLEAD_HD explicit constexpr bf16(float v) : bits(rounded(__builtin_bit_cast(std::uint32_t, v))) {}
  ANYLEAD_HD explicit constexpr operator float() const { return __builtin_bit_cast(float, std::uint32_t{bits} << 16); }

 private:
  ANYLEAD_HD static constexpr std::uint16_t rounded(std::uint32_t word) {
    const bool nan = (word & 0x7FFFFFFFu) > 0x7F800000u;
    return static_cast<std::uint16_t>((nan ? word | 0x400000u : word + 0x7FFFu + (word >> 16 & 1u)) >> 16);
  }
};

}  // namespace anylead
