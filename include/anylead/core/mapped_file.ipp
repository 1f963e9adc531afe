#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>

namespace anylead {

ANYLEAD_INLINE MappedFile::MappedFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
  if (file < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
  struct stat status = {};
  const char* problem = nullptr;
  if (::fstat(file, &status) != 0) {
    problem = std::strerror(errno);
  } else if (!S_ISREG(status.st_mode)) {
    problem = "not a regular file";
  } else if (status.st_size > 0) {
    const auto size = static_cast<std::size_t>(status.st_size);
    // Without reserve: files larger than the memory are mapped, too, and hardly any page is ever written.
    void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
    if (data == MAP_FAILED) {
      problem = std::strerror(errno);
    } else {
      data_ = static_cast<const std::byte*>(data);
      size_ = size;
    }
  }
  ::close(file);
  if (problem) throw IoError(str(path, ": cannot be read: ", problem));
}

ANYLEAD_INLINE MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

ANYLEAD_INLINE void MappedFile::will_need(std::size_t offset, std::size_t bytes) const {
  if (offset >= size_) return;
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t begin = offset / page * page;
  ::madvise(const_cast<std::byte*>(data_) + begin, std::min(bytes, size_ - offset) + (offset - begin), MADV_WILLNEED);
}

ANYLEAD_INLINE std::string read_text(const std::string& path, std::size_t limit) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > limit)
    throw FormatError(path, "", str("expected at most ", limit, " bytes of text, found ", bytes.size()));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace anylead
