// A recording as its file has it: any signals, units and rates.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/record.hpp>

namespace anylead::data {

/// One signal in physical units, in the order of storage.
struct RawSignal {
  std::string name;             ///< as in the file; may be empty
  std::string unit = "mV";      ///< as in the file
  double rate_hz = 0;           ///< frame rate * samples_per_frame
  double gain = 1;              ///< stored steps per unit
  double baseline = 0;          ///< stored number of 0 units
  Index samples_per_frame = 1;  ///< n
  Index skew_frames = 0;        ///< k: frame i of the recording is stored as frame i + k
  Index invalid = 0;            ///< samples that the file marks as missing
  std::vector<double> values;   ///< [frames * n] (stored - baseline) / gain, NaN where invalid; skew not applied
};

/// A recording of F frames; a frame has one or more samples of every signal.
struct RawRecord {
  std::string id;      ///< name of the file without its folder and extension
  double rate_hz = 0;  ///< frames per second
  std::vector<RawSignal> signals;
  std::vector<std::string> comments;  ///< without their mark and the white space around them
  std::optional<double> age_years;    ///< empty: unknown
  std::string sex;                    ///< "female", "male" or empty
  std::vector<std::string> codes;     ///< diagnoses
  std::vector<std::string> notes;     ///< what is odd about the file but did not keep it from being read
};

/// Millivolts per unit for V, mV, uV (also with the micro sign) and nV in any case; empty for a unit that is no voltage.
ANYLEAD_INLINE std::optional<double> millivolts_per(std::string_view unit);

/// Age, sex and diagnoses as the comments state them: `Age: 56`, `Sex: Female` (or M, F), `Dx: 426783006,251146004`, and the
/// older `<age>: 25  <sex>: M`; keys in any case. An age outside 0 .. 150 (or "NaN") is unknown.
ANYLEAD_INLINE void describe_from_comments(RawRecord& record);

/// The voltages of a recording in millivolt, aligned, at one rate; other signals are left out.
///
/// The rate R is that of the voltage with most samples per frame. Signals with fewer are brought to it by linear interpolation:
/// sample t of the result lies at position p = t n / n_max of the signal and is (1 - f) x[i] + f x[i + 1] with i = floor(p),
/// f = p - i; positions behind the last sample hold it. A result that would need an invalid sample is NaN.
/// Skew of k frames: the result starts at stored frame k; the last k frames are NaN. Values that no float holds are NaN.
/// @throws FormatError if no signal is a voltage, a signal's length is not F n, or the samples per frame of the voltages differ
///         so much that the result had more than 64 times as many samples as the file.
ANYLEAD_INLINE Record to_record(const RawRecord& record);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/raw_record.ipp>
#endif
