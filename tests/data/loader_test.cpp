#include <anylead/core/error.hpp>
#include <anylead/data/loader.hpp>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include <anylead/data/cached_segments.hpp>
#include <anylead/data/split.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

// 23 recordings of 10 patients, 0.5 s at 100 Hz in two leads: 46 segments, 23 pairs
struct Collection {
  TemporaryFolder folder;
  SegmentCache cache;
  Collection() : cache(make()) {}

 private:
  SegmentCache make() const {
    MemorySource source;
    for (int i = 0; i < 23; ++i) source.records.push_back(make_record(str("r", i), str("p", i % 10), 1.1, 100, {"I", "II"}));
    return cached_segments(source, folder.path(), {.leads = {"I", "II", "V1"}, .rate_hz = 100, .seconds = 0.5});
  }
};

bool equal(const Batch& a, const Batch& b) {
  return a.size == b.size && a.signal == b.signal && a.present == b.present && a.patient == b.patient && a.record == b.record &&
         a.number == b.number && a.segment == b.segment && a.epoch == b.epoch && a.position == b.position;
}

std::vector<Batch> take(Loader& loader, Index n) {
  std::vector<Batch> batches;
  for (Index i = 0; i < n; ++i) batches.push_back(loader.next());
  return batches;
}

std::vector<Augmentation> all_noises() { return {Powerline{{.p = 0.5}}, Emg{}, BaselineWander{}, BaselineShift{{.p = 0.7}}}; }

}  // namespace

TEST_CASE("a batch of pairs holds neighbours side by side", "[data]") {
  const Collection c;
  const auto pairs = segment_pairs(c.cache);
  REQUIRE(pairs.items() == 23);
  Loader loader(c.cache, pairs, {.batch = 8});
  CHECK(loader.batches_per_epoch() == 5);
  const Batch& batch = loader.next();
  REQUIRE(batch.size == 8);
  REQUIRE(batch.signal.size() == 8 * 3 * 50);
  CHECK(batch.leads == 3);
  CHECK(batch.samples == 50);
  for (Index b = 0; b < 8; ++b) {
    const Index s = batch.number[b];
    CHECK(batch.segment[b] == b % 2);
    CHECK(c.cache.position(s) == b % 2);
    CHECK(batch.record[b] == c.cache.record_of(s));
    CHECK(batch.patient[b] == c.cache.records()[batch.record[b]].patient);
    CHECK(std::equal(c.cache.signal(s).begin(), c.cache.signal(s).end(), batch.signal.begin() + b * 150));
    CHECK(std::vector<Flag>(batch.present.begin() + b * 3, batch.present.begin() + b * 3 + 3) == std::vector<Flag>{1, 1, 0});
    if (b % 2) CHECK(s == batch.number[b - 1] + 1);
  }
}

