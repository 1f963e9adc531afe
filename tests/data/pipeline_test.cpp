// The whole way from recordings to batches.
#include <algorithm>
#include <cmath>
#include <set>

#include <anylead/data/cached_segments.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/split.hpp>
#include <anylead/data/synthetic.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>

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
