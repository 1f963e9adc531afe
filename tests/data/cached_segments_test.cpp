#include <anylead/core/error.hpp>
#include <anylead/data/cached_segments.hpp>

#include <cstring>
#include <filesystem>

#include <anylead/core/parallel.hpp>
#include <anylead/core/random.hpp>
#include <anylead/data/hash.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>
#include <support/file_size_limit.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

MemorySource three_records() { return {{make_record("a", "p1", 12), make_record("b", "", 5), make_record("c", "p1", 10.5)}}; }

}  // namespace

TEST_CASE("a cache holds the segments of every recording bit for bit", "[data]") {
  const TemporaryFolder folder;
  const MemorySource source = three_records();
  const auto cache = cached_segments(source, folder.path());
  REQUIRE(cache.size() == 5);
  CHECK(cache.leads() == 12);
  CHECK(cache.samples() == 2500);
  CHECK(cache.rate_hz() == 500);
  CHECK(cache.lead_names() == standard_lead_names());
  REQUIRE(cache.records().size() == 3);
  CHECK(cache.records()[2].id == "c");
  CHECK(cache.records()[2].source == 2);
  CHECK(cache.records()[2].first == 3);
  CHECK(cache.records()[2].count == 2);
  CHECK(cache.patients() == std::vector<std::string>{"p1", "record b"});
  CHECK(cache.records()[0].patient == 0);
  CHECK(cache.records()[1].patient == 1);
  CHECK(cache.records()[2].patient == 0);
  for (Index s = 0; s < cache.size(); ++s) {
    const Record& r = source.records[cache.record_of(s)];
    bool equal = true;
    for (Index c = 0; c < 12; ++c)
      for (Index t = 0; t < 2500; ++t)
        equal = equal && cache.signal(s)[c * 2500 + t] == r.lead(c)[cache.position(s) * 2500 + t];
    CHECK(equal);
    CHECK(cache.present(s)[11] == 1);
  }
  CHECK(cache.position(4) == 1);
  CHECK(cache.start_seconds(4) == 5);
  CHECK(cache.report().used == 3);
  CHECK(cache.report().segments == 5);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a second run opens the file and still shows the report", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = three_records();
  source.records.push_back(make_record("broken", "", 10));
  source.records.back().comments = {"expected 1, found 2"};
  source.records.push_back(make_record("short", "", 4.9));
  Index calls = 0, last = 0;
  const auto count = [&](Index done, Index total) {
    ++calls;
    last = done;
    CHECK(total == 5);
  };
  const auto first = cached_segments(source, folder.path(), {}, count);
  CHECK(calls == 5);
  CHECK(last == 5);
  const auto second = cached_segments(source, folder.path(), {}, count);
  CHECK(calls == 5);
  CHECK(second.path() == first.path());
  const auto& report = second.report();
  CHECK(report.records == 5);
  CHECK(report.used == 3);
  CHECK(report.too_short == 1);
  REQUIRE(report.bad.size() == 1);
  CHECK(report.bad[0].record == "broken");
  CHECK(report.bad[0].message == "broken: byte 7: expected 1, found 2");
  CHECK(str(report) ==
        "3 of 5 records used, 5 segments, 1 records too short, 1 records unreadable\n  broken: byte 7: expected 1, found 2");
}

TEST_CASE("notes on files are kept with the segments", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = three_records();
  for (const std::size_t i : {0, 2}) source.records[i].notes = {source.records[i].id + ".dat: byte 4: 2 bytes too many"};
  cached_segments(source, folder.path());
  const auto cache = cached_segments(source, folder.path());
  REQUIRE(cache.report().notes.size() == 2);
  CHECK(cache.report().notes[1].record == "c");
  CHECK(cache.report().notes[1].message == "c.dat: byte 4: 2 bytes too many");
  CHECK(cache.report().used == 3);
  CHECK(str(cache.report()) ==
        "3 of 3 records used, 5 segments, 2 notes on files\n  a.dat: byte 4: 2 bytes too many\n  c.dat: byte 4: 2 bytes too "
        "many");
}

TEST_CASE("other recordings or other options make another cache", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = three_records();
  std::vector<std::uint64_t> keys = {cached_segments(source, folder.path()).key()};
  const auto add = [&](const SegmentOptions& options) {
    const auto key = cached_segments(source, folder.path(), options).key();
    CHECK(std::find(keys.begin(), keys.end(), key) == keys.end());
    keys.push_back(key);
  };
  add({.leads = {"II", "I"}});
  add({.rate_hz = 250});
  add({.seconds = 2.5});
  add({.bridged_seconds = 0.01});
  add({.flat_is_absent = true});
  add({.normalization = Normalization::z_score});
  add({.resampling = Resampling::linear});
  add({.drop_duplicates = false});
  add({.record_is_patient = true});
  source.edition = 2;
  add({});
  source.records[1].id = "d";
  add({});
  CHECK(files_in(folder.path()) == static_cast<Index>(keys.size()));
}

