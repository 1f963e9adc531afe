#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/io/bytes.hpp>

namespace anylead::io {

ANYLEAD_INLINE Bytes::Bytes(std::vector<std::byte> owned) {
  const auto holder = std::make_shared<const std::vector<std::byte>>(std::move(owned));
  view_ = *holder;
  owner_ = holder;
}

ANYLEAD_INLINE Bytes Bytes::copy_of(const void* data, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  return Bytes(std::vector<std::byte>(first, first + size));
}

ANYLEAD_INLINE Bytes Bytes::of_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
  if (file < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
  struct stat status = {};
  std::string problem;
  void* data = MAP_FAILED;
  std::size_t size = 0;
  if (::fstat(file, &status) != 0)
    problem = std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    problem = "not a regular file";
  else if (size = static_cast<std::size_t>(status.st_size); size > 0)
    if (data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0); data == MAP_FAILED) problem = std::strerror(errno);
  ::close(file);
  if (!problem.empty()) throw IoError(str(path, ": cannot be read: ", problem));
  if (size == 0) return {};
  std::shared_ptr<const void> owner(data, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return {std::move(owner), {static_cast<const std::byte*>(data), size}};
}

ANYLEAD_INLINE std::string read_text(const std::string& path, std::size_t limit) {
  const Bytes bytes = Bytes::of_file(path);
  if (bytes.size() > limit)
    throw FormatError(path, "", str("expected at most ", limit, " bytes of text, found ", bytes.size()));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace anylead::io
