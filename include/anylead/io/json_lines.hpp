// Logs of one JSON object per line, such as the metrics of a run.
#pragma once

#include <string>
#include <string_view>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::io {

/// Appends to a log. Every line reaches the file in one piece before append() returns: readers never see half a line, and a
/// process that is killed loses none.
class JsonLines {
 public:
  /// Makes the file if there is none. @throws IoError
  ANYLEAD_INLINE explicit JsonLines(const std::string& path);
  ANYLEAD_INLINE ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  /// Appends a JSON object and a line end.
  /// @throws OptionError if it contains a line end; IoError, and the file is as before
  ANYLEAD_INLINE void append(std::string_view object);

  /// Waits until the disk has everything. @throws IoError
  ANYLEAD_INLINE void sync();

 private:
  std::string path_;
  int file_ = -1;
};

/// Cuts a log off before its first line whose "step" exceeds `step`, and cuts off a last line that is torn. A file that does
/// not exist is a log without lines.
/// @throws IoError; FormatError with the line if a line before the last is no JSON object
ANYLEAD_INLINE void cut_json_lines(const std::string& path, Index step);

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/json_lines.ipp>
#endif