TEST_CASE("every truncation and every damaged byte of the index is found, and the cache is made anew", "[data]") {
  const TemporaryFolder folder;
  const MemorySource source = {{make_record("a", "p", 1, 100, {"I"}), make_record("b", "q", 2, 100, {"V1"})}};
  const SegmentOptions options{.leads = {"I", "V1"}, .rate_hz = 100, .seconds = 0.1};
  const std::string path = cached_segments(source, folder.path(), options).path();
  const std::string good = read_file(path);
  const std::size_t index = 4096 + 30 * 2 * 10 * 4;
  for (std::size_t length = 0; length < good.size(); length += length < index - 8 ? 97 : 1) {
    write_file(path, good.substr(0, length));
    REQUIRE_THROWS_AS(SegmentCache::open(path), FormatError);
  }
  write_file(path, good + "x");
  REQUIRE_THROWS_AS(SegmentCache::open(path), FormatError);
  for (std::size_t at = 0; at < good.size(); at = at == 55 ? index : at + 1) {
    if (at >= 8 && at < 16) continue;  // the key: decides whether it is the wanted cache, tested below
    for (const int bit : {0, 3, 7}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      write_file(path, bad);
      REQUIRE_THROWS_AS(SegmentCache::open(path), FormatError);
    }
  }
  std::string other_key = good;
  other_key[8] = static_cast<char>(other_key[8] ^ 1);
  for (const std::string& bad : {other_key, good.substr(0, 5000), std::string()}) {
    write_file(path, bad);
    CHECK(cached_segments(source, folder.path(), options).size() == 30);
    CHECK(read_file(path) == good);
  }
}

TEST_CASE("an index of contradictions under a right checksum is a FormatError or harmless", "[data]") {
  const TemporaryFolder folder;
  const MemorySource source = {{make_record("a", "p", 1, 100, {"I"}), make_record("b", "q", 2, 100, {"V1"})}};
  const std::string path =
      cached_segments(source, folder.path(), {.leads = {"I", "V1"}, .rate_hz = 100, .seconds = 0.1}).path();
  const std::string good = read_file(path);
  const std::size_t index = 4096 + 30 * 2 * 10 * 4;
  RandomSequence random({1, 0, site_key("test")});
  Index refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (std::uint32_t k = 1 + random.below(3); k > 0; --k)
      bad[index + random.below(static_cast<std::uint32_t>(bad.size() - index))] =
          static_cast<char>(random.below(3) * 127 + random.below(2));
    Hash64 hash;
    hash.add(bad.data() + index, bad.size() - index);
    const std::uint64_t value = hash.value();
    std::memcpy(bad.data() + 48, &value, sizeof value);
    write_file(path, bad);
    try {
      const auto cache = SegmentCache::open(path);
      for (Index s = 0; s < cache.size(); ++s) REQUIRE(cache.signal(s).size() == 20);
      for (const auto& r : cache.records()) REQUIRE(static_cast<std::size_t>(r.patient) < cache.patients().size());
    } catch (const FormatError&) {
      ++refused;
    }
  }
  CHECK(refused > 500);
  CHECK(refused < 3000);
}

TEST_CASE("a full disk is an IoError and leaves no file", "[data]") {
  const TemporaryFolder folder;
  {
    const FileSizeLimit limit(200000);
    CHECK_THROWS_AS(cached_segments(three_records(), folder.path()), IoError);
  }
  CHECK(files_in(folder.path()) == 0);
  CHECK(cached_segments(three_records(), folder.path()).size() == 5);
}

TEST_CASE("a progress callback may stop the building", "[data]") {
  const TemporaryFolder folder;
  const auto stop = [](Index done, Index) {
    if (done == 2) throw Error("stopped");
  };
  CHECK_THROWS_WITH(cached_segments(three_records(), folder.path(), {}, stop), "stopped");
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a folder that cannot be made is an IoError", "[data]") {
  CHECK_THROWS_AS(cached_segments(three_records(), "/dev/null/cache"), IoError);
  CHECK_THROWS_AS(cached_segments(three_records(), ""), OptionError);
  CHECK_THROWS_AS(SegmentCache::open("/nowhere/file"), IoError);
  CHECK_THROWS_AS(SegmentCache::open("/tmp"), IoError);
}

