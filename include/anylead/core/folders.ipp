#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/core/folders.hpp>

namespace anylead {

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
  struct stat status = {};
  if (reason != EEXIST || ::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    throw IoError(str(path, ": cannot be made: ", std::strerror(reason)));
}

}  // namespace anylead
