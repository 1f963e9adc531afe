// The checkpoints of a run: folders that appear whole or not at all.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::io {

/// A file of a checkpoint: its name and what writes its content.
struct CheckpointFile {
  std::string name;
  std::function<void(OutputFile&)> write;
};

/// The folder RUN/checkpoints:
///
///   step-100/  step-200/  ...   one checkpoint each, complete by construction
///   last                        the newest step, for people and other programs; this class looks at the folders themselves
///   best                        the step that mark_best() chose
///
/// A checkpoint is written under a temporary name, every file of it is stored on disk, and only then gets the folder its own
/// name; so whatever stops the program (a full disk, a lost mount, kill -9, a power failure) leaves the checkpoints before it
/// whole. What such an accident leaves half-written is never looked at, and the next save() removes it.
///
/// Functions that change something are for one process at a time: hold a RunLock.
class CheckpointFolder {
 public:
  /// Touches nothing: the folder is made by the first save().
  ANYLEAD_INLINE explicit CheckpointFolder(const std::string& run_folder);

  /// Writes the checkpoint of a step >= 0 and makes it `last`.
  /// @throws OptionError if the step has a checkpoint, or a file's name is no plain name or there twice; IoError, and whatever
  /// a file's writer throws: the checkpoints before stay as they are
  ANYLEAD_INLINE void save(Index step, const std::vector<CheckpointFile>& files);

  /// Steps that have a checkpoint, ascending.
  ANYLEAD_INLINE std::vector<Index> steps() const;

  /// The newest step that has a checkpoint.
  ANYLEAD_INLINE std::optional<Index> last() const;

  /// The step that mark_best() chose, if its checkpoint is there. @throws FormatError if the file `best` names no step
  ANYLEAD_INLINE std::optional<Index> best() const;

  /// The folder of a step, or a file in it.
  ANYLEAD_INLINE std::string path(Index step) const;
  std::string path(Index step, const std::string& file) const { return path(step) + "/" + file; }

  /// @throws OptionError if the step has no checkpoint; IoError, and the old choice stays
  ANYLEAD_INLINE void mark_best(Index step);

  /// Removes all but the `keep` newest checkpoints and the best. @throws OptionError unless keep >= 1; IoError
  ANYLEAD_INLINE void prune(Index keep);

  /// Removes the checkpoints after a step that a run goes on from, best or not: they belong to a course it no longer takes.
  /// @throws IoError
  ANYLEAD_INLINE void discard_after(Index step);

 private:
  ANYLEAD_INLINE bool has(Index step) const;
  ANYLEAD_INLINE void remove(Index step);
  ANYLEAD_INLINE void remove_leftovers() const;

  std::string folder_;
};

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/checkpoint.ipp>
#endif
