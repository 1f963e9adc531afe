// An ECG on millimetre paper: 25 mm/s, 10 mm/mV, as printed by an electrocardiograph.
#pragma once

#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/record.hpp>

namespace anylead::report {

enum class EcgLayout {
  standard,  ///< three rows of four leads, a quarter of the time each, and lead II below over the whole time
  stacked    ///< one row per lead over the whole time
};

/// A stretch of time, seconds from the first sample.
struct TimeSpan {
  double begin, end;
};

/// What is drawn. Only `signal`, `samples`, `rate_hz` and `leads` are needed.
struct EcgStrip {
  std::vector<float> signal = {};       ///< [C, T] millivolt; NaN: no value, a gap
  Index samples = 0;                    ///< T
  double rate_hz = 0;                   ///< samples per second
  std::vector<std::string> leads = {};  ///< [C] names
  std::string title = {};
  std::string caption = {};                 ///< second line: patient, diagnosis
  EcgLayout layout = EcgLayout::standard;   ///< without all twelve standard leads the rows are stacked, whatever is asked for
  std::vector<Flag> masked_leads = {};      ///< [C] 1: greyed and hatched; empty: none
  std::vector<TimeSpan> masked_spans = {};  ///< translucent bands over all leads
  double from_seconds = 0;                  ///< first second shown
  double seconds = 10;                      ///< seconds shown at most
  double mm_per_mv = 10;
  bool embedded = false;  ///< for a page whose style sheet contains svg_theme(), instead of a file of its own
};

/// The picture as SVG text, below 150 KB for 10 s of twelve leads: traces are reduced to what is visible (extremes of every
/// 0.2 mm, then straight runs within 0.05 mm). A trace that would leave the picture is cut at its border.
/// @throws ShapeError if the sizes do not fit together, OptionError for a rate, stretch or scale that is not positive and
/// finite.
ANYLEAD_INLINE std::string ecg_strip(const EcgStrip& strip);

/// The strip of a recording; sex, age and diagnoses are its caption.
ANYLEAD_INLINE EcgStrip strip_of(const data::Record& record);

}  // namespace anylead::report

#ifndef ANYLEAD_COMPILED
#include <anylead/report/ecg_strip.ipp>
#endif
