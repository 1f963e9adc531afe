// Files in memory, and files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// A file mapped for reading: pages come in when they are touched, and the system takes them back when memory is short. A
/// file that only ever appears by renaming cannot change under a mapping; one that another program shortens meanwhile ends this
/// program with SIGBUS.
class MappedFile {
 public:
  MappedFile() = default;

  /// @throws IoError
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

/// A file written under a temporary name beside its place, which commit() gives its own name; whoever opens that name finds the
/// old file or the complete new one. Without commit() nothing remains. All functions throw IoError with the system's reason.
class AtomicFile {
 public:
  ANYLEAD_INLINE explicit AtomicFile(const std::string& path);
  ANYLEAD_INLINE ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends.
  ANYLEAD_INLINE void write(const void* data, std::size_t bytes);
  /// Overwrites bytes at an offset that were written before.
  ANYLEAD_INLINE void overwrite(std::size_t offset, const void* data, std::size_t bytes);
  ANYLEAD_INLINE void commit();

  std::size_t size() const { return size_; }

 private:
  ANYLEAD_INLINE void put(std::size_t offset, const void* data, std::size_t bytes);

  std::string path_, temporary_;
  int file_ = -1;
  std::size_t size_ = 0;
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/mapped_file.ipp>
#endif
