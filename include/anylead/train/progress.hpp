// The line that says how far a long job is.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include <anylead/core/text.hpp>
#include <anylead/core/types.hpp>

namespace anylead::train {

/// "1:05:09", "2:30"
inline std::string duration_text(double seconds) {
  const auto s = static_cast<long>(seconds < 0 ? 0 : seconds + 0.5);
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  return text;
}

/// On a terminal one line that is written over, ten times a second at most; elsewhere plain lines, every few seconds.
class Progress {
 public:
  explicit Progress(std::FILE* to = stderr, double plain_seconds = 5)
      : to_(to), terminal_(isatty(fileno(to)) == 1), interval_(terminal_ ? 0.1 : plain_seconds) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether an update would be shown now: the text need not be made otherwise.
  bool due() const { return seconds() - shown_ >= interval_; }

  /// Shows a line; `last` shows it in any case.
  void show(const std::string& line, bool last = false) {
    if (!last && !due()) return;
    shown_ = seconds();
    if (terminal_) {
      std::fprintf(to_, "\r\x1b[K%s", line.c_str());
      open_ = true;
    } else {
      std::fprintf(to_, "%s\n", line.c_str());
    }
    std::fflush(to_);
  }

  /// Ends the line, so that other text may follow.
  void finish() {
    if (open_) std::fputc('\n', to_);
    open_ = false;
  }

  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::FILE* to_;
  bool terminal_, open_ = false;
  double interval_, shown_ = -1e9;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace anylead::train
