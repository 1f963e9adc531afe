// System calls that change files, able to fail or to end the process at a chosen one. The definitions take the place of the C
// library's for the whole test program, so no hook is needed in the code under test. Include in one file of a program.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace interrupted {

enum class How { never, fail, exit };

inline How how = How::never;
inline int calls_left = 0;  // the call that brings it to 0 is the one

/// Whether the call at hand has to fail; does not return if the process has to end.
inline bool now() {
  if (how == How::never || calls_left == 0 || --calls_left > 0) return false;
  if (how == How::exit) ::_exit(99);
  errno = ENOSPC;
  return true;
}

inline int result(long value) { return static_cast<int>(value); }

}  // namespace interrupted

extern "C" {

ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  if (interrupted::now()) return -1;
  // The call before the chosen one takes half, so that the end comes inside the data.
  if (interrupted::how != interrupted::How::never && interrupted::calls_left == 1 && size > 1) size /= 2;
  return ::syscall(SYS_pwrite64, file, data, size, offset);
}
int fsync(int file) { return interrupted::now() ? -1 : interrupted::result(::syscall(SYS_fsync, file)); }
int rename(const char* from, const char* to) noexcept {
  return interrupted::now() ? -1 : interrupted::result(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}
int mkdir(const char* path, mode_t mode) noexcept {
  return interrupted::now() ? -1 : interrupted::result(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return interrupted::now() ? -1 : interrupted::result(::syscall(SYS_unlinkat, folder, path, flags));
}
}
