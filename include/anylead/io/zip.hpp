// The directory of a ZIP archive whose members are stored without compression.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/io/bytes.hpp>

namespace anylead::io {

/// Reads the directory, also the 64-bit form, and hands out the members' bytes without copying. Checksums are not compared:
/// PyTorch can be told not to write them.
class ZipArchive {
 public:
  struct Member {
    std::string name;
    Bytes bytes;
  };

  /// `file` names the archive in messages.
  /// @throws FormatError if the directory is damaged, members overlap, or one is compressed or encrypted
  /// Source: PKWARE, ".ZIP File Format Specification", 4.3.
  ANYLEAD_INLINE ZipArchive(const Bytes& bytes, std::string_view file);

  const std::vector<Member>& members() const { return members_; }

  /// nullptr if there is none.
  ANYLEAD_INLINE const Member* find(std::string_view name) const;

 private:
  std::vector<Member> members_;  // sorted by name
};

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/zip.ipp>
#endif
