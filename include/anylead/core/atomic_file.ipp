#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/error.hpp>
#include <anylead/core/folders.hpp>

namespace anylead {

namespace detail {

/// The path, unless it is that of a folder, a device or a pipe: those are not ours to replace.
inline const std::string& replaceable(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw IoError(str(path, ": cannot be replaced: not a regular file"));
  return path;
}

/// A name beside `path` that no file has: of this process, or left by a dead one that had its number.
inline std::string unused_name(const std::string& path) {
  static std::atomic<int> number{0};
  struct stat status = {};
  for (;;) {
    std::string name = str(path, ".", static_cast<long>(::getpid()), "-", number.fetch_add(1), kPartial);
    if (::lstat(name.c_str(), &status) != 0) return name;
  }
}

}  // namespace detail

ANYLEAD_INLINE OutputFile::OutputFile(const std::string& path) : path_(path) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) throw IoError(str(path, ": cannot be created: ", std::strerror(errno)));
}

ANYLEAD_INLINE OutputFile::~OutputFile() {
  if (file_ >= 0) ::close(file_);
}

ANYLEAD_INLINE void OutputFile::write(const void* data, std::size_t bytes) {
  put(size_, data, bytes);
  size_ += bytes;
}

ANYLEAD_INLINE void OutputFile::overwrite(std::size_t offset, const void* data, std::size_t bytes) {
  ANYLEAD_CHECK(offset <= size_ && bytes <= size_ - offset, OptionError, path_, "bytes ", offset, " to ", offset + bytes,
                " of ", size_, " cannot be replaced");
  put(offset, data, bytes);
}

ANYLEAD_INLINE void OutputFile::put(std::size_t offset, const void* data, std::size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file_, p, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw IoError(str(path_, ": cannot be written at byte ", offset, ": ",
                        written < 0 ? std::strerror(errno) : "the system takes no more"));
    p += written;
    offset += static_cast<std::size_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
}

ANYLEAD_INLINE void OutputFile::finish() {
  if (::fsync(file_) != 0) throw IoError(str(path_, ": cannot be stored: ", std::strerror(errno)));
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0) throw IoError(str(path_, ": cannot be closed: ", std::strerror(errno)));
}

ANYLEAD_INLINE AtomicFile::AtomicFile(const std::string& path)
    : path_(detail::replaceable(path)), file_(detail::unused_name(path)) {}

ANYLEAD_INLINE AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(file_.path().c_str());
}

ANYLEAD_INLINE void AtomicFile::commit() {
  file_.finish();
  if (::rename(file_.path().c_str(), path_.c_str()) != 0)
    throw IoError(str(path_, ": cannot be put in place: ", std::strerror(errno)));
  committed_ = true;
  sync_folder(parent_folder(path_));
}

ANYLEAD_INLINE void replace_text(const std::string& path, std::string_view text) {
  AtomicFile out(path);
  out.file().write(text);
  out.commit();
}

}  // namespace anylead
