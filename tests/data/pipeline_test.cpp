// The whole way from recordings to batches.
#include <algorithm>
#include <cmath>
#include <set>

#include <anylead/data/cached_segments.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/split.hpp>
#include <anylead/data/synthetic.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>
#include <support/shared.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

TEST_CASE("an artificial cohort becomes batches of pairs in which patients are known", "[data]") {
  const TemporaryFolder folder;
  const SyntheticCohort cohort(SyntheticOptions{.patients = 10, .records_per_patient = 2});
  const auto cache = cached_segments(cohort, folder.path());
  CHECK(cache.report().used == 20);
  CHECK(cache.report().bad.empty());
  CHECK(cache.report().duplicates.empty());
  CHECK(cache.size() == 40);
  CHECK(cache.patients().size() == 10);

  const auto split = split_by_patient(cache, segment_pairs(cache), {.validation = 0.3});
  REQUIRE(split.training.items() + split.validation.items() == 20);
  Loader loader(cache, split.training, {.batch = 8});
  std::set<Index> patients;
  for (Index i = 0; i < loader.batches_per_epoch(); ++i) {
    const Batch& batch = loader.next();
    patients.insert(batch.patient.begin(), batch.patient.end());
    CHECK(std::all_of(batch.signal.begin(), batch.signal.end(), [](float x) { return std::isfinite(x) && std::abs(x) < 50; }));
    CHECK(std::all_of(batch.present.begin(), batch.present.end(), [](Flag present) { return present == 1; }));
  }
  CHECK(patients.size() > 3);
}

TEST_CASE("real recordings of many sources become segments, and what is wrong with them is reported", "[data]") {
  const std::string shared = shared_folder();
  if (shared.empty()) {
    WARN("skipped: no folder of real recordings");
    return;
  }
  const TemporaryFolder folder;
  const RecordFolder records(shared + "/data");
  const auto cache = cached_segments(records, folder.path());
  const auto& report = cache.report();
  INFO(str(report));
  CHECK(report.records == records.size());
  CHECK(report.used + report.too_short + report.without_segment + static_cast<Index>(report.bad.size()) +
            static_cast<Index>(report.duplicates.size()) ==
        report.records);
  CHECK(report.used > 100);
  CHECK(cache.size() == report.segments);

  bool finite = true, absent_is_zero = true;
  for (Index s = 0; s < cache.size(); ++s) {
    const auto signal = cache.signal(s);
    finite = finite && std::all_of(signal.begin(), signal.end(), [](float x) { return std::isfinite(x); });
    for (Index n = 0; n < cache.leads(); ++n)
      if (!cache.present(s)[n]) {
        const auto lead =
            signal.subspan(static_cast<std::size_t>(n * cache.samples()), static_cast<std::size_t>(cache.samples()));
        absent_is_zero = absent_is_zero && std::all_of(lead.begin(), lead.end(), [](float x) { return x == 0; });
      }
  }
  CHECK(finite);
  CHECK(absent_is_zero);

  // HR00001 to HR00010 of the challenge are 00001_hr to 00010_hr of PTB-XL.
  Index copies = 0;
  for (const auto& [record, of] : report.duplicates) {
    const auto ends = [](const std::string& id, std::size_t n) { return id.substr(id.size() - std::min(n, id.size())); };
    copies += ends(record, 8).ends_with("_hr") && of.find("/HR") != of.npos && ends(of, 5) == ends(record, 8).substr(0, 5);
  }
  Index expected = 0;
  for (Index i = 1; i <= 10; ++i) {
    const std::string digits = i < 10 ? str("0000", i) : "00010";
    expected += std::filesystem::exists(shared + "/data/cinc2021/ptb-xl/HR" + digits + ".hea") &&
                std::filesystem::exists(shared + "/data/ptbxl/records500/00000/" + digits + "_hr.hea");
  }
  CHECK(copies >= expected);
}
