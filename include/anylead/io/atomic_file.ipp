#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/io/atomic_file.hpp>

namespace anylead::io {

namespace detail {

ANYLEAD_INLINE std::string parent_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

ANYLEAD_INLINE void sync_folder(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) throw IoError(str(folder, ": cannot be opened: ", std::strerror(errno)));
  const int failed = ::fsync(file) != 0 ? errno : 0;
  ::close(file);
  if (failed != 0 && failed != EINVAL)  // EINVAL: a file system that has nothing to sync for a folder
    throw IoError(str(folder, ": cannot be stored: ", std::strerror(failed)));
}

ANYLEAD_INLINE void make_folder(const std::string& path) {
  const auto make = [&path] { return ::mkdir(path.c_str(), 0777) == 0 ? 0 : errno; };
  const std::string above = parent_folder(path);
  int reason = make();
  if (reason == ENOENT && above != path && above != ".") {
    make_folder(above);
    reason = make();
  }
  if (reason == 0) return sync_folder(above);
  struct stat status;
  if (reason != EEXIST || ::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    throw IoError(str(path, ": cannot be made: ", std::strerror(reason)));
}

/// A name beside `path` that no file has: of this process, or left by a dead one that had its number.
inline std::string unused_name(const std::string& path) {
  static std::atomic<int> number{0};
  for (;;) {
    std::string name = str(path, ".", static_cast<long>(::getpid()), "-", number.fetch_add(1), kPartial);
    struct stat status;
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
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file_, p, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw IoError(str(path_, ": cannot be written at byte ", size_, ": ",
                        written < 0 ? std::strerror(errno) : "the system takes no more"));
    p += written;
    size_ += static_cast<std::size_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
}

ANYLEAD_INLINE void OutputFile::finish() {
  if (::fsync(file_) != 0) throw IoError(str(path_, ": cannot be stored: ", std::strerror(errno)));
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0) throw IoError(str(path_, ": cannot be closed: ", std::strerror(errno)));
}

ANYLEAD_INLINE AtomicFile::AtomicFile(const std::string& path) : path_(path), file_(detail::unused_name(path)) {}

ANYLEAD_INLINE AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(file_.path().c_str());
}

ANYLEAD_INLINE void AtomicFile::commit() {
  file_.finish();
  if (::rename(file_.path().c_str(), path_.c_str()) != 0)
    throw IoError(str(path_, ": cannot be put in place: ", std::strerror(errno)));
  committed_ = true;
  detail::sync_folder(detail::parent_folder(path_));
}

ANYLEAD_INLINE void replace_text(const std::string& path, std::string_view text) {
  AtomicFile out(path);
  out.file().write(text);
  out.commit();
}

}  // namespace anylead::io
