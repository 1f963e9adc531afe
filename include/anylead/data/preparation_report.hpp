// What happened to the recordings on their way to segments.
#pragma once

#include <string>
#include <vector>

#include <anylead/core/text.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// Counts over a collection. Every recording is in exactly one of: used, bad, too short, without a usable segment, duplicate.
struct PreparationReport {
  struct Problem {
    std::string record, message;
  };
  struct Duplicate {
    std::string record, of;  ///< the recording left out, the one used in its place
  };

  Index records = 0;           ///< in the source
  Index used = 0;              ///< with at least one segment
  Index too_short = 0;         ///< shorter than one segment
  Index without_segment = 0;   ///< long enough, but no lead of any segment was usable
  Index segments = 0;          ///< kept
  Index segments_dropped = 0;  ///< without any usable lead
  Index leads_missing = 0;     ///< leads of the model that a used recording does not have, summed over recordings
  Index leads_repeated = 0;    ///< second and further rows of one lead, left aside
  Index leads_dropped = 0;     ///< leads of kept segments emptied because of a long gap (or flatness, where that is asked for)
  Index samples_bridged = 0;   ///< invalid samples replaced by interpolation
  std::vector<Problem> bad;    ///< could not be read
  std::vector<Problem> notes;  ///< of records that were read: what is odd about their files
  std::vector<Duplicate> duplicates;
};

/// One paragraph for a log: the counts that are not 0, then up to three bad recordings with their messages, and notes.
inline void append(std::string& out, const PreparationReport& r) {
  out += str(r.used, " of ", r.records, " records used, ", r.segments, " segments");
  const auto count = [&out](Index n, std::string_view what) {
    if (n > 0) out += str(", ", n, " ", what);
  };
  count(static_cast<Index>(r.duplicates.size()), "duplicates left out");
  count(r.too_short, "records too short");
  count(r.without_segment, "records without a usable segment");
  count(r.segments_dropped, "segments dropped");
  count(r.leads_missing, "leads missing");
  count(r.leads_repeated, "leads repeated");
  count(r.leads_dropped, "leads of segments emptied");
  count(r.samples_bridged, "invalid samples interpolated");
  count(static_cast<Index>(r.notes.size()), "notes on files");
  count(static_cast<Index>(r.bad.size()), "records unreadable");
  for (const auto* problems : {&r.bad, &r.notes}) {
    for (std::size_t i = 0; i < problems->size() && i < 3; ++i) {
      const auto& [record, message] = (*problems)[i];
      out += "\n  ";
      if (message.find(record) == message.npos) out += str(record, ": ");  // readers begin with the file
      out += message;
    }
    if (problems->size() > 3) out += "\n  ...";
  }
}

}  // namespace anylead::data
