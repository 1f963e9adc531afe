// How WFDB signal files pack samples: signal(5) of the WFDB Applications Guide. A further format is one more entry of the list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <anylead/core/text.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// A way to pack numbers.
struct WfdbFormat {
  int number;                                                               ///< as headers name it
  std::int32_t invalid;                                                     ///< the number that marks a missing sample
  Index packed;                                                             ///< samples that share bytes
  Index (*samples_in)(Index bytes);                                         ///< samples that so many bytes hold
  Index (*bytes_of)(Index samples);                                         ///< bytes that hold so many samples
  void (*decode)(const std::byte* bytes, std::span<std::int32_t> samples);  ///< reads bytes_of(samples.size()) bytes
};

namespace detail {

/// 16: two's complement, low byte first.
inline void decode_16(const std::byte* bytes, std::span<std::int32_t> samples) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const unsigned low = std::to_integer<unsigned>(bytes[2 * i]), high = std::to_integer<unsigned>(bytes[2 * i + 1]);
    samples[i] = static_cast<std::int16_t>(static_cast<std::uint16_t>(low | high << 8));
  }
}

/// 212: two numbers a, b of 12 bits in three bytes: a[0..7], b[8..11] a[8..11], b[0..7]. A last number alone takes two bytes.
inline void decode_212(const std::byte* bytes, std::span<std::int32_t> samples) {
  const auto signed12 = [](unsigned x) { return static_cast<std::int32_t>(x ^ 0x800u) - 0x800; };
  for (std::size_t i = 0; i < samples.size(); i += 2, bytes += 3) {
    const unsigned middle = std::to_integer<unsigned>(bytes[1]);
    samples[i] = signed12(std::to_integer<unsigned>(bytes[0]) | (middle & 0x0Fu) << 8);
    if (i + 1 < samples.size()) samples[i + 1] = signed12(std::to_integer<unsigned>(bytes[2]) | (middle & 0xF0u) << 4);
  }
}

inline constexpr WfdbFormat kWfdbFormats[] = {
    {16, -32768, 1, [](Index bytes) { return bytes / 2; }, [](Index samples) { return 2 * samples; }, decode_16},
    {212, -2048, 2, [](Index bytes) { return bytes / 3 * 2 + bytes % 3 / 2; },
     [](Index samples) { return samples / 2 * 3 + samples % 2 * 2; }, decode_212},
};

}  // namespace detail

/// The format of that number, or null if it cannot be read.
inline const WfdbFormat* wfdb_format(int number) {
  for (const WfdbFormat& f : detail::kWfdbFormats)
    if (f.number == number) return &f;
  return nullptr;
}

/// What a format is, for messages.
inline std::string wfdb_format_name(int number) {
  const auto named = [&](const char* what) { return str("format ", number, " (", what, ")"); };
  switch (number) {
    case 0:
      return named("no signal file");
    case 8:
      return named("8-bit differences");
    case 16:
      return named("16-bit");
    case 24:
      return named("24-bit");
    case 32:
      return named("32-bit");
    case 61:
      return named("16-bit, high byte first");
    case 80:
      return named("8-bit offset binary");
    case 160:
      return named("16-bit offset binary");
    case 212:
      return named("12-bit");
    case 310:
    case 311:
      return named("10-bit");
    case 508:
    case 516:
    case 524:
      return named("FLAC");
    default:
      return str("format ", number);
  }
}

}  // namespace anylead::data
