#include <anylead/core/error.hpp>
#include <anylead/data/split.hpp>

#include <algorithm>
#include <limits>
#include <set>

#include <anylead/data/cached_segments.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

SegmentCache cache_of(const TemporaryFolder& folder, const std::vector<Record>& records, bool record_is_patient = false) {
  return cached_segments(MemorySource{records}, folder.path(),
                         {.leads = {"I"}, .rate_hz = 100, .seconds = 0.1, .record_is_patient = record_is_patient});
}

std::vector<Record> hundred(int first, int last) {
  std::vector<Record> records;
  for (int i = first; i < last; ++i) records.push_back(make_record(str("r", i), str("p", i / 2), 0.2, 100, {"I"}));
  return records;
}

std::set<std::string> patients_of(const SegmentCache& cache, const Selection& selection) {
  std::set<std::string> names;
  for (const Index s : selection.segments) names.insert(cache.patients()[cache.records()[cache.record_of(s)].patient]);
  return names;
}

/// A recording of seven segments whose second one is invalid, and one of a single segment.
std::vector<Record> with_a_hole() {
  std::vector<Record> records = {make_record("a", "", 0.75, 100, {"I"}), make_record("b", "", 0.1, 100, {"I"})};
  for (Index t = 10; t < 20; ++t) records[0].signal[t] = std::numeric_limits<float>::quiet_NaN();
  return records;
}

}  // namespace

TEST_CASE("pairs are neighbours in time and each segment is in one at most", "[data]") {
  const TemporaryFolder folder;
  const auto cache = cache_of(folder, with_a_hole());  // positions 0, 2, 3, 4, 5, 6 of a; 0 of b
  REQUIRE(cache.size() == 7);
  const auto pairs = segment_pairs(cache);
  CHECK(pairs.per_item == 2);
  CHECK(pairs.segments == std::vector<Index>{1, 2, 3, 4});
  CHECK(pairs.items() == 2);
  CHECK(pairs.item(1)[0] == 3);
}

TEST_CASE("the manifest rule couples survivors in order, whatever lies between", "[data]") {
  const TemporaryFolder folder;
  const auto pairs = segment_pairs(cache_of(folder, with_a_hole()), PairRule::manifest);
  CHECK(pairs.segments == std::vector<Index>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("single segments are all segments", "[data]") {
  const TemporaryFolder folder;
  CHECK(single_segments(cache_of(folder, with_a_hole())).segments == std::vector<Index>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("a split covers everything and shares no patient", "[data]") {
  const TemporaryFolder folder;
  const auto cache = cache_of(folder, hundred(0, 100));
  const auto pairs = segment_pairs(cache);
  const auto split = split_by_patient(cache, pairs, {.validation = 0.3});
  CHECK(split.training.items() + split.validation.items() == pairs.items());
  CHECK(split.training.per_item == 2);
  CHECK(split.validation.items() > 0);
  const auto a = patients_of(cache, split.training), b = patients_of(cache, split.validation);
  CHECK(a.size() + b.size() == 50);
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  CHECK(both.empty());
}

TEST_CASE("recordings that join a collection move nobody", "[data]") {
  const TemporaryFolder folder;
  const auto few = cache_of(folder, hundred(20, 60)), all = cache_of(folder, hundred(0, 100));
  const SplitOptions options{.validation = 0.4, .seed = 9};
  const auto before = patients_of(few, split_by_patient(few, single_segments(few), options).validation);
  const auto after = patients_of(all, split_by_patient(all, single_segments(all), options).validation);
  CHECK(before.size() > 0);
  CHECK(std::includes(after.begin(), after.end(), before.begin(), before.end()));
}

TEST_CASE("the share of patients held out is the one asked for, and the seed decides which", "[data]") {
  Index held_out = 0, different = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string name = str("patient-", i);
    held_out += in_validation(name, {.validation = 0.05, .seed = 1});
    different += in_validation(name, {.validation = 0.05, .seed = 1}) != in_validation(name, {.validation = 0.05, .seed = 2});
    REQUIRE_FALSE(in_validation(name, {.validation = 0}));
    REQUIRE(in_validation(name, {.validation = 1}));
  }
  CHECK(std::abs(double(held_out) - 1000) < 4 * std::sqrt(20000 * 0.05 * 0.95));
  CHECK(std::abs(double(different) - 1900) < 4 * std::sqrt(20000 * 0.095 * 0.905));
  CHECK_THROWS_AS(in_validation("a", {.validation = 1.5}), OptionError);
  CHECK_THROWS_AS(in_validation("a", {.validation = -0.1}), OptionError);
}

TEST_CASE("the reference's patients are recordings", "[data]") {
  const TemporaryFolder folder;
  CHECK(cache_of(folder, hundred(0, 10)).patients().size() == 5);
  CHECK(cache_of(folder, hundred(0, 10), true).patients().size() == 10);
}
