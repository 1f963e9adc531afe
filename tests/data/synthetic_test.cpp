#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/leads.hpp>
#include <anylead/data/source.hpp>
#include <anylead/data/synthetic.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

static_assert(RecordSource<SyntheticCohort>);

namespace {

bool has(const Record& r, std::string_view abbreviation) {
  for (const SyntheticClass& known : kSyntheticClasses)
    if (known.abbreviation == abbreviation) return std::find(r.codes.begin(), r.codes.end(), known.code) != r.codes.end();
  FAIL("no class " << abbreviation);
  return false;
}

std::string code_of(std::string_view abbreviation) {
  for (const SyntheticClass& known : kSyntheticClasses)
    if (known.abbreviation == abbreviation) return std::string(known.code);
  return "";
}

SyntheticOptions clean(std::string_view abbreviation) {
  return {.patients = 12, .records_per_patient = 1, .seconds = 20, .noise = 0, .faults = 0, .code = code_of(abbreviation)};
}

/// Speed of the dipole's image in the eight independent leads, mV/s: what a QRS detector sees.
std::vector<double> speed(const Record& r) {
  std::vector<double> v(static_cast<std::size_t>(r.samples), 0.0);
  for (Index t = 1; t + 1 < r.samples; ++t) {
    double sum = 0;
    for (const Index lead : {0, 1, 6, 7, 8, 9, 10, 11}) {
      const double d = double(r.lead(lead)[t + 1] - r.lead(lead)[t - 1]) * r.rate_hz / 2;
      sum += d * d;
    }
    v[static_cast<std::size_t>(t)] = std::sqrt(sum);
  }
  return v;
}

struct Qrs {
  Index peak;      ///< middle of the fast part
  double seconds;  ///< duration
};

/// QRS complexes of a noiseless recording. Speed is clipped at its 97 % quantile, so that the spikes of a pacemaker count
/// little; a beat is a maximum of its mean over 80 ms that no larger one within 0.28 s contests; the QRS lasts as long as the
/// speed is above an eighth of the clipped one.
std::vector<Qrs> complexes(const Record& r) {
  std::vector<double> v = speed(r), sorted = v;
  std::sort(sorted.begin(), sorted.end());
  const double top = sorted[sorted.size() * 97 / 100];
  for (double& x : v) x = std::min(x, top);
  const auto samples_in = [&](double seconds) { return static_cast<Index>(seconds * r.rate_hz); };
  const Index half = samples_in(0.04), apart = samples_in(0.28), around = samples_in(0.11);
  std::vector<double> smooth(v.size(), 0.0);
  double sum = 0;
  for (Index t = 0; t < r.samples; ++t) {
    sum += v[static_cast<std::size_t>(t)];
    if (t >= 2 * half) sum -= v[static_cast<std::size_t>(t - 2 * half)];
    if (t >= half) smooth[static_cast<std::size_t>(t - half)] = sum;
  }
  const double limit = 0.4 * *std::max_element(smooth.begin(), smooth.end());
  std::vector<Qrs> found;
  for (Index t = around; t + around < r.samples; ++t) {
    const double here = smooth[static_cast<std::size_t>(t)];
    if (here < limit) continue;
    const auto from = smooth.begin() + std::max<Index>(0, t - apart), to = smooth.begin() + std::min(r.samples, t + apart);
    if (std::max_element(from, to) - smooth.begin() != t) continue;
    Index first = t, last = t;
    for (Index s = t - around; s < t + around; ++s)
      if (v[static_cast<std::size_t>(s)] > top / 8) {
        first = std::min(first, s);
        last = std::max(last, s);
      }
    found.push_back({t, double(last - first) / r.rate_hz});
  }
  return found;
}

std::vector<double> cycles(const std::vector<Qrs>& beats, double rate_hz) {
  std::vector<double> rr;
  for (std::size_t b = 1; b < beats.size(); ++b) rr.push_back(double(beats[b].peak - beats[b - 1].peak) / rate_hz);
  return rr;
}

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / double(v.size());
}

double deviation(const std::vector<double>& v) {
  const double m = mean(v);
  double sum = 0;
  for (const double x : v) sum += (x - m) * (x - m);
  return std::sqrt(sum / double(v.size()));
}

