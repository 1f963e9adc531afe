// A polite answer to Ctrl-C and to kill: finish the step, save, then go.
#pragma once

#include <atomic>
#include <csignal>

namespace anylead::train {

/// While it lives, SIGINT and SIGTERM are remembered instead of ending the program; a second one ends it at once. One at a
/// time.
class StopSignal {
 public:
  StopSignal() {
    received().store(0);
    for (const int number : {SIGINT, SIGTERM}) before_[number == SIGTERM] = std::signal(number, &StopSignal::remember);
  }
  ~StopSignal() {
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, before_[number == SIGTERM]);
  }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Number of the signal, 0 if none came. A program stopped so exits with 128 + number.
  int number() const { return received().load(); }

 private:
  static std::atomic<int>& received() {
    static std::atomic<int> number{0};
    return number;
  }
  static void remember(int number) {
    received().store(number);
    std::signal(number, SIG_DFL);
  }

  void (*before_[2])(int) = {};
};

}  // namespace anylead::train