TEST_CASE("a collection without segments has an empty cache", "[data]") {
  const TemporaryFolder folder;
  CHECK(cached_segments(MemorySource{}, folder.path()).size() == 0);
  const auto cache = cached_segments(MemorySource{{make_record("a", "", 1)}}, folder.path());
  CHECK(cache.size() == 0);
  CHECK(cache.report().too_short == 1);
  CHECK_THROWS_AS(cache.signal(0), OptionError);
  CHECK_THROWS_AS(cache.present(-1), OptionError);
}

TEST_CASE("of equal recordings the first is used, and all their patients are one", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = {{make_record("x/HR00001", "", 10), make_record("other", "7", 10), make_record("x/00001_hr", "7", 10)}};
  source.records[2].signal = source.records[0].signal;
  const auto cache = cached_segments(source, folder.path());
  REQUIRE(cache.records().size() == 2);
  REQUIRE(cache.report().duplicates.size() == 1);
  CHECK(cache.report().duplicates[0].record == "x/00001_hr");
  CHECK(cache.report().duplicates[0].of == "x/HR00001");
  CHECK(cache.patients() == std::vector<std::string>{"7"});
  CHECK(cache.records()[0].patient == 0);
  CHECK(cache.records()[1].patient == 0);

  CHECK(cached_segments(source, folder.path(), {.drop_duplicates = false}).records().size() == 3);
  const auto apart = cached_segments(source, folder.path(), {.drop_duplicates = false, .record_is_patient = true});
  CHECK(apart.patients().size() == 3);

  source.edition = 3;
  source.records[0].patient = "5";  // 5 and 7 are names of one
  CHECK(cached_segments(source, folder.path()).patients() == std::vector<std::string>{"5"});

  source.edition = 2;
  source.records[2].rate_hz = 250;  // the same numbers at another rate are another signal
  CHECK(cached_segments(source, folder.path()).records().size() == 3);
}

TEST_CASE("a patient who is called like the stand-in of an unknown one is somebody else", "[data]") {
  const TemporaryFolder folder;
  const MemorySource source = {{make_record("a", "", 5), make_record("b", "record a", 5)}};
  CHECK(cached_segments(source, folder.path()).patients().size() == 2);
}

TEST_CASE("flat recordings are not taken for copies of each other", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = {{make_record("a", "", 5), make_record("b", "", 5)}};
  for (Record& r : source.records) std::fill(r.signal.begin(), r.signal.end(), 0.f);
  CHECK(cached_segments(source, folder.path()).records().size() == 2);
  for (Record& r : source.records) std::fill(r.signal.begin() + 2500, r.signal.end(), std::nanf(""));
  source.edition = 2;
  CHECK(cached_segments(source, folder.path()).records().size() == 2);
}

TEST_CASE("a low-rate copy gives way to its high-rate recording unless that cannot be read", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = {{make_record("records100/00001_lr", "1", 10, 100), make_record("records100/00002_lr", "2", 10, 100),
                          make_record("records100/00003_lr", "3", 10, 100), make_record("records500/00001_hr", "1", 10),
                          make_record("records500/00002_hr", "2", 10)}};
  source.records[4].comments = {"unreadable"};
  const auto cache = cached_segments(source, folder.path());
  REQUIRE(cache.records().size() == 3);
  std::vector<std::string> ids;
  for (const auto& r : cache.records()) ids.push_back(r.id);
  CHECK(ids == std::vector<std::string>{"records100/00003_lr", "records500/00001_hr", "records100/00002_lr"});
  REQUIRE(cache.report().duplicates.size() == 1);
  CHECK(cache.report().duplicates[0].record == "records100/00001_lr");
  CHECK(cache.report().duplicates[0].of == "records500/00001_hr");
  CHECK(cache.report().bad.size() == 1);
}

TEST_CASE("recordings of other folders with such names are no copies", "[data]") {
  const TemporaryFolder folder;
  MemorySource source = {{make_record("clinic/1_lr", "", 5, 100), make_record("ward/1_hr", "", 5), make_record("_lr", "", 5),
                          make_record("_hr", "", 5), make_record("x/2_lr", "", 5, 100), make_record("x/2_hr", "", 5)}};
  const auto cache = cached_segments(source, folder.path());
  REQUIRE(cache.report().duplicates.size() == 1);
  CHECK(cache.report().duplicates[0].record == "x/2_lr");
}

TEST_CASE("the number of threads does not change the file", "[data]") {
  const TemporaryFolder one, three;
  MemorySource source;
  for (int i = 0; i < 20; ++i)
    source.records.push_back(make_record(str("r", i), str("p", i % 7), 5 + i % 4 * 3, i % 2 ? 500 : 257));
  const int before = threads();
  set_threads(1);
  const auto a = read_file(cached_segments(source, one.path()).path());
  set_threads(3);
  const auto b = read_file(cached_segments(source, three.path()).path());
  set_threads(before);
  CHECK(a == b);
}
