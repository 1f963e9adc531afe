// The thread pool of the CPU device.
//
// Work is cut into chunks whose borders depend on the problem alone, never on the number of threads: results are bit-equal for
// any number. Threads spin briefly between loops and then sleep, so that a disturbed core costs little.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/types.hpp>

namespace anylead {

namespace detail {

class ThreadPool {
 public:
  static ThreadPool& instance() {
    static ThreadPool pool;
    return pool;
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void resize(int threads) {
    const std::lock_guard busy(loop_);
    stop();
    start(threads);
  }

  /// Calls task(context, chunk) for every chunk; chunks are dealt out in contiguous ranges, the caller takes part.
  void run(Index chunks, void (*task)(void*, Index), void* context) {
    std::unique_lock busy(loop_, std::defer_lock);
    if (chunks <= 1 || inside() || workers_.empty() || !busy.try_lock()) {  // nested, or another thread's loop is running
      for (Index i = 0; i < chunks; ++i) task(context, i);
      return;
    }
    task_ = task;
    context_ = context;
    chunks_ = chunks;
    pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    {
      const std::lock_guard lock(sleep_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    share(0);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin)
      if (spin >= kSpins) std::this_thread::yield();
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

 private:
  static constexpr int kSpins = 20000;  // some tens of microseconds: the gap between two ops of a step

  ThreadPool() { start(static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))); }
  ~ThreadPool() { stop(); }

  static bool& inside() {
    thread_local bool flag = false;
    return flag;
  }

  void start(int threads) {
    stopping_.store(false);
    const std::uint64_t seen = generation_.load();
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i, seen] { work(i, seen); });
  }

  void stop() {
    stopping_.store(true);
    {
      const std::lock_guard lock(sleep_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
  }

  void share(int rank) {
    const Index shares = static_cast<Index>(workers_.size()) + 1;
    inside() = true;
    for (Index i = chunks_ * rank / shares; i < chunks_ * (rank + 1) / shares; ++i) task_(context_, i);
    inside() = false;
  }

  void work(int rank, std::uint64_t seen) {
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) {
      }
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(sleep_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
      }
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_.load()) return;
      share(rank);
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers_;
  std::mutex loop_, sleep_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> pending_{0};
  std::atomic<bool> stopping_{false};
  void (*task_)(void*, Index) = nullptr;
  void* context_ = nullptr;
  Index chunks_ = 0;
};

}  // namespace detail

/// Number of threads that CPU ops use, the caller included. Starts as the number of cores.
inline int threads() { return detail::ThreadPool::instance().threads(); }

/// Sets it. Not to be called while ops run. @throws OptionError if below 1.
inline void set_threads(int n) {
  ANYLEAD_CHECK(n >= 1 && n <= 1024, OptionError, "set_threads", "expected 1 to 1024 threads, found ", n);
  if (n != threads()) detail::ThreadPool::instance().resize(n);
}

/// Calls f(begin, end) for consecutive pieces of [0, n) of `grain` items each (the last may be shorter), on all threads.
/// f must not throw. Loops inside f run on the calling thread.
template <class F>
void parallel_for(Index n, Index grain, F&& f) {
  if (n <= 0) return;
  struct Loop {
    F& f;
    Index n, grain;
  } loop{f, n, std::max<Index>(1, grain)};
  detail::ThreadPool::instance().run((n + loop.grain - 1) / loop.grain,
                                     [](void* context, Index chunk) {
                                       auto& l = *static_cast<Loop*>(context);
                                       l.f(chunk * l.grain, std::min(l.n, (chunk + 1) * l.grain));
                                     },
                                     &loop);
}

}  // namespace anylead
