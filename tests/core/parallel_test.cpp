#include <anylead/core/parallel.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <support/catch.hpp>

using namespace anylead;

namespace {

/// Sets the number of threads for a test.
struct Threads {
  explicit Threads(int n) { set_threads(n); }
  ~Threads() { set_threads(before); }
  const int before = threads();
};

/// How often each of n items is visited by a loop with this grain.
std::vector<int> visits(Index n, Index grain) {
  std::vector<int> seen(static_cast<std::size_t>(n));
  parallel_for(n, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  return seen;
}

}  // namespace

TEST_CASE("a loop visits every item once, for any number of threads, items and grain", "[core]") {
  for (const int n : {1, 2, 3, 7}) {
    const Threads use(n);
    for (const Index items : {0, 1, 2, 3, 31, 64, 1000})
      for (const Index grain : {0, 1, 7, 64, 5000}) {
        CAPTURE(n, items, grain);
        CHECK(visits(items, grain) == std::vector<int>(static_cast<std::size_t>(items), 1));
      }
  }
}

TEST_CASE("loops that follow each other see what the last one wrote", "[core]") {
  const Threads use(4);
  std::vector<int> from(97, 0), to(97);
  for (int round = 0; round < 3000; ++round) {
    parallel_for(97, 1, [&](Index i, Index) { to[static_cast<std::size_t>(i)] = from[static_cast<std::size_t>(96 - i)] + 1; });
    std::swap(from, to);
  }
  CHECK(from == std::vector<int>(97, 3000));
}

TEST_CASE("a thread that is held up does not hold up the chunks of its share", "[core]") {
  const Threads use(2);
  std::atomic<int> done = 0;
  std::atomic<bool> held = false, timed_out = false;
  // The first chunk waits for all others, half of which are in the share of the thread that waits.
  parallel_for(16, 1, [&](Index i, Index) {
    if (i == 0) {
      held = true;
      const auto start = std::chrono::steady_clock::now();
      while (done < 15 && !timed_out) timed_out = std::chrono::steady_clock::now() - start > std::chrono::seconds(30);
    } else {
      ++done;
    }
  });
  CHECK(held);
  CHECK_FALSE(timed_out);
}

TEST_CASE("a loop inside a loop runs on its thread, and one beside another loop as well", "[core]") {
  const Threads use(3);
  std::atomic<int> inner = 0;
  parallel_for(5, 1, [&](Index, Index) {
    const auto here = std::this_thread::get_id();
    parallel_for(7, 2, [&](Index begin, Index end) {
      if (std::this_thread::get_id() == here) inner += static_cast<int>(end - begin);
    });
  });
  CHECK(inner == 35);
  std::atomic<int> total = 0;
  const auto count = [&] {
    for (int i = 0; i < 200; ++i) parallel_for(11, 1, [&](Index, Index) { ++total; });
  };
  std::thread other(count);
  count();
  other.join();
  CHECK(total == 2 * 200 * 11);
}
