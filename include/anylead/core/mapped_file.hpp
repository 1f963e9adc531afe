// Files in memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <anylead/core/config.hpp>

namespace anylead {

/// A regular file mapped for reading: pages come in when they are touched, and the system takes them back when memory is short.
/// A file that only ever appears by renaming (AtomicFile) cannot change under a mapping; one that another program shortens
/// meanwhile ends this program with SIGBUS.
class MappedFile {
 public:
  /// @throws IoError if it cannot be opened or is no regular file; a pipe is refused without waiting for its writer
  ANYLEAD_INLINE explicit MappedFile(const std::string& path);
  ANYLEAD_INLINE ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Asks the system to read a part ahead of its use.
  ANYLEAD_INLINE void will_need(std::size_t offset, std::size_t bytes) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The content of a text file. @throws IoError as MappedFile; FormatError if it is larger than `limit` bytes
ANYLEAD_INLINE std::string read_text(const std::string& path, std::size_t limit = std::size_t{1} << 24);

}  // namespace anylead

#ifndef ANYLEAD_COMPILED
#include <anylead/core/mapped_file.ipp>
#endif
