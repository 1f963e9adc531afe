#include <anylead/core/error.hpp>
#include <anylead/data/segments.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <data/memory_source.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Two leads at 100 Hz, segments of half a second
const SegmentOptions kSmall{.leads = {"I", "V1"}, .rate_hz = 100, .seconds = 0.5};

std::vector<Flag> flags(const PreparedRecord& r) { return r.present; }

}  // namespace

TEST_CASE("consecutive pieces are cut from the start and the remainder is left", "[data]") {
  const Record record = make_record("a", "", 1.77, 100, {"V1", "I"});
  const auto out = Segmenter(kSmall)(record);
  const auto signal = out.signal();
  REQUIRE(out.size() == 3);
  CHECK(out.position == std::vector<Index>{0, 1, 2});
  REQUIRE(signal.size() == 3 * 2 * 50);
  for (Index s = 0; s < 3; ++s)
    for (Index t = 0; t < 50; ++t) {
      REQUIRE(signal[s * 100 + t] == record.lead(1)[s * 50 + t]);       // I
      REQUIRE(signal[s * 100 + 50 + t] == record.lead(0)[s * 50 + t]);  // V1
    }
  CHECK(flags(out) == std::vector<Flag>(6, 1));
  CHECK(out.counts.used == 1);
  CHECK(out.counts.segments == 3);
}

TEST_CASE("a recording shorter than a segment has none", "[data]") {
  for (const double seconds : {0., 0.01, 0.49}) {
    const auto out = Segmenter(kSmall)(make_record("a", "", seconds, 100, {"I"}));
    CHECK(out.size() == 0);
    CHECK(out.counts.too_short == 1);
    CHECK(out.counts.used == 0);
    CHECK(out.counts.without_segment == 0);
  }
  CHECK(Segmenter(kSmall)(make_record("a", "", 0.5, 100, {"I"})).size() == 1);
}

TEST_CASE("missing leads are zero and absent", "[data]") {
  const auto out = Segmenter(kSmall)(make_record("a", "", 0.5, 100, {"V1", "resp", "v1"}));
  const auto signal = out.signal();
  REQUIRE(out.size() == 1);
  CHECK(flags(out) == std::vector<Flag>{0, 1});
  CHECK(std::all_of(signal.begin(), signal.begin() + 50, [](float x) { return x == 0; }));
  CHECK(out.counts.leads_missing == 1);
  CHECK(out.counts.leads_repeated == 1);
}

TEST_CASE("a recording without any lead of the model has no segment", "[data]") {
  const auto out = Segmenter(kSmall)(make_record("a", "", 2, 100, {"resp"}));
  CHECK(out.size() == 0);
  CHECK(out.counts.without_segment == 1);
  CHECK(out.counts.segments_dropped == 4);
  CHECK(out.content == 0);
}

TEST_CASE("gaps of 20 ms are bridged, longer ones empty the lead of their segment only", "[data]") {
  Record record = make_record("a", "", 1.5, 100, {"I", "V1"});
  record.lead(0)[10] = record.lead(0)[11] = kNaN;  // 20 ms
  for (Index t = 60; t < 63; ++t) record.lead(0)[t] = kNaN;
  record.lead(1)[149] = std::numeric_limits<float>::infinity();
  const auto out = Segmenter(kSmall)(record);
  const auto signal = out.signal();
  REQUIRE(out.size() == 3);
  CHECK(flags(out) == std::vector<Flag>{1, 1, 0, 1, 1, 1});
  CHECK(signal[10] == Approx(record.lead(0)[9] + (record.lead(0)[12] - record.lead(0)[9]) / 3));
  CHECK(std::all_of(signal.begin() + 100, signal.begin() + 150, [](float x) { return x == 0; }));
  CHECK(signal[2 * 100 + 99] == signal[2 * 100 + 98]);  // the end holds the nearest value
  CHECK(out.counts.samples_bridged == 3);
  CHECK(out.counts.leads_dropped == 1);
  for (const float x : signal) REQUIRE(std::isfinite(x));
}

TEST_CASE("a segment without a usable lead is dropped and later ones keep their place", "[data]") {
  Record record = make_record("a", "", 2, 100, {"I"});
  for (Index t = 55; t < 90; ++t) record.lead(0)[t] = kNaN;
  const auto out = Segmenter(kSmall)(record);
  CHECK(out.position == std::vector<Index>{0, 2, 3});
  CHECK(out.counts.segments_dropped == 1);
  CHECK(out.counts.leads_dropped == 0);
}

TEST_CASE("the length of a bridged gap is in seconds at the recording's rate", "[data]") {
  Record record = make_record("a", "", 1, 1000, {"I"});
  for (Index t = 100; t < 120; ++t) record.lead(0)[t] = kNaN;
  CHECK(Segmenter(kSmall)(record).counts.samples_bridged == 20);
  record.lead(0)[120] = kNaN;
  const auto out = Segmenter(kSmall)(record);
  CHECK(out.counts.samples_bridged == 0);
  CHECK(out.position == std::vector<Index>{1});
}

