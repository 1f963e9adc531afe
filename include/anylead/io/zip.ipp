#pragma once

#include <algorithm>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/zip.hpp>

namespace anylead::io {

namespace detail {

/// Reads little-endian numbers at places of a ZIP archive, never outside it.
class ZipBytes {
 public:
  ZipBytes(const Bytes& bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  std::uint64_t size() const { return bytes_.size(); }
  bool holds(std::uint64_t at, std::uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }

  template <class N>
  N number(std::uint64_t at) const {
    if (!holds(at, sizeof(N))) fail(at, "the archive ends early");
    N value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  std::uint16_t u16(std::uint64_t at) const { return number<std::uint16_t>(at); }
  std::uint32_t u32(std::uint64_t at) const { return number<std::uint32_t>(at); }
  std::uint64_t u64(std::uint64_t at) const { return number<std::uint64_t>(at); }

  std::string_view text(std::uint64_t at, std::uint64_t size) const {
    if (!holds(at, size)) fail(at, "the archive ends early");
    return {reinterpret_cast<const char*>(bytes_.data()) + at, size};
  }
  Bytes part(std::uint64_t at, std::uint64_t size) const { return bytes_.part(at, size); }

  [[noreturn]] void fail(std::uint64_t at, const std::string& problem) const {
    throw FormatError(file_, str("byte ", at), problem);
  }

 private:
  const Bytes& bytes_;
  std::string_view file_;
};

inline constexpr std::uint32_t kZipMember = 0x04034b50, kZipEntry = 0x02014b50, kZipEnd = 0x06054b50, kZip64End = 0x06064b50,
                               kZip64Locator = 0x07064b50;

struct ZipDirectory {
  std::uint64_t begin, end, entries;
};

/// Where the directory lies: told by a record at the end of the file, behind which a comment may stand.
inline ZipDirectory find_directory(const ZipBytes& in) {
  constexpr std::uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kLongestComment = 65535;
  if (in.size() < kEndBytes) in.fail(0, str("expected a ZIP archive, found ", in.size(), " bytes"));
  std::uint64_t at = in.size() - kEndBytes;
  const std::uint64_t lowest = at > kLongestComment ? at - kLongestComment : 0;
  while (in.u32(at) != kZipEnd || in.u16(at + 20) != in.size() - at - kEndBytes) {
    if (at == lowest) in.fail(in.size(), "expected the directory of a ZIP archive; the file is none, or it was cut");
    --at;
  }
  ZipDirectory found = {in.u32(at + 16), at, in.u16(at + 10)};
  std::uint64_t size = in.u32(at + 12);
  for (const std::uint64_t volume : {at + 4, at + 6})
    if (in.u16(volume) != 0 && in.u16(volume) != 0xffff) in.fail(volume, "the archive has several volumes");
  if (at >= kLocatorBytes && in.u32(at - kLocatorBytes) == kZip64Locator) {
    const std::uint64_t end64 = in.u64(at - kLocatorBytes + 8);
    if (!in.holds(end64, kEnd64Bytes) || end64 > at - kLocatorBytes - kEnd64Bytes || in.u32(end64) != kZip64End)
      in.fail(at - kLocatorBytes, str("expected the 64-bit end of the directory at byte ", end64));
    found = {in.u64(end64 + 48), end64, in.u64(end64 + 32)};
    size = in.u64(end64 + 40);
  }
  if (found.begin > found.end || size != found.end - found.begin)
    in.fail(at, str("the directory's place ", found.begin, " and size ", size, " do not lead to its end at ", found.end));
  return found;
}

}  // namespace detail

ANYLEAD_INLINE ZipArchive::ZipArchive(const Bytes& bytes, std::string_view file) {
  using namespace detail;
  const ZipBytes in(bytes, file);
  const ZipDirectory directory = find_directory(in);
  constexpr std::uint64_t kEntryBytes = 46, kMemberBytes = 30;
  if (directory.entries > (directory.end - directory.begin) / kEntryBytes)
    in.fail(directory.begin, str(directory.entries, " entries do not fit into the directory"));

  struct Range {
    std::uint64_t begin, end;
    std::size_t member;
  };
  std::vector<Range> ranges;
  std::uint64_t at = directory.begin;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (directory.end - at < kEntryBytes || in.u32(at) != kZipEntry) in.fail(at, "expected an entry of the directory");
    const std::uint64_t name_size = in.u16(at + 28), extra_size = in.u16(at + 30), comment_size = in.u16(at + 32);
    if (name_size + extra_size + comment_size > directory.end - at - kEntryBytes) in.fail(at, "the directory ends early");
    const std::string_view name = in.text(at + kEntryBytes, name_size);
    std::uint64_t packed = in.u32(at + 20), size = in.u32(at + 24), begin = in.u32(at + 42);

    // 64-bit values stand in an extra field, in this order, for those that are full.
    const std::uint64_t extra_end = at + kEntryBytes + name_size + extra_size;
    for (std::uint64_t field = at + kEntryBytes + name_size; extra_end - field >= 4;) {
      const std::uint64_t field_size = in.u16(field + 2);
      if (field_size > extra_end - field - 4) break;  // padding
      if (in.u16(field) == 1) {
        std::uint64_t from = field + 4, left = field_size;
        for (std::uint64_t* value : {&size, &packed, &begin})
          if (*value == 0xffffffff && left >= 8) {
            *value = in.u64(from);
            from += 8;
            left -= 8;
          }
      }
      field += 4 + field_size;
    }

    if (in.u16(at + 8) & 1) in.fail(at, str("member ", printable(name), " is encrypted"));
    if (const auto method = in.u16(at + 10); method != 0)
      in.fail(at, str("member ", printable(name), " is compressed (method ", method,
                      "); expected a file as torch.save writes it, ", "stored without compression"));
    if (packed != size) in.fail(at, str("member ", printable(name), " is stored, but in ", packed, " bytes for ", size));
    if (begin > directory.begin || directory.begin - begin < kMemberBytes || in.u32(begin) != kZipMember)
      in.fail(at, str("expected member ", printable(name), " at byte ", begin));
    const std::uint64_t data = begin + kMemberBytes + in.u16(begin + 26) + in.u16(begin + 28);
    if (data > directory.begin || size > directory.begin - data)
      in.fail(at, str("member ", printable(name), " of ", size, " bytes reaches into the directory"));
    if (in.text(begin + kMemberBytes, in.u16(begin + 26)) != name)
      in.fail(begin, str("expected the name ", printable(name), " as in the directory"));
    ranges.push_back({begin, data + size, members_.size()});
    members_.push_back({std::string(name), in.part(data, size)});
    at += kEntryBytes + name_size + extra_size + comment_size;
  }
  if (at != directory.end) in.fail(at, "the directory has bytes that belong to no entry");

  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].begin < ranges[i - 1].end)
      in.fail(ranges[i].begin, str("members ", printable(members_[ranges[i - 1].member].name), " and ",
                                   printable(members_[ranges[i].member].name), " overlap"));
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < members_.size(); ++i)
    if (members_[i].name == members_[i - 1].name)
      throw FormatError(file, "directory", str("member ", printable(members_[i].name), " is there twice"));
}

ANYLEAD_INLINE const ZipArchive::Member* ZipArchive::find(std::string_view name) const {
  const auto member =
      std::lower_bound(members_.begin(), members_.end(), name, [](const Member& m, std::string_view n) { return m.name < n; });
  return member != members_.end() && member->name == name ? &*member : nullptr;
}

}  // namespace anylead::io
