// From one recording to its segments.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/data/normalize.hpp>
#include <anylead/data/preparation_report.hpp>
#include <anylead/data/record.hpp>
#include <anylead/data/resample.hpp>
#include <anylead/data/standard_leads.hpp>

namespace anylead::data {

/// What a segment is. The defaults are the paper's, with correct handling of invalid samples, rates, patients and duplicates.
struct SegmentOptions {
  std::vector<std::string> leads = standard_lead_names();  ///< [N] the model's leads, in its order
  double rate_hz = 500;                                    ///< the model's sampling rate
  double seconds = 5;                                      ///< length of a segment
  double bridged_seconds = 0.02;                           ///< longest run of invalid samples that is interpolated
  bool flat_is_absent = false;                             ///< a lead that is constant over a segment counts as absent
  Normalization normalization = Normalization::none;       ///< over the whole recording, before it is cut
  Resampling resampling = Resampling::sinc;                ///< linear: the reference
  bool drop_duplicates = true;                             ///< false: the reference
  bool record_is_patient = false;                          ///< true: the reference, every recording is a patient of its own
};

/// The segments of one recording. S segments of N leads and T samples. They are kept lead by lead and put together on demand: a
/// day of two leads must not take the memory of twelve.
class PreparedRecord {
 public:
  Index size() const { return static_cast<Index>(position.size()); }  ///< S

  /// Writes segment s, [N, T]; absent leads are 0.
  ANYLEAD_INLINE void copy_segment(Index s, float* to) const;

  /// All segments, [S, N, T].
  ANYLEAD_INLINE std::vector<float> signal() const;

  std::vector<Index> position;  ///< [S] segment p covers the seconds [p, p + 1) x SegmentOptions::seconds; ascending
  std::vector<Flag> present;    ///< [S, N]
  /// Hash of the rate and of the model's leads with their gaps bridged; 0 where all of them are flat and tell nothing apart.
  std::uint64_t content = 0;
  PreparationReport counts;  ///< of this recording

 private:
  friend class Segmenter;
  std::vector<std::vector<float>> leads_;  // [N] at the model's rate; empty: missing
  Index samples_ = 0;                      // T
};

/// Cuts recordings into segments of one form:
///  1. rows are matched to the model's leads (@see LeadOrder); missing leads are absent,
///  2. short runs of invalid samples are bridged (@see bridge_gaps),
///  3. every lead comes to the model's rate (@see Resampler) and, if wished, to unit deviation (@see standardize),
///  4. consecutive pieces without overlap are cut from the first sample on; the remainder is left,
///  5. a lead with an invalid sample left is absent in that segment (flag 0, all samples 0); a segment without a lead is
///     dropped.
class Segmenter {
 public:
  /// @throws OptionError for options outside their range.
  ANYLEAD_INLINE explicit Segmenter(const SegmentOptions& options);

  const SegmentOptions& options() const { return options_; }
  Index leads() const { return order_.size(); }  ///< N
  Index samples() const { return samples_; }     ///< T = seconds x rate_hz, rounded

  /// May be called from several threads at once.
  /// @throws FormatError if the recording contradicts itself or its rate is not between 25 Hz and 100 kHz.
  ANYLEAD_INLINE PreparedRecord operator()(const Record& record) const;

 private:
  ANYLEAD_INLINE std::vector<float> at_model_rate(std::span<const float> lead, double rate_hz) const;
  ANYLEAD_INLINE std::shared_ptr<const Resampler> resampler(double rate_hz) const;

  SegmentOptions options_;
  LeadOrder order_;
  Index samples_;
  mutable std::mutex mutex_;
  mutable std::map<double, std::shared_ptr<const Resampler>> resamplers_;  // by rate of the recording
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/segments.ipp>
#endif
