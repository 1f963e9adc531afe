#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

#include <anylead/core/error.hpp>
#include <anylead/core/folders.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/checkpoint.hpp>

namespace anylead::io {

namespace detail {

inline constexpr std::string_view kStepPrefix = "step-";

/// The number of "step-N" as str() writes it; nothing else.
inline std::optional<Index> step_of(std::string_view name) {
  if (!name.starts_with(kStepPrefix)) return {};
  name.remove_prefix(kStepPrefix.size());
  Index step = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0 || str(step) != name) return {};
  return step;
}

/// Names in a folder; none if it does not exist.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error), end;
  while (!error && entry != end) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw IoError(str(folder, ": cannot be listed: ", error.message()));
  return names;
}

inline void remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) throw IoError(str(path, ": cannot be removed: ", error.message()));
}

}  // namespace detail

ANYLEAD_INLINE CheckpointFolder::CheckpointFolder(const std::string& run_folder) : folder_(run_folder + "/checkpoints") {}

ANYLEAD_INLINE std::string CheckpointFolder::path(Index step) const { return str(folder_, "/", detail::kStepPrefix, step); }

ANYLEAD_INLINE bool CheckpointFolder::has(Index step) const {
  struct stat status;
  return ::stat(path(step).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

ANYLEAD_INLINE std::vector<Index> CheckpointFolder::steps() const {
  std::vector<Index> steps;
  for (const std::string& name : detail::names_in(folder_))
    if (const auto step = detail::step_of(name); step && has(*step)) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

ANYLEAD_INLINE std::optional<Index> CheckpointFolder::last() const {
  const auto all = steps();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

ANYLEAD_INLINE std::optional<Index> CheckpointFolder::best() const {
  const std::string file = folder_ + "/best";
  struct stat status;
  if (::stat(file.c_str(), &status) != 0 && errno == ENOENT) return {};
  std::string name = read_text(file, 64);
  if (name.ends_with('\n')) name.pop_back();
  const auto step = detail::step_of(name);
  if (!step) throw FormatError(file, "line 1", str("expected the name of a step, found ", printable(name)));
  return has(*step) ? step : std::nullopt;
}

ANYLEAD_INLINE void CheckpointFolder::save(Index step, const std::vector<CheckpointFile>& files) {
  ANYLEAD_CHECK(step >= 0, OptionError, "checkpoint", "step ", step, " is negative");
  ANYLEAD_CHECK(!has(step), OptionError, "checkpoint", path(step), " exists");
  std::set<std::string> names;
  for (const CheckpointFile& file : files)
    ANYLEAD_CHECK(!file.name.empty() && file.name != "." && file.name != ".." && file.name.find('/') == std::string::npos &&
                      names.insert(file.name).second,
                  OptionError, "checkpoint", "'", file.name, "' is no name of a file in a folder, or is there twice");
  make_folder(folder_);
  remove_leftovers();

  const std::string part = path(step) + std::string(kPartial);
  try {
    if (::mkdir(part.c_str(), 0777) != 0) throw IoError(str(part, ": cannot be made: ", std::strerror(errno)));
    for (const CheckpointFile& file : files) {
      OutputFile out(part + "/" + file.name);
      file.write(out);
      out.finish();
    }
    sync_folder(part);
    if (::rename(part.c_str(), path(step).c_str()) != 0)
      throw IoError(str(path(step), ": cannot be put in place: ", std::strerror(errno)));
  } catch (...) {
    std::error_code ignored;  // the next save() tries again
    std::filesystem::remove_all(part, ignored);
    throw;
  }
  sync_folder(folder_);
  replace_text(folder_ + "/last", str(detail::kStepPrefix, *last(), "\n"));
}

ANYLEAD_INLINE void CheckpointFolder::mark_best(Index step) {
  ANYLEAD_CHECK(has(step), OptionError, "checkpoint", path(step), " does not exist");
  replace_text(folder_ + "/best", str(detail::kStepPrefix, step, "\n"));
}

ANYLEAD_INLINE void CheckpointFolder::prune(Index keep) {
  ANYLEAD_CHECK(keep >= 1, OptionError, "checkpoint", "at least one must be kept, not ", keep);
  const auto all = steps();
  const auto chosen = best();
  for (Index i = 0; i < static_cast<Index>(all.size()) - keep; ++i)
    if (all[i] != chosen) remove(all[i]);
}

ANYLEAD_INLINE void CheckpointFolder::discard_after(Index step) {
  const auto all = steps();
  const auto first = std::upper_bound(all.begin(), all.end(), step);
  if (first == all.end()) return;
  if (const auto chosen = best(); chosen && *chosen > step) detail::remove_tree(folder_ + "/best");
  if (first != all.begin())
    replace_text(folder_ + "/last", str(detail::kStepPrefix, *(first - 1), "\n"));
  else
    detail::remove_tree(folder_ + "/last");
  for (auto later = all.end(); later != first;) remove(*--later);
}

/// The name goes first, so that no half-removed folder is ever taken for a checkpoint.
ANYLEAD_INLINE void CheckpointFolder::remove(Index step) {
  const std::string part = path(step) + std::string(kPartial);
  detail::remove_tree(part);
  if (::rename(path(step).c_str(), part.c_str()) != 0)
    throw IoError(str(path(step), ": cannot be removed: ", std::strerror(errno)));
  sync_folder(folder_);
  detail::remove_tree(part);
}

/// What a process left that ended in the middle.
ANYLEAD_INLINE void CheckpointFolder::remove_leftovers() const {
  for (const std::string& name : detail::names_in(folder_))
    if (name.ends_with(kPartial) &&
        (name.starts_with(detail::kStepPrefix) || name.starts_with("last.") || name.starts_with("best.")))
      detail::remove_tree(folder_ + "/" + name);
}

}  // namespace anylead::io
