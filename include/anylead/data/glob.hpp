// File-name patterns.
#pragma once

#include <string_view>

namespace anylead::data {

/// The whole text matches the pattern: `*` any characters, `?` one, `[a-z]` one of a set, `[!a-z]` one outside it; any other
/// character itself. A set without its closing bracket is taken literally. Time: at most the product of the lengths.
inline bool matches_glob(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, retry = 0;
  const auto one = [&](std::size_t& at) {  // does pattern[at...] match text[t] ? moves at behind what it used
    if (pattern[at] == '?') return ++at, true;
    if (pattern[at] == '[') {
      const std::size_t close = pattern.find(']', at + 2);
      if (close != std::string_view::npos) {
        std::size_t i = at + 1;
        const bool outside = pattern[i] == '!' || pattern[i] == '^';
        i += outside;
        bool in = false;
        for (; i < close; ++i) {
          if (i + 2 < close && pattern[i + 1] == '-') {
            in = in || (pattern[i] <= text[t] && text[t] <= pattern[i + 2]);
            i += 2;
          } else {
            in = in || pattern[i] == text[t];
          }
        }
        at = close + 1;
        return in != outside;
      }
    }
    return pattern[at++] == text[t];
  };
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      retry = t;
      continue;
    }
    std::size_t behind = p;
    if (p < pattern.size() && one(behind)) {
      p = behind;
      ++t;
    } else if (star != std::string_view::npos) {  // the last star takes one character more
      p = star;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// One of the patterns, separated by commas, matches: `cinc2021/*,ptbxl/records500/*`.
inline bool matches_any_glob(std::string_view text, std::string_view patterns) {
  for (;;) {
    const std::size_t comma = patterns.find(',');
    if (matches_glob(text, patterns.substr(0, comma))) return true;
    if (comma == patterns.npos) return false;
    patterns.remove_prefix(comma + 1);
  }
}

}  // namespace anylead::data
