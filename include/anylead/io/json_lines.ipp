#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/io/json_lines.hpp>

namespace anylead::io {

ANYLEAD_INLINE JsonLines::JsonLines(const std::string& path) : path_(path) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);  // a pipe must not block
  if (file_ < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
}

ANYLEAD_INLINE JsonLines::~JsonLines() {
  if (file_ >= 0) ::close(file_);
}

ANYLEAD_INLINE void JsonLines::append(std::string_view object) {
  ANYLEAD_CHECK(object.find('\n') == object.npos, OptionError, path_, "a line of a log must not contain a line end");
  std::string line(object);
  line += '\n';
  const off_t before = ::lseek(file_, 0, SEEK_END);
  ssize_t written;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return;
  const std::string reason = written < 0 ? std::strerror(errno) : "no space for the whole line";
  const bool restored = written <= 0 || (before >= 0 && ::ftruncate(file_, before) == 0);
  throw IoError(str(path_, ": cannot be written: ", reason, restored ? "" : "; half a line remains"));
}

ANYLEAD_INLINE void JsonLines::sync() {
  if (::fsync(file_) != 0) throw IoError(str(path_, ": cannot be stored: ", std::strerror(errno)));
}

ANYLEAD_INLINE void cut_json_lines(const std::string& path, Index step) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 && errno == ENOENT) return;
  std::size_t keep = 0, size = 0;
  {
    const MappedFile file(path);  // let go of before the file shrinks
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    size = text.size();
    for (Index number = 1; keep < size; ++number) {
      const auto end = text.find('\n', keep);
      if (end == text.npos) break;
      const auto line = nlohmann::json::parse(text.substr(keep, end - keep), nullptr, false);
      if (!line.is_object()) {
        if (end + 1 == size) break;
        throw FormatError(path, str("line ", number), "expected a JSON object");
      }
      const auto found = line.find("step");
      if (found != line.end() && found->is_number() && found->get<double>() > static_cast<double>(step)) break;
      keep = end + 1;
    }
  }
  if (keep == size) return;
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) throw IoError(str(path, ": cannot be opened: ", std::strerror(errno)));
  const int failed = ::ftruncate(file, static_cast<off_t>(keep)) != 0 || ::fsync(file) != 0 ? errno : 0;
  ::close(file);
  if (failed != 0) throw IoError(str(path, ": cannot be cut: ", std::strerror(failed)));
}

}  // namespace anylead::io
