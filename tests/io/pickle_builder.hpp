// Pickles of protocol 2 as torch.save writes them, for tests of what reads them: the text of a value, put together of others.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <io/zip_builder.hpp>

namespace pickled {

inline std::string text(const std::string& t) { return "X" + le(static_cast<std::uint32_t>(t.size())) + t; }
inline std::string integer(std::int32_t n) { return "J" + le(n); }
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }

inline std::string storage(const std::string& type, const std::string& key, const std::string& size) {
  return "(" + text("storage") + global("torch", type) + text(key) + text("cpu") + size + "tQ";
}
inline std::string sizes(const std::vector<int>& sizes) {
  std::string out = "(";
  for (const int n : sizes) out += integer(n);
  return out + "t";
}
inline std::string tensor(const std::string& storage, const std::string& offset, const std::string& shape,
                          const std::string& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + offset + shape + strides + "\x89" +
         global("collections", "OrderedDict") + ")RtR";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}

}  // namespace pickled
