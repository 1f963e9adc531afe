// Training and validation parts that share no patient.
#pragma once

#include <string_view>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/data/hash.hpp>
#include <anylead/data/selection.hpp>

namespace anylead::data {

struct SplitOptions {
  double validation = 0.05;  ///< expected share of the patients
  std::uint64_t seed = 1;
};

/// A patient belongs to the validation part. A function of name and seed alone: recordings that join a collection never move
/// patients that were there before, and a patient is on the same side in every collection. The share holds on average; of ten
/// patients, 5 % may well be none.
/// @throws OptionError for a share outside [0, 1].
inline bool in_validation(std::string_view patient, const SplitOptions& options) {
  ANYLEAD_CHECK(options.validation >= 0 && options.validation <= 1, OptionError, "split",
                "expected a share from 0 to 1, found ", options.validation);
  Hash64 hash;
  hash.add(patient);
  const PhiloxBlock b = philox(
      {{static_cast<std::uint32_t>(hash.value()), static_cast<std::uint32_t>(hash.value() >> 32), site_key("data.split"), 0}},
      static_cast<std::uint32_t>(options.seed), static_cast<std::uint32_t>(options.seed >> 32));
  return (double(b.word[0]) + double(b.word[1]) * 0x1p-32) * 0x1p-32 < options.validation;
}

struct Split {
  Selection training, validation;
};

/// Parts a selection by the patients of its items.
inline Split split_by_patient(const SegmentCache& cache, const Selection& selection, const SplitOptions& options = {}) {
  std::vector<Flag> held_out;
  for (const std::string& patient : cache.patients()) held_out.push_back(in_validation(patient, options));
  Split split{{selection.per_item, {}}, {selection.per_item, {}}};
  for (Index i = 0; i < selection.items(); ++i) {
    const auto item = selection.item(i);
    const Index patient = cache.records()[cache.record_of(item[0])].patient;
    auto& part = (held_out[patient] ? split.validation : split.training).segments;
    part.insert(part.end(), item.begin(), item.end());
  }
  return split;
}

}  // namespace anylead::data