TEST_CASE("an epoch shows every item once, each epoch in another order", "[data]") {
  const Collection c;
  Loader loader(c.cache, single_segments(c.cache), {.batch = 10, .drop_last = false});
  REQUIRE(loader.batches_per_epoch() == 5);
  std::vector<std::vector<Index>> orders;
  for (Index epoch = 0; epoch < 3; ++epoch) {
    std::vector<Index> seen;
    for (Index i = 0; i < 5; ++i) {
      const Batch& batch = loader.next();
      CHECK(batch.epoch == epoch);
      CHECK(batch.position == i);
      CHECK(batch.size == (i == 4 ? 6 : 10));
      CHECK(batch.signal.size() == static_cast<std::size_t>(batch.size * 150));
      seen.insert(seen.end(), batch.number.begin(), batch.number.end());
    }
    orders.push_back(seen);
    std::sort(seen.begin(), seen.end());
    std::vector<Index> all(46);
    std::iota(all.begin(), all.end(), Index{0});
    CHECK(seen == all);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
}

TEST_CASE("without shuffling the order is that of the selection", "[data]") {
  const Collection c;
  Loader loader(c.cache, single_segments(c.cache), {.batch = 23, .shuffle = false});
  for (Index i = 0; i < 4; ++i) CHECK(loader.next().number[0] == i % 2 * 23);
}

TEST_CASE("frozen batches keep their members and change their order", "[data]") {
  const Collection c;
  Loader loader(c.cache, segment_pairs(c.cache), {.batch = 4, .frozen_batches = true});
  const Index n = loader.batches_per_epoch();
  REQUIRE(n == 11);
  std::vector<std::vector<std::vector<Index>>> epochs;
  for (Index e = 0; e < 3; ++e) {
    epochs.emplace_back();
    for (Index i = 0; i < n; ++i) epochs.back().push_back(loader.next().number);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  CHECK(epochs[0][0][0] + epochs[0][1][0] + epochs[0][2][0] != 0 + 4 + 8);  // members are shuffled
  for (auto& epoch : epochs) std::sort(epoch.begin(), epoch.end());
  CHECK(epochs[0] == epochs[1]);
  CHECK(epochs[1] == epochs[2]);
}

TEST_CASE("threads and prefetching do not change the sequence", "[data]") {
  const Collection c;
  const auto pairs = segment_pairs(c.cache);
  Loader::Options options{.batch = 6, .prefetch = 0, .augmentations = all_noises()};
  Loader plain(c.cache, pairs, options);
  const auto expected = take(plain, 25);
  for (const auto& [prefetch, threads] : {std::pair{1, 1}, {3, 2}, {5, 4}, {20, 3}}) {
    options.prefetch = prefetch;
    options.threads = threads;
    Loader loader(c.cache, pairs, options);
    for (const Batch& batch : expected) REQUIRE(equal(loader.next(), batch));
  }
}

TEST_CASE("another seed gives another order and other noise", "[data]") {
  const Collection c;
  Loader::Options options{.batch = 46, .augmentations = all_noises()};
  Loader one(c.cache, single_segments(c.cache), options);
  options.seed = 2;
  Loader two(c.cache, single_segments(c.cache), options);
  CHECK(one.next().number != two.next().number);

  options.shuffle = false;
  Loader three(c.cache, single_segments(c.cache), options);
  options.seed = 3;
  Loader four(c.cache, single_segments(c.cache), options);
  const Batch a = three.next();
  CHECK(a.number == four.next().number);
  four.restore({0, 0});
  CHECK(a.signal != four.next().signal);
}

TEST_CASE("a segment gets other noise in each epoch", "[data]") {
  const Collection c;
  Loader loader(c.cache, single_segments(c.cache), {.batch = 46, .shuffle = false, .augmentations = {Emg{}}});
  const Batch first = loader.next();
  const Batch second = loader.next();
  CHECK(first.number == second.number);
  CHECK(first.signal != second.signal);
  CHECK(first.signal[2 * 50] == 0);  // V1 is absent
}

TEST_CASE("a restored loader continues bit for bit", "[data]") {
  const Collection c;
  const auto pairs = segment_pairs(c.cache);
  const Index prefetch = GENERATE(0, 1, 4);
  const bool frozen = GENERATE(false, true);
  const Loader::Options options{.batch = 6,
                                .frozen_batches = frozen,
                                .drop_last = false,
                                .prefetch = prefetch,
                                .threads = 2,
                                .augmentations = all_noises()};
  Loader loader(c.cache, pairs, options);
  const Index n = loader.batches_per_epoch();
  REQUIRE(n == 8);
  std::vector<LoaderState> states = {loader.state()};
  std::vector<Batch> batches;
  for (Index i = 0; i < 2 * n + 3; ++i) {
    batches.push_back(loader.next());
    states.push_back(loader.state());
  }
  CHECK(states[0] == LoaderState{0, 0});
  CHECK(states[3] == LoaderState{0, 3});
  CHECK(states[8] == LoaderState{1, 0});
  for (const Index at : {0, 1, 7, 8, 9, 15, 16}) {
    Loader fresh(c.cache, pairs, options);
    fresh.restore(states[at]);
    CHECK(fresh.state() == states[at]);
    for (Index i = at; i < at + 3; ++i) REQUIRE(equal(fresh.next(), batches[i]));
    fresh.restore(states[2]);  // a running one, backwards or forwards
    REQUIRE(equal(fresh.next(), batches[2]));
  }
}

TEST_CASE("in the steady state the memory of batches is used again", "[data]") {
  const Collection c;
  Loader loader(c.cache, segment_pairs(c.cache), {.batch = 6, .prefetch = 3, .threads = 2, .augmentations = all_noises()});
  const auto memory = [](const Batch& b) {
    return std::vector<const void*>{b.signal.data(), b.present.data(), b.patient.data(),
                                    b.record.data(), b.number.data(),  b.segment.data()};
  };
  std::vector<std::vector<const void*>> known;
  for (Index i = 0; i < 8; ++i) known.push_back(memory(loader.next()));
  for (Index i = 0; i < 40; ++i) CHECK(std::find(known.begin(), known.end(), memory(loader.next())) != known.end());
}

TEST_CASE("a batch stays as it is until the next one is asked for", "[data]") {
  const Collection c;
  Loader loader(c.cache, segment_pairs(c.cache), {.batch = 4, .prefetch = 2, .threads = 2});
  for (Index i = 0; i < 6; ++i) {
    const Batch& batch = loader.next();
    const Batch copy = batch;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the threads fill every slot they may
    CHECK(equal(batch, copy));
  }
}

TEST_CASE("a loader may end at any moment", "[data]") {
  const Collection c;
  for (Index n = 0; n < 12; ++n) {
    Loader loader(c.cache, segment_pairs(c.cache), {.batch = 2, .prefetch = 1 + n % 5, .threads = 1 + n % 3});
    take(loader, n);
    Loader moved = std::move(loader);
    take(moved, 1);
  }
}

TEST_CASE("an epoch of one batch runs on", "[data]") {
  const Collection c;
  Loader loader(c.cache, segment_pairs(c.cache), {.batch = 46, .prefetch = 6, .threads = 3});
  for (Index i = 0; i < 20; ++i) CHECK(loader.next().epoch == i);
}

TEST_CASE("what goes wrong in a thread is thrown by next", "[data]") {
  const Collection c;
  const Index prefetch = GENERATE(0, 2);
  Loader loader(c.cache, Selection{1, {0, 1, 46}}, {.batch = 1, .shuffle = false, .prefetch = prefetch});
  loader.next();
  loader.next();
  CHECK_THROWS_AS(loader.next(), OptionError);
  CHECK_THROWS_AS(loader.next(), OptionError);
  loader.restore({0, 1});
  CHECK(loader.next().number[0] == 1);
}

TEST_CASE("a loader refuses what it cannot serve", "[data]") {
  const Collection c;
  const auto pairs = segment_pairs(c.cache);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 7}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 0}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 48}), OptionError);
  try {
    Loader(c.cache, pairs, {.batch = 48});
  } catch (const OptionError& e) {
    CHECK(std::string(e.what()).find("at least 24 pairs for a batch, found 23") != std::string::npos);
  }
  CHECK_NOTHROW(Loader(c.cache, pairs, {.batch = 48, .drop_last = false}));
  CHECK_THROWS_AS(Loader(c.cache, Selection{2, {}}, {.batch = 48, .drop_last = false}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, Selection{2, {0, 1, 2}}, {.batch = 2}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, Selection{0, {0, 1, 2}}, {.batch = 2}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 2, .prefetch = -1}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 2, .threads = 0}), OptionError);
  CHECK_THROWS_AS(Loader(c.cache, pairs, {.batch = 2, .augmentations = {Powerline{{.p = 2}}}}), OptionError);
  Loader loader(c.cache, pairs, {.batch = 2});
  CHECK_THROWS_AS(loader.restore({0, 23}), OptionError);
  CHECK_THROWS_AS(loader.restore({-1, 0}), OptionError);
}
