// One ECG recording in memory, whatever file it came from.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <anylead/core/types.hpp>

namespace anylead::data {

/// A recording. The signal is [C, T], lead by lead, in millivolt; a sample that the file marks as invalid is NaN.
struct Record {
  std::string id;                     ///< unique within its source: path below the source's folder, without extension
  double rate_hz = 0;                 ///< samples per second and lead
  std::vector<std::string> leads;     ///< [C] names as in the file
  std::vector<float> signal;          ///< [C, T] millivolt
  Index samples = 0;                  ///< T
  std::string patient;                ///< empty: unknown
  std::optional<double> age_years;    ///< empty: unknown
  std::string sex;                    ///< "female", "male" or empty
  std::vector<std::string> codes;     ///< diagnoses, SNOMED CT codes where the source has them
  std::vector<std::string> comments;  ///< comment lines of the header without their mark
  std::vector<std::string> notes;     ///< what is odd about its file but did not keep it from being read

  Index channels() const { return static_cast<Index>(leads.size()); }
  const float* lead(Index c) const { return signal.data() + c * samples; }
  float* lead(Index c) { return signal.data() + c * samples; }
};

}  // namespace anylead::data
