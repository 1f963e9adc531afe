#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/raw_record.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;
using Catch::Matchers::Contains;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

RawRecord described(std::vector<std::string> comments) {
  RawRecord r;
  r.comments = std::move(comments);
  describe_from_comments(r);
  return r;
}

RawSignal signal(const std::string& name, const std::string& unit, Index n, std::vector<double> values, Index skew = 0) {
  RawSignal s;
  s.name = name;
  s.unit = unit;
  s.samples_per_frame = n;
  s.skew_frames = skew;
  s.values = std::move(values);
  return s;
}

RawRecord record(std::vector<RawSignal> signals) {
  RawRecord r;
  r.id = "r";
  r.rate_hz = 100;
  r.signals = std::move(signals);
  return r;
}

/// One lead; NaN equals NaN.
bool lead_is(const Record& r, Index c, const std::vector<float>& expected) {
  if (r.samples != static_cast<Index>(expected.size())) return false;
  for (Index t = 0; t < r.samples; ++t) {
    const float x = r.lead(c)[t], y = expected[static_cast<std::size_t>(t)];
    if (!(x == y || (std::isnan(x) && std::isnan(y)))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("age is a number of years from 0 to 150, else unknown", "[data]") {
  CHECK(described({"Age: 56"}).age_years == 56);
  CHECK(described({"age:0.5"}).age_years == 0.5);
  CHECK(described({"AGE :  81 years"}).age_years == 81);
  CHECK(described({"<age>: 25  <sex>: M  <diagnoses>: (none)"}).age_years == 25);
  for (const char* unknown : {"Age: NaN", "Age: ", "Age: -1", "Age: 300", "Age: inf", "Age: 1e400", "Age: unknown", "Age 5",
                              "Aged: 5", "Average age: 5", "age"}) {
    INFO(unknown);
    CHECK_FALSE(described({unknown}).age_years);
  }
}

TEST_CASE("sex is female or male in any case or by its letter, else unknown", "[data]") {
  for (const char* female : {"Sex: Female", "sex: F", "Sex:female", "SEX: FEMALE ", "<age>: 60 <sex>: f"})
    CHECK(described({female}).sex == "female");
  for (const char* male : {"Sex: Male", "sex: m", "<age>: 25  <sex>: M  <diagnoses>: (none)"})
    CHECK(described({male}).sex == "male");
  for (const char* unknown : {"Sex: Unknown", "Sex:", "Sex: NaN", "Male"}) CHECK(described({unknown}).sex.empty());
}

TEST_CASE("diagnoses are separated by commas", "[data]") {
  CHECK(described({"Dx: 426783006,251146004"}).codes == std::vector<std::string>{"426783006", "251146004"});
  CHECK(described({"dx : 1 , ,2,"}).codes == std::vector<std::string>{"1", "2"});
  CHECK(described({"Dx: 1", "Rx: 7", "Dx: 2"}).codes == std::vector<std::string>{"1", "2"});
  CHECK(described({"Dx: "}).codes.empty());
  CHECK(described({}).codes.empty());
}

TEST_CASE("units of voltage are known in any case and with every micro sign", "[data]") {
  CHECK(millivolts_per("V") == 1e3);
  CHECK(millivolts_per("v ") == 1e3);
  CHECK(millivolts_per("mV") == 1.);
  CHECK(millivolts_per("MV") == 1.);
  CHECK(millivolts_per("mv") == 1.);
  for (const char* micro : {"uV", "UV", "\xC2\xB5V", "\xCE\xBCV", "\xB5v"}) CHECK(millivolts_per(micro) == 1e-3);
  CHECK(millivolts_per("nV") == 1e-6);
  for (const char* other : {"", "NU", "mmHg", "mVs", "m", "V/s", "degrees"}) CHECK_FALSE(millivolts_per(other));
}

TEST_CASE("voltages become millivolts, other signals are left out, the description stays", "[data]") {
  RawRecord raw = record({signal("i", "V", 1, {0.001, -2}), signal("ABP", "mmHg", 1, {7, 7}),
                          signal("V1", "uV", 1, {500, kNan}), signal("vx", "nV", 1, {1e6, 0})});
  raw.comments = {"Dx: 5", "note"};
  raw.age_years = 7;
  raw.sex = "male";
  raw.codes = {"5"};
  const Record r = to_record(raw);
  CHECK(r.id == "r");
  CHECK(r.rate_hz == 100);
  CHECK(r.leads == std::vector<std::string>{"i", "V1", "vx"});
  CHECK(lead_is(r, 0, {1, -2000}));
  CHECK(lead_is(r, 1, {0.5f, kMissing}));
  CHECK(lead_is(r, 2, {1, 0}));
  CHECK(r.comments == raw.comments);
  CHECK(r.age_years == 7);
  CHECK(r.sex == "male");
  CHECK(r.codes == raw.codes);
}

TEST_CASE("slower voltages are interpolated to the rate of the fastest, others do not count", "[data]") {
  const Record r =
      to_record(record({signal("a", "mV", 2, {0, 1, 2, 3}), signal("b", "mV", 1, {10, 20}),
                        signal("c", "mV", 4, {0, 1, 2, 3, 4, 5, 6, 7}), signal("p", "NU", 8, std::vector<double>(16))}));
  CHECK(r.rate_hz == 400);
  CHECK(lead_is(r, 0, {0, 0.5f, 1, 1.5f, 2, 2.5f, 3, 3}));
  CHECK(lead_is(r, 1, {10, 12.5f, 15, 17.5f, 20, 20, 20, 20}));
  CHECK(lead_is(r, 2, {0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_CASE("numbers of samples per frame need not divide each other", "[data]") {
  const Record r = to_record(record({signal("a", "mV", 3, {0, 1, 2}), signal("b", "mV", 2, {0, 3})}));
  CHECK(lead_is(r, 0, {0, 1, 2}));
  CHECK(lead_is(r, 1, {0, 2, 3}));
}

TEST_CASE("interpolation beside an invalid sample is invalid, on a valid one it is not", "[data]") {
  const Record r = to_record(record({signal("a", "mV", 2, std::vector<double>(6)), signal("b", "mV", 1, {1, kNan, 3})}));
  CHECK(lead_is(r, 1, {1, kMissing, kMissing, kMissing, 3, 3}));
}

TEST_CASE("skew is taken back frame by frame, the end of the signal is then unknown", "[data]") {
  const Record r = to_record(
      record({signal("a", "mV", 1, {1, 2, 3}), signal("b", "mV", 2, {1, 2, 3, 4, 5, 6}, 1), signal("c", "mV", 1, {1, 2, 3}, 2),
              signal("d", "mV", 1, {1, 2, 3}, 3), signal("e", "mV", 1, {1, 2, 3}, std::numeric_limits<Index>::max())}));
  CHECK(lead_is(r, 1, {3, 4, 5, 6, kMissing, kMissing}));
  CHECK(lead_is(r, 2, {3, 3, kMissing, kMissing, kMissing, kMissing}));
  CHECK(lead_is(r, 3, std::vector<float>(6, kMissing)));
  CHECK(lead_is(r, 4, std::vector<float>(6, kMissing)));
}

TEST_CASE("values that no float holds are invalid", "[data]") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(lead_is(to_record(record({signal("a", "V", 1, {1e36, inf, -inf, 1})})), 0, {kMissing, kMissing, kMissing, 1000}));
}

TEST_CASE("recordings of no samples and of one sample are recordings", "[data]") {
  CHECK(to_record(record({signal("a", "mV", 1, {})})).samples == 0);
  CHECK(to_record(record({signal("a", "mV", 3, {}), signal("b", "mV", 1, {}, 1)})).samples == 0);
  CHECK(lead_is(to_record(record({signal("a", "mV", 1, {5}), signal("b", "mV", 2, {6, 7})})), 0, {5, 5}));
}

TEST_CASE("recordings without voltages or with signals that do not fit each other are refused", "[data]") {
  const auto refuses = [](const std::vector<RawSignal>& signals, const std::string& message) {
    INFO(message);
    CHECK_THROWS_AS(to_record(record(signals)), FormatError);
    CHECK_THROWS_WITH(to_record(record(signals)), Contains(message));
  };
  refuses({}, "r: expected a signal in volts");
  refuses({signal("a", "NU", 1, {1})}, "r: expected a signal in volts");
  refuses({signal("a", "mV", 1, {1, 2}), signal("b", "mV", 1, {1})},
          "signal 'b': expected 2 frames of 1 samples, found 1 samples");
  refuses({signal("a", "mV", 1, {1}), signal("b", "mV", 2, {1, 2, 3})}, "signal 'b'");
  refuses({signal("a", "mV", 1, {1}), signal("b", "mV", 0, {1})}, "signal 'b'");
  refuses({signal("a", "mV", 0, {1})}, "signal 'a'");
  refuses({signal("a", "mV", 1, {1}, -1)}, "signal 'a': skew -1");
}

TEST_CASE("one fast signal among many slow ones cannot make a small file large", "[data]") {
  std::vector<RawSignal> signals(1000, signal("a", "mV", 1, {1}));
  signals.push_back(signal("b", "mV", 100, std::vector<double>(100)));
  CHECK_THROWS_WITH(to_record(record(signals)), Contains("expected voltages at similar rates"));
  signals.resize(10);
  signals.push_back(signal("b", "mV", 100, std::vector<double>(100)));
  CHECK(to_record(record(signals)).samples == 100);
}
