// Files that reach the disk, and files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <anylead/core/config.hpp>

namespace anylead {

/// Ending of the names of what is half-written.
inline constexpr std::string_view kPartial = ".part";

/// A new file. Errors carry the path, the byte and the system's reason.
class OutputFile {
 public:
  /// @throws IoError if it exists or cannot be created
  ANYLEAD_INLINE explicit OutputFile(const std::string& path);
  ANYLEAD_INLINE ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Appends. @throws IoError
  ANYLEAD_INLINE void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Replaces bytes that were written before. @throws IoError; OptionError if they reach behind the end
  ANYLEAD_INLINE void overwrite(std::size_t offset, const void* data, std::size_t bytes);

  /// Waits until the disk has everything and closes. Without it the content is not safe. @throws IoError
  ANYLEAD_INLINE void finish();

  const std::string& path() const { return path_; }
  std::size_t size() const { return size_; }

 private:
  ANYLEAD_INLINE void put(std::size_t offset, const void* data, std::size_t bytes);

  std::string path_;
  int file_ = -1;
  std::size_t size_ = 0;
};

/// A file written under a temporary name beside its place, which commit() gives its own name: whoever opens that name finds the
/// old file or the complete new one, also after a power failure. Without commit() nothing remains.
class AtomicFile {
 public:
  /// @throws IoError if something other than a regular file has the name, or the folder takes no file
  ANYLEAD_INLINE explicit AtomicFile(const std::string& path);
  ANYLEAD_INLINE ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  OutputFile& file() { return file_; }

  /// @throws IoError, and the old file stays
  ANYLEAD_INLINE void commit();

 private:
  std::string path_;
  OutputFile file_;
  bool committed_ = false;
};

/// Replaces a small file atomically. @throws IoError
ANYLEAD_INLINE void replace_text(const std::string& path, std::string_view text);

}  // namespace anylead

#ifndef ANYLEAD_COMPILED
#include <anylead/core/atomic_file.ipp>
#endif
