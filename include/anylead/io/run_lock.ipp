#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/core/folders.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/run_lock.hpp>

namespace anylead::io {

ANYLEAD_INLINE RunLock::RunLock(const std::string& run_folder) {
  make_folder(run_folder);
  const std::string path = run_folder + "/lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
  int failed = 0;
  while (::flock(file, LOCK_EX | LOCK_NB) != 0 && (failed = errno) == EINTR) failed = 0;
  if (failed != 0) {
    char owner[200];
    const ssize_t size = ::pread(file, owner, sizeof owner, 0);
    ::close(file);
    if (failed != EWOULDBLOCK) throw IoError(str(path, ": cannot be locked: ", std::strerror(failed)));
    std::string who(owner, size > 0 ? static_cast<std::size_t>(size) : 0);
    who = who.substr(0, who.find('\n'));
    throw IoError(str(run_folder, ": another process uses this run", who.empty() ? "" : ": " + printable(who)));
  }
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::string text = str("pid ", static_cast<long>(::getpid()), " on ", host, "\n");
  // Only a hint for the message above: the lock holds without it, on a full disk too.
  if (::ftruncate(file, 0) == 0) [[maybe_unused]]
    const ssize_t ignored = ::pwrite(file, text.data(), text.size(), 0);
  file_ = file;
}

ANYLEAD_INLINE RunLock::~RunLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace anylead::io