TEST_CASE("flat leads are kept unless they count as absent", "[data]") {
  Record record = make_record("a", "", 1, 100, {"I", "V1"});
  std::fill(record.lead(1), record.lead(1) + 50, 0.25f);
  SegmentOptions options = kSmall;
  CHECK(flags(Segmenter(options)(record)) == std::vector<Flag>{1, 1, 1, 1});
  options.flat_is_absent = true;
  const auto out = Segmenter(options)(record);
  const auto signal = out.signal();
  CHECK(flags(out) == std::vector<Flag>{1, 0, 1, 1});
  CHECK(signal[50] == 0);
  options.normalization = Normalization::z_score;
  CHECK(flags(Segmenter(options)(record)) == std::vector<Flag>{1, 0, 1, 1});
}

TEST_CASE("other rates come to the model's", "[data]") {
  const Resampling method = GENERATE(Resampling::sinc, Resampling::linear);
  for (const double rate : {100., 257., 360., 1000.}) {
    SegmentOptions options{.leads = {"I"}, .resampling = method};
    const auto out = Segmenter(options)(make_record("a", "", 10, rate, {"I"}));
    const auto signal = out.signal();
    REQUIRE(out.size() == 2);
    const auto expected = make_record("a", "", 10, 500, {"I"});
    double largest = 0;
    for (Index t = 0; t < 5000; ++t) largest = std::max(largest, std::abs(double{signal[t]} - double{expected.signal[t]}));
    CAPTURE(rate);
    CHECK(largest < (method == Resampling::sinc ? 0.01 : 0.08));  // the reference's stretches time by up to 8 ms here
  }
}

TEST_CASE("any rate in range is cut, however odd", "[data]") {
  for (const double rate : {25.0001, 99.99999, 123.456789, 499.9997, 3333.333}) {
    const auto out = Segmenter({.leads = {"I"}})(make_record("a", "", 11, rate, {"I"}));
    const auto signal = out.signal();
    CHECK(out.size() == 2);
    for (const float x : signal) REQUIRE(std::isfinite(x));
  }
}

TEST_CASE("a gap is as long after a change of rate", "[data]") {
  Record record = make_record("a", "", 3, 100, {"I"});
  for (Index t = 149; t < 152; ++t) record.lead(0)[t] = kNaN;
  const auto out = Segmenter({.leads = {"I"}, .seconds = 0.5})(record);
  CHECK(out.position == std::vector<Index>{0, 1, 4, 5});
}

TEST_CASE("scores are taken over the whole recording before it is cut", "[data]") {
  Record record = make_record("a", "", 1, 100, {"I"});
  for (Index t = 0; t < 100; ++t) record.signal[t] = t < 50 ? 1 : 3;
  SegmentOptions options = kSmall;
  options.normalization = Normalization::z_score;
  const auto out = Segmenter(options)(record);
  const auto signal = out.signal();
  CHECK(signal[0] == -1);
  CHECK(signal[100] == 1);
}

TEST_CASE("equal samples have equal content whatever names and further rows say", "[data]") {
  const Record record = make_record("a", "", 1, 100, {"I", "V1"});
  Record renamed = record;
  renamed.id += "2";
  renamed.leads = {"lead I", "c1"};
  Record other = record;
  other.signal[150] += 1e-6f;
  Record swapped = record;
  swapped.leads = {"V1", "I"};
  const Segmenter segmenter(kSmall);
  CHECK(segmenter(record).content == segmenter(renamed).content);
  CHECK(segmenter(record).content != segmenter(other).content);
  CHECK(segmenter(record).content != segmenter(swapped).content);
}

TEST_CASE("recordings that contradict themselves are format errors with their id", "[data]") {
  const Segmenter segmenter(kSmall);
  Record record = make_record("the id", "", 1, 100, {"I", "V1"});
  record.signal.pop_back();
  CHECK_THROWS_AS(segmenter(record), FormatError);
  for (const double rate : {0., -5., 24., 2e5, 1. / 60, double{kNaN}}) {
    record = make_record("the id", "", 1, 100, {"I"});
    record.rate_hz = rate;
    try {
      segmenter(record);
      FAIL("accepted " << rate);
    } catch (const FormatError& e) {
      CHECK(std::string(e.what()).substr(0, 7) == "the id:");
    }
  }
}

TEST_CASE("options outside their range are refused", "[data]") {
  CHECK_THROWS_AS(Segmenter({.rate_hz = 0}), OptionError);
  CHECK_THROWS_AS(Segmenter({.rate_hz = double{kNaN}}), OptionError);
  CHECK_THROWS_AS(Segmenter({.seconds = 0}), OptionError);
  CHECK_THROWS_AS(Segmenter({.seconds = 1e6}), OptionError);
  CHECK_THROWS_AS(Segmenter({.bridged_seconds = -1}), OptionError);
  CHECK_THROWS_AS(Segmenter({.leads = {}}), OptionError);
  CHECK(Segmenter(SegmentOptions{}).samples() == 2500);
  CHECK(Segmenter({.rate_hz = 257}).samples() == 1285);
}
