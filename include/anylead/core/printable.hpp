// Text from hostile files, made fit for messages.
#pragma once

#include <string>
#include <string_view>

namespace anylead {

/// The text in quotes, at most 100 characters, with '?' in place of what a terminal might obey.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 100;
  std::string out = "'";
  for (const char c : text.substr(0, kMost)) out += c >= ' ' && c <= '~' ? c : '?';
  return out += text.size() > kMost ? "...'" : "'";
}

}  // namespace anylead