double rate_of(const Record& r) { return 60 / mean(cycles(complexes(r), r.rate_hz)); }

double median_qrs(const Record& r) {
  std::vector<double> d;
  for (const Qrs& q : complexes(r)) d.push_back(q.seconds);
  REQUIRE(!d.empty());
  std::sort(d.begin(), d.end());
  return d[d.size() / 2];
}

/// Largest deflection up and down in the QRS complexes of a lead, against the level 80 ms before them.
std::pair<double, double> deflections(const Record& r, Index lead) {
  double up = 0, down = 0;
  for (const Qrs& q : complexes(r)) {
    const Index around = static_cast<Index>(0.08 * r.rate_hz);
    if (q.peak < around || q.peak + around >= r.samples) continue;
    const double level = double{r.lead(lead)[q.peak - around]};
    for (Index t = q.peak - around; t < q.peak + around; ++t) {
      up = std::max(up, double{r.lead(lead)[t]} - level);
      down = std::min(down, double{r.lead(lead)[t]} - level);
    }
  }
  return {up, down};
}

/// Mean beat of all leads, 200 ms before to 400 ms behind its middle, without its mean per lead.
std::vector<double> mean_beat(const Record& r) {
  const Index before = static_cast<Index>(0.2 * r.rate_hz), after = static_cast<Index>(0.4 * r.rate_hz);
  std::vector<double> beat;
  const auto beats = complexes(r);
  for (Index lead = 0; lead < 12; ++lead) {
    std::vector<double> sum(static_cast<std::size_t>(before + after), 0.0);
    for (const Qrs& q : beats)
      if (q.peak >= before && q.peak + after < r.samples)
        for (Index t = -before; t < after; ++t) sum[static_cast<std::size_t>(t + before)] += double{r.lead(lead)[q.peak + t]};
    const double m = mean(sum);
    for (const double x : sum) beat.push_back(x - m);
  }
  return beat;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("A recording of the cohort is the same on every run and for any thread", "[data][synthetic]") {
  const SyntheticCohort a({.patients = 5, .records_per_patient = 3, .seconds = 4, .seed = 9});
  const SyntheticCohort b({.patients = 50, .records_per_patient = 3, .seconds = 4, .seed = 9});
  std::vector<Record> threaded(static_cast<std::size_t>(a.size()));
  std::vector<std::thread> threads;
  for (Index half = 0; half < 2; ++half)
    threads.emplace_back([&, half] {
      for (Index i = half; i < a.size(); i += 2) threaded[static_cast<std::size_t>(i)] = a.read(i);
    });
  for (std::thread& t : threads) t.join();
  for (Index i = a.size(); i-- > 0;) {
    const Record again = b.read(i);  // other order, larger cohort
    const Record& r = threaded[static_cast<std::size_t>(i)];
    CHECK(r.signal == again.signal);
    CHECK(r.id == again.id);
    CHECK(r.patient == again.patient);
    CHECK(r.codes == again.codes);
  }
}

TEST_CASE("Seeds, patients and visits give different recordings", "[data][synthetic]") {
  const SyntheticCohort one({.patients = 2, .records_per_patient = 2, .seed = 1}),
      two({.patients = 2, .records_per_patient = 2, .seed = 2});
  CHECK(one.read(0).signal != two.read(0).signal);
  CHECK(one.read(0).signal != one.read(1).signal);
  CHECK(one.read(0).signal != one.read(2).signal);
  CHECK(one.read(0).patient == one.read(1).patient);
  CHECK(one.read(1).patient != one.read(2).patient);
  CHECK(one.read(0).patient != two.read(0).patient);
  CHECK(one.version(0) != two.version(0));
  CHECK(one.version(0) == one.version(3));
}

TEST_CASE("Synthetic recordings describe themselves", "[data][synthetic]") {
  const SyntheticCohort cohort({.patients = 60, .records_per_patient = 2, .seconds = 2});
  std::set<std::string> ids, known;
  for (const SyntheticClass& c : kSyntheticClasses) known.insert(std::string(c.code));
  CHECK(known.size() == 26);
  for (Index i = 0; i < cohort.size(); ++i) {
    const Record r = cohort.read(i);
    ids.insert(r.id);
    CHECK(r.id == cohort.id(i));
    CHECK(r.rate_hz == 500);
    CHECK(r.samples == 1000);
    CHECK(r.signal.size() == 12000);
    CHECK(r.leads == std::vector<std::string>(kLeadNames.begin(), kLeadNames.end()));
    CHECK((r.sex == "female" || r.sex == "male"));
    REQUIRE(r.age_years);
    CHECK((*r.age_years >= 18 && *r.age_years <= 95));
    CHECK(!r.codes.empty());
    for (const std::string& code : r.codes) CHECK(known.count(code) == 1);
    CHECK(std::set<std::string>(r.codes.begin(), r.codes.end()).size() == r.codes.size());
    CHECK(std::all_of(r.signal.begin(), r.signal.end(), [](float v) { return std::isfinite(v); }));
  }
  CHECK(static_cast<Index>(ids.size()) == cohort.size());
}

TEST_CASE("Every class of the challenge can be asked for", "[data][synthetic]") {
  for (const SyntheticClass& wanted : kSyntheticClasses) {
    INFO(wanted.abbreviation);
    const SyntheticCohort cohort({.patients = 10, .records_per_patient = 1, .code = std::string(wanted.code)});
    for (Index i = 0; i < cohort.size(); ++i) CHECK(has(cohort.read(i), wanted.abbreviation));
  }
}

TEST_CASE("A mixed cohort shows all 26 classes and mostly sinus rhythm", "[data][synthetic]") {
  const SyntheticCohort cohort({.patients = 600, .records_per_patient = 1, .seconds = 6, .rate_hz = 50});
  std::map<std::string, int> count;
  for (Index i = 0; i < cohort.size(); ++i)
    for (const std::string& code : cohort.read(i).codes) ++count[code];
  CHECK(count.size() == 26);
  CHECK(count[code_of("NSR")] > 300);
}

TEST_CASE("Limb leads obey Einthoven and Goldberger exactly in float", "[data][synthetic]") {
  const SyntheticCohort cohort({.patients = 40, .records_per_patient = 1, .seconds = 3, .faults = 1});
  for (Index i = 0; i < cohort.size(); ++i) {
    const Record r = cohort.read(i);
    Index wrong = 0;
    for (Index t = 0; t < r.samples; ++t) {
      const float one = r.lead(0)[t], two = r.lead(1)[t];
      wrong += r.lead(2)[t] != two - one || r.lead(3)[t] != -(one + two) / 2 || r.lead(4)[t] != one - two / 2 ||
               r.lead(5)[t] != two - one / 2;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Amplitudes are those of electrocardiograms", "[data][synthetic]") {
  const SyntheticCohort cohort({.patients = 60, .records_per_patient = 1, .faults = 0});
  for (Index i = 0; i < cohort.size(); ++i) {
    const Record r = cohort.read(i);
    INFO(r.id);
    double tallest = 0;
    for (Index lead = 0; lead < 12; ++lead) {
      const auto [low, high] = std::minmax_element(r.lead(lead), r.lead(lead) + r.samples);
      CHECK(*high - *low > 0.05f);
      CHECK(*high - *low < 5.0f);
      tallest = std::max(tallest, double{*high - *low});
    }
    CHECK(tallest > 0.5);
  }
}

TEST_CASE("Heart rates lie in the range of their class", "[data][synthetic]") {
  struct Case {
    const char* abbreviation;
    double low, high;
  };
  // A little allowance: detected peaks are a sample or two off, and beats at the ends are not counted.
  for (const Case c : {Case{"NSR", 59.5, 100.5}, Case{"SB", 38, 60.5}, Case{"STach", 99.5, 150}, Case{"Brady", 30, 62},
                       Case{"AFL", 60, 165}, Case{"PR", 55, 85}, Case{"AF", 60, 145}}) {
    INFO(c.abbreviation);
    const SyntheticCohort cohort(clean(c.abbreviation));
    for (Index i = 0; i < cohort.size(); ++i) {
      const double rate = rate_of(cohort.read(i));
      CHECK(rate > c.low);
      CHECK(rate < c.high);
    }
  }
}

TEST_CASE("Fibrillation is irregular, sinus rhythm regular, sinus arrhythmia between", "[data][synthetic]") {
  const auto irregularity = [](std::string_view abbreviation) {
    std::vector<double> all;
    const SyntheticCohort cohort(clean(abbreviation));
    for (Index i = 0; i < cohort.size(); ++i) {
      const Record r = cohort.read(i);
      const auto rr = cycles(complexes(r), r.rate_hz);
      all.push_back(deviation(rr) / mean(rr));
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto af = irregularity("AF"), nsr = irregularity("NSR"), sa = irregularity("SA"), paced = irregularity("PR");
  CHECK(af.front() > 0.10);
  CHECK(nsr.back() < 0.06);
  CHECK(sa.front() > 0.07);
  CHECK(paced.back() < 0.05);  // regular; f waves below the QRS move its detected middle
}

TEST_CASE("QRS durations separate normal conduction from bundle branch block", "[data][synthetic]") {
  const auto durations = [](std::string_view abbreviation) {
    std::vector<double> all;
    const SyntheticCohort cohort(clean(abbreviation));
    for (Index i = 0; i < cohort.size(); ++i) all.push_back(median_qrs(cohort.read(i)));
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto normal = durations("NSR"), left = durations("LBBB"), right = durations("RBBB"), incomplete = durations("IRBBB"),
             slow = durations("NSIVCB"), paced = durations("PR");
  CHECK(normal.front() > 0.07);
  CHECK(normal.back() < 0.112);
  CHECK(incomplete.back() < 0.125);
  CHECK(left.front() > 0.12);
  CHECK(right.front() > 0.12);
  CHECK(slow.front() > 0.11);
  CHECK(paced.front() > 0.12);
  CHECK(std::max(left.back(), right.back()) < 0.18);
}

TEST_CASE("Sinus rhythm looks normal in every lead", "[data][synthetic]") {
  const SyntheticCohort cohort(clean("NSR"));
  for (Index i = 0; i < cohort.size(); ++i) {
    const Record r = cohort.read(i);
    INFO(r.id);
    const auto avr = deflections(r, 3), two = deflections(r, 1), v1 = deflections(r, 6), v3 = deflections(r, 8),
               v5 = deflections(r, 10), v6 = deflections(r, 11);
    CHECK(-avr.second > avr.first);  // aVR points down
    CHECK(two.first > -two.second);  // II up
    CHECK(-v1.second > v1.first);    // rS in V1
    CHECK(v3.first > 0.3);           // R grows towards V5
    CHECK(v5.first > v1.first);
    CHECK(v5.first / -v5.second > v1.first / -v1.second);
    CHECK(v6.first > -v6.second);  // R in V6
    // T is upright in I, II, V3 .. V6: the highest point 0.18 to 0.36 s behind the QRS against the level 80 ms before it.
    const auto beats = complexes(r);
    REQUIRE(beats.size() > 10);
    for (const Index lead : {0, 1, 8, 9, 10, 11}) {
      const Index peak = beats[3].peak, before = static_cast<Index>(0.08 * r.rate_hz);
      const double level = double{r.lead(lead)[peak - before]};
      double up = -10, down = 10;
      for (Index t = peak + static_cast<Index>(0.18 * r.rate_hz); t < peak + static_cast<Index>(0.36 * r.rate_hz); ++t) {
        up = std::max(up, double{r.lead(lead)[t]} - level);
        down = std::min(down, double{r.lead(lead)[t]} - level);
      }
      INFO("lead " << lead);
      CHECK(up > 0.04);
      CHECK(up > -down);
    }
  }
}

TEST_CASE("Axis deviations and low voltages are what their names say", "[data][synthetic]") {
  const SyntheticCohort left(clean("LAD")), right(clean("RAD")), low(clean("LQRSV"));
  for (Index i = 0; i < left.size(); ++i) {
    const Record l = left.read(i), r = right.read(i), q = low.read(i);
    const auto sum = [](const Record& x, Index lead) {
      const auto d = deflections(x, lead);
      return d.first + d.second;
    };
    CHECK(sum(l, 0) > 0);
    CHECK(sum(l, 5) < 0);
    CHECK(sum(r, 0) < 0);
    CHECK(sum(r, 5) > 0);
    for (Index lead = 0; lead < 12; ++lead) {
      const auto d = deflections(q, lead);
      CHECK(d.first - d.second < (lead < 6 ? 0.5 : 1.0));
    }
  }
}

TEST_CASE("Recordings of one patient are more alike than those of different patients", "[data][synthetic]") {
  const SyntheticCohort cohort(
      {.patients = 10, .records_per_patient = 2, .seconds = 10, .diseased = 0, .noise = 0, .faults = 0});
  std::vector<std::vector<double>> beats;
  for (Index i = 0; i < cohort.size(); ++i) beats.push_back(mean_beat(cohort.read(i)));
  std::vector<double> within, between;
  for (std::size_t i = 0; i < beats.size(); ++i)
    for (std::size_t j = i + 1; j < beats.size(); ++j)
      (i / 2 == j / 2 ? within : between).push_back(correlation(beats[i], beats[j]));
  CHECK(mean(within) > 0.95);
  CHECK(mean(within) > mean(between) + 0.05);
  CHECK(mean(between) > 0.3);  // all of them are hearts
}

TEST_CASE("Any rate and length can be synthesised, down to one sample", "[data][synthetic]") {
  for (const double rate : {25.0, 100.0, 250.0, 333.0, 360.5, 1000.0})
    for (const double seconds : {0.04, 0.5, 1.0, 3.3}) {
      const SyntheticCohort cohort({.patients = 1, .records_per_patient = 1, .seconds = seconds, .rate_hz = rate});
      REQUIRE(cohort.size() == 1);
      const Record r = cohort.read(0);
      CHECK(r.samples == std::max<Index>(1, std::llround(seconds * rate)));
      CHECK(static_cast<Index>(r.signal.size()) == 12 * r.samples);
      CHECK(std::all_of(r.signal.begin(), r.signal.end(), [](float v) { return std::isfinite(v); }));
    }
}

TEST_CASE("The rate changes the sampling, not the heart", "[data][synthetic]") {
  const SyntheticOptions options = clean("NSR");
  SyntheticOptions half = options;
  half.rate_hz = 250;
  const Record fine = SyntheticCohort(options).read(2), coarse = SyntheticCohort(half).read(2);
  for (Index t = 0; t < coarse.samples; ++t) CHECK(std::abs(fine.lead(7)[2 * t] - coarse.lead(7)[t]) < 1e-4f);
}

TEST_CASE("Faults touch the share of recordings that was asked for", "[data][synthetic]") {
  const SyntheticOptions none = {.patients = 100, .records_per_patient = 1, .seconds = 1, .rate_hz = 100, .faults = 0};
  SyntheticOptions some = none, all = none;
  some.faults = 0.3;
  all.faults = 1;
  Index changed_some = 0, changed_all = 0, flat = 0;
  for (Index i = 0; i < 100; ++i) {
    const Record clean_one = SyntheticCohort(none).read(i), faulty = SyntheticCohort(all).read(i);
    changed_some += SyntheticCohort(some).read(i).signal != clean_one.signal;
    changed_all += faulty.signal != clean_one.signal;
    for (Index lead = 6; lead < 12; ++lead)
      flat += std::all_of(faulty.lead(lead), faulty.lead(lead) + faulty.samples, [](float v) { return v == 0; });
  }
  CHECK(changed_some > 15);
  CHECK(changed_some < 45);
  CHECK(changed_all >= 95);
  CHECK(flat > 10);
  CHECK(flat < 45);
}

TEST_CASE("Options outside their range are refused with name and value", "[data][synthetic]") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(SyntheticCohort({.patients = 0}), Contains("patients") && Contains("found 0"));
  CHECK_THROWS_AS(SyntheticCohort({.records_per_patient = 0}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.seconds = 0}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.seconds = std::numeric_limits<double>::quiet_NaN()}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.rate_hz = 24}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.diseased = 1.5}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.noise = -1}), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.faults = -0.1}), OptionError);
  CHECK_THROWS_WITH(SyntheticCohort({.code = "12345"}), Contains("12345"));
  CHECK_THROWS_AS(SyntheticCohort({.patients = 1}).read(3), OptionError);
  CHECK_THROWS_AS(SyntheticCohort({.patients = 1}).read(-1), OptionError);
}
