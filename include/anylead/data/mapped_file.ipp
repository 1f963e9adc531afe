#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/data/mapped_file.hpp>

namespace anylead::data {

ANYLEAD_INLINE MappedFile::MappedFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
  struct stat status = {};
  const char* problem = nullptr;
  if (::fstat(file, &status) != 0)
    problem = std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    problem = "not a regular file";
  else if (status.st_size > 0) {
    void* data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) {
      problem = std::strerror(errno);
    } else {
      data_ = static_cast<const std::byte*>(data);
      size_ = static_cast<std::size_t>(status.st_size);
    }
  }
  ::close(file);
  if (problem) throw IoError(str(path, ": cannot be mapped: ", problem));
}

ANYLEAD_INLINE MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

ANYLEAD_INLINE void MappedFile::will_need(std::size_t offset, std::size_t bytes) const {
  if (offset >= size_) return;
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t begin = offset / page * page;
  ::madvise(const_cast<std::byte*>(data_) + begin, std::min(bytes + (offset - begin), size_ - begin), MADV_WILLNEED);
}

ANYLEAD_INLINE AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  static std::atomic<int> number{0};
  do {  // a name may be left over from a process that had this one's number and was killed
    temporary_ = str(path, ".", static_cast<long>(::getpid()), "-", number.fetch_add(1), ".part");
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EEXIST);
  if (file_ < 0) throw IoError(str(temporary_, ": cannot be created: ", std::strerror(errno)));
}

ANYLEAD_INLINE AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

ANYLEAD_INLINE void AtomicFile::write(const void* data, std::size_t bytes) {
  put(size_, data, bytes);
  size_ += bytes;
}

ANYLEAD_INLINE void AtomicFile::overwrite(std::size_t offset, const void* data, std::size_t bytes) { put(offset, data, bytes); }

ANYLEAD_INLINE void AtomicFile::put(std::size_t offset, const void* data, std::size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file_, p, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw IoError(str(path_, ": cannot be written at byte ", offset, ": ", written < 0 ? std::strerror(errno) : "no space"));
    p += written;
    offset += static_cast<std::size_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
}

ANYLEAD_INLINE void AtomicFile::commit() {
  const bool stored = ::fsync(file_) == 0;
  const int reason = errno;
  if (!stored) throw IoError(str(path_, ": cannot be stored: ", std::strerror(reason)));
  const int file = file_;
  file_ = -1;
  if (::close(file) != 0) throw IoError(str(path_, ": cannot be closed: ", std::strerror(errno)));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw IoError(str(path_, ": cannot be put in place: ", std::strerror(errno)));
  temporary_.clear();
}

}  // namespace anylead::data
