// The thread pool of the CPU device.
//
// Work is cut into chunks whose borders depend on the problem alone, never on the number of threads: results are bit-equal for
// any number. Every thread starts with a contiguous share, the same in every loop of a size, whose data its caches have; one
// that is done takes chunks from the ends of the others' shares, so that a disturbed core costs little. Between loops threads
// spin briefly and then sleep; a loop does not wait for sleepers.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
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

  /// Calls task(context, chunk) for every chunk, of which there are fewer than 2^32; the caller takes part.
  void run(Index chunks, void (*task)(void*, Index), void* context) {
    std::unique_lock busy(loop_, std::defer_lock);
    if (chunks <= 1 || inside() || workers_.empty() || !busy.try_lock()) {  // nested, or another thread's loop is running
      for (Index i = 0; i < chunks; ++i) task(context, i);
      return;
    }
    task_ = task;
    context_ = context;
    pending_.store(chunks, std::memory_order_relaxed);
    const Index n = threads();
    for (Index i = 0; i < n; ++i) shares_[static_cast<std::size_t>(i)].set(chunks * i / n, chunks * (i + 1) / n);
    {
      const std::lock_guard lock(sleep_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    take_part(0);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < kSpins)
        relax();
      else
        std::this_thread::yield();
    }
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

 private:
  /// Chunks that nobody has taken yet, in one word.
  class alignas(64) Share {
   public:
    void set(Index begin, Index end) { left_.store(word(begin, end), std::memory_order_release); }
    /// Takes a chunk, from the front (the owner) or the back (the others); -1 if none is left.
    Index take(bool front) {
      std::uint64_t left = left_.load(std::memory_order_acquire);
      for (;;) {
        const auto begin = static_cast<Index>(left >> 32), end = static_cast<Index>(left & 0xFFFFFFFFu);
        if (begin == end) return -1;
        const std::uint64_t rest = front ? word(begin + 1, end) : word(begin, end - 1);
        if (left_.compare_exchange_weak(left, rest, std::memory_order_acq_rel, std::memory_order_acquire))
          return front ? begin : end - 1;
      }
    }

   private:
    static std::uint64_t word(Index begin, Index end) {
      return static_cast<std::uint64_t>(begin) << 32 | static_cast<std::uint64_t>(end);
    }
    std::atomic<std::uint64_t> left_{0};
  };

  static constexpr int kSpins = 4000;  // some tens of microseconds: the gap between two ops of a step

  /// A moment, which another thread of the core may have.
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  ThreadPool() { start(static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))); }
  ~ThreadPool() { stop(); }

  static bool& inside() {
    thread_local bool flag = false;
    return flag;
  }

  void start(int threads) {
    stopping_.store(false);
    const std::uint64_t seen = generation_.load();
    shares_ = std::vector<Share>(static_cast<std::size_t>(threads));
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i, seen] { work(static_cast<std::size_t>(i), seen); });
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

  /// Works on the loop of now, if there is one. Who comes late may find the next one: having taken a chunk of it he knows that
  /// it has not ended, and that task_ and context_ are its own.
  void take_part(std::size_t rank) {
    Index done = 0;
    inside() = true;
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      Share& share = shares_[(rank + i) % shares_.size()];
      for (Index chunk; (chunk = share.take(i == 0)) >= 0; ++done) task_(context_, chunk);
    }
    inside() = false;
    if (done) pending_.fetch_sub(done, std::memory_order_acq_rel);
  }

  void work(std::size_t rank, std::uint64_t seen) {
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) relax();
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(sleep_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
      }
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_.load()) return;
      take_part(rank);
    }
  }

  std::vector<std::thread> workers_;
  std::vector<Share> shares_;  // one per thread, the caller's first
  std::mutex loop_, sleep_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<Index> pending_{0};  // chunks that are not done yet, brought up to date when a thread finds no more
  std::atomic<bool> stopping_{false};
  void (*task_)(void*, Index) = nullptr;
  void* context_ = nullptr;
};

}  // namespace detail

/// Number of threads that CPU ops use, the caller included. Starts as the number of cores.
inline int threads() { return detail::ThreadPool::instance().threads(); }

/// Sets it. Not to be called while ops run. @throws OptionError if below 1.
inline void set_threads(int n) {
  ANYLEAD_CHECK(n >= 1 && n <= 1024, OptionError, "set_threads", "expected 1 to 1024 threads, found ", n);
  if (n != threads()) detail::ThreadPool::instance().resize(n);
}

/// Calls f(begin, end) for consecutive pieces of [0, n) of `grain` items each (the last may be shorter; more where there would
/// be over 2^31 pieces), on all threads. f must not throw. Loops inside f run on the calling thread.
template <class F>
void parallel_for(Index n, Index grain, F&& f) {
  if (n <= 0) return;
  struct Loop {
    F& f;
    Index n, grain;
  } loop{f, n, std::max<Index>(grain, 1 + (n >> 31))};
  detail::ThreadPool::instance().run((n + loop.grain - 1) / loop.grain,
                                     [](void* context, Index chunk) {
                                       auto& l = *static_cast<Loop*>(context);
                                       l.f(chunk * l.grain, std::min(l.n, (chunk + 1) * l.grain));
                                     },
                                     &loop);
}

}  // namespace anylead
