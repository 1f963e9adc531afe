// Recordings kept in memory, for tests of what consumes a RecordSource.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/source.hpp>

namespace anylead::data {

/// `records` may hold a recording without leads and with comments {"unreadable"}: reading it throws.
struct MemorySource {
  std::vector<Record> records;
  std::uint64_t edition = 1;

  Index size() const { return static_cast<Index>(records.size()); }
  std::string id(Index i) const { return records[i].id; }
  std::uint64_t version(Index) const { return edition; }
  Record read(Index i) const {
    if (!records[i].comments.empty()) throw FormatError(records[i].id, "byte 7", records[i].comments[0]);
    return records[i];
  }
};
static_assert(RecordSource<MemorySource>);

/// Different in every sample, lead and recording.
inline Record make_record(const std::string& id, const std::string& patient, double seconds, double rate_hz = 500,
                          const std::vector<std::string>& leads = {"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3",
                                                                   "V4", "V5", "V6"}) {
  Record r;
  r.id = id;
  r.patient = patient;
  r.rate_hz = rate_hz;
  r.leads = leads;
  r.samples = static_cast<Index>(std::llround(seconds * rate_hz));
  double phase = 0;
  for (const char c : id) phase = phase * 1.7 + c;
  for (Index c = 0; c < r.channels(); ++c)
    for (Index t = 0; t < r.samples; ++t)
      r.signal.push_back(static_cast<float>(std::sin(phase + double(c) + 7 * double(t) / rate_hz) + 0.01 * double(c)));
  return r;
}

}  // namespace anylead::data
