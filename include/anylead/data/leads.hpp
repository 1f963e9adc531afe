// Names of ECG leads and their standard order.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <anylead/core/types.hpp>

namespace anylead::data {

/// The twelve standard leads in the order of every [12, T] signal of the library: limb leads, then chest leads.
enum class Lead : int { I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6 };

inline constexpr std::array<std::string_view, 12> kLeadNames = {"I",  "II", "III", "aVR", "aVL", "aVF",
                                                                "V1", "V2", "V3",  "V4",  "V5",  "V6"};

/// The standard lead that a name stands for, in any case; blanks, "-", "_", "." and a leading "ECG" or "lead" are ignored,
/// C1..C6 are V1..V6 and MLI..MLIII the limb leads I..III. Empty for any other name.
inline std::optional<Lead> parse_lead(std::string_view name) {
  std::string key;
  for (const char c : name)
    if (c != ' ' && c != '-' && c != '_' && c != '.') key += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  for (const std::string_view prefix : {"ecg", "lead"})
    if (key.size() > prefix.size() && key.starts_with(prefix)) key.erase(0, prefix.size());
  if (key == "mli" || key == "mlii" || key == "mliii") key.erase(0, 2);  // modified limb leads of ambulatory recorders
  constexpr std::array<std::string_view, 12> keys = {"i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"};
  for (int i = 0; i < 12; ++i)
    if (key == keys[static_cast<std::size_t>(i)]) return static_cast<Lead>(i);
  constexpr std::array<std::string_view, 6> chest = {"c1", "c2", "c3", "c4", "c5", "c6"};  // IEC 60601-2-25 electrode names
  for (int i = 0; i < 6; ++i)
    if (key == chest[static_cast<std::size_t>(i)]) return static_cast<Lead>(6 + i);
  return std::nullopt;
}

}  // namespace anylead::data
