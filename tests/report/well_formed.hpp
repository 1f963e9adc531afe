// A small check of XML, enough for what the reports write.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/text.hpp>

/// Empty if tags nest, attributes are quoted and no bare & or < is left; else what is wrong. `html` allows a doctype and
/// <meta>.
inline std::string well_formed(std::string_view text, bool html = false) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const auto end = text.substr(i, 12).find(';');
      if (end == std::string_view::npos) return anylead::str("bare & at ", i);
      i += end + 1;
    } else if (text[i] == '>') {
      // A style sheet may have the child combinator; ours and escaped text have none.
      return anylead::str("bare > at ", i);
    } else if (text[i] != '<') {
      ++i;
    } else {
      std::size_t end = i + 1;
      bool quoted = false;
      for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
        if (text[end] == '"') quoted = !quoted;
        if (text[end] == '<') return anylead::str("< inside a tag at ", end);
      }
      if (end >= text.size()) return anylead::str("unfinished tag at ", i);
      const std::string_view tag = text.substr(i + 1, end - i - 1);
      i = end + 1;
      if (tag[0] == '!') {
        if (!html) return "doctype in a picture";
        continue;
      }
      std::string name;
      for (const char c : tag.substr(tag[0] == '/' ? 1 : 0)) {
        if (!std::isalnum(static_cast<unsigned char>(c))) break;
        name += c;
      }
      if (name.empty()) return anylead::str("tag without name before ", i);
      if (tag[0] == '/') {
        if (open.empty() || open.back() != name)
          return anylead::str("</", name, "> closes ", open.empty() ? "nothing" : open.back());
        open.pop_back();
      } else if (tag.back() != '/' && !(html && name == "meta")) {
        open.push_back(name);
      }
    }
  }
  return open.empty() ? "" : anylead::str("<", open.back(), "> is not closed");
}
