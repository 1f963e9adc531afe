// One process per run folder.
#pragma once

#include <string>

#include <anylead/core/config.hpp>

namespace anylead::io {

/// While it lives, no other process gets a RunLock of the same folder. The system lets go of it when the process ends, however
/// it ends. The file `lock` in the folder stays; it says who had it last.
class RunLock {
 public:
  /// Makes the folder if there is none.
  /// @throws IoError that names the folder and the process that has it, or why the folder cannot be locked
  ANYLEAD_INLINE explicit RunLock(const std::string& run_folder);
  ANYLEAD_INLINE ~RunLock();
  RunLock(RunLock&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  RunLock& operator=(RunLock&&) = delete;

 private:
  int file_ = -1;
};

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/run_lock.ipp>
#endif
