// Builds messages without <format>, fmt or stream headers.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace anylead {

inline void append(std::string& out, std::string_view part) { out += part; }

template <std::integral I>  // a template, so that no pointer decays to bool
void append(std::string& out, I part) {
  if constexpr (std::same_as<I, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::same_as<I, char>) {
    out += part;
  } else {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, part).ptr);
  }
}

template <std::floating_point F>
void append(std::string& out, F part) {
  char digits[48];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, part).ptr);
}

/// The parts one after another: text, characters, booleans, integers, and floating-point numbers in their shortest exact form.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

}  // namespace anylead
