// ZIP archives as torch.save writes them, for tests of what reads them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// The number in little-endian order.
template <class N>
std::string le(N number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

struct ZipMember {
  std::string name, data;
  std::uint16_t method = 0, flags = 0;
};

/// An archive of stored members, with the directory's place and size in 64 bits if asked for.
inline std::string zip_of(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string out, directory;
  for (const ZipMember& m : members) {
    const auto begin = static_cast<std::uint32_t>(out.size()), size = static_cast<std::uint32_t>(m.data.size());
    const auto name_size = static_cast<std::uint16_t>(m.name.size());
    const std::string sizes = le(std::uint32_t{0}) + le(size) + le(size);
    out += "PK\3\4" + le(std::uint16_t{20}) + le(m.flags) + le(m.method) + le(std::uint32_t{0}) + sizes + le(name_size) +
           le(std::uint16_t{0}) + m.name + m.data;
    std::string extra;
    if (zip64)
      extra = le(std::uint16_t{1}) + le(std::uint16_t{24}) + le(std::uint64_t{size}) + le(std::uint64_t{size}) +
              le(std::uint64_t{begin});
    const std::string full = le(~std::uint32_t{0});
    directory += "PK\1\2" + le(std::uint16_t{20}) + le(std::uint16_t{20}) + le(m.flags) + le(m.method) + le(std::uint32_t{0}) +
                 (zip64 ? le(std::uint32_t{0}) + full + full : sizes) + le(name_size) +
                 le(static_cast<std::uint16_t>(extra.size())) + std::string(10, '\0') + (zip64 ? full : le(begin)) + m.name +
                 extra;
  }
  const std::uint64_t begin = out.size(), size = directory.size(), entries = members.size(), end = begin + size;
  out += directory;
  if (zip64)
    out += "PK\6\6" + le(std::uint64_t{44}) + std::string(12, '\0') + le(entries) + le(entries) + le(size) + le(begin) +
           "PK\6\7" + le(std::uint32_t{0}) + le(end) + le(std::uint32_t{1});
  const auto count = zip64 ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(entries);
  out += "PK\5\6" + le(std::uint32_t{0}) + le(count) + le(count) +
         (zip64 ? le(~std::uint64_t{0}) : le(static_cast<std::uint32_t>(size)) + le(static_cast<std::uint32_t>(begin))) +
         le(std::uint16_t{0});
  return out;
}
