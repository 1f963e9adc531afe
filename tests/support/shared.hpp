// Where material lies that is too large for the repository: real recordings, the full set of reference numbers.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

/// The folder "shared" beside the repository or the one that ANYLEAD_SHARED names; empty where there is none. Tests that need
/// it say that they are skipped and pass.
inline std::string shared_folder() {
  const char* named = std::getenv("ANYLEAD_SHARED");
  const std::filesystem::path folder =
      named ? std::filesystem::path(named) : std::filesystem::path(ANYLEAD_SOURCE_DIR).parent_path() / "shared";
  std::error_code ignored;
  return std::filesystem::is_directory(folder, ignored) ? folder.string() : std::string();
}
