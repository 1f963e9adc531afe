// The physiological and technical noises of Mehari and Strodthoff 2022, as the reference implementation adds them.
//
// t = sample / rate_hz. Arithmetic is in double, the result is rounded to float. Noise is drawn for all leads of the model, so
// that a choice does not depend on which are present, but is added to present leads only: an absent lead stays 0.
#pragma once

#include <array>
#include <span>
#include <variant>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/standard_leads.hpp>

namespace anylead::data {

/// A segment to be changed in place.
struct SegmentView {
  float* signal;         ///< [N, T] mV
  const Flag* present;   ///< [N]
  Index leads, samples;  ///< N, T
  double rate_hz;
  std::array<Index, 6> limb_leads = {0, 1, 2, 3, 4, 5};  ///< rows of I, II, III, aVR, aVL, aVF; -1: not a lead of the model
};

/// Rows of I, II, III, aVR, aVL, aVF in a model's order of leads.
inline std::array<Index, 6> limb_leads(const LeadOrder& order) {
  std::array<Index, 6> rows;
  for (int i = 0; i < 6; ++i) rows[static_cast<std::size_t>(i)] = order.position(static_cast<Lead>(i));
  return rows;
}

/// Amplitudes are U(min, max) in mV. With `dependency`, the other limb leads are computed from the noisy I and II:
/// III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2 (where I, II and the lead itself are present).
/// Defaults are those of the reference's pre-training task, which differ from its classes'.
struct NoiseOptions {
  double p = 1;  ///< the noise is added to a segment with this probability
  double min_amplitude = 0;
  double max_amplitude = 0.1;
  bool dependency = true;
};

/// Mains hum: a cos(2 pi f t + phi), the same on all leads.
struct Powerline : NoiseOptions {
  struct Choices {
    double amplitude;  ///< a, mV
    double frequency;  ///< f, 50 or 60 Hz with equal odds
    double phase;      ///< phi in [0, 2 pi)
  };
};

/// Muscle noise: a_c N(0, 1), white, one amplitude per lead.
struct Emg : NoiseOptions {
  struct Choices {
    std::vector<double> amplitude;  ///< [N] mV
    std::vector<double> noise;      ///< [N, T] standard normal
  };
};

/// Baseline wander: g_c sum_k a_k cos(2 pi f_k t + phi_k), k = 1 .. components; the gain g_c of a lead is N(1, 0.5).
struct BaselineWander : NoiseOptions {
  Index components = 3;
  double min_frequency = 0.01;  ///< Hz
  double max_frequency = 0.2;   ///< Hz
  struct Choices {
    std::vector<double> amplitude, frequency, phase;  ///< [K] mV, Hz, radians
    std::vector<double> lead_gain;                    ///< [N]
  };
};

/// Baseline shift: on `intervals` stretches of about `ratio` of the segment (length N(r T, r T / 5), start U(0, T - length))
/// every lead moves by s_c - a, s_c = +-1 with equal odds and a one amplitude: by about one millivolt, whatever the amplitude,
/// because the reference subtracts. With `multiplies` it moves by s_c a, as the paper means it. Where stretches overlap the
/// shift counts once.
struct BaselineShift : NoiseOptions {
  double ratio = 0.2;
  Index intervals = 1;
  bool multiplies = false;
  struct Choices {
    double amplitude;               ///< a, mV
    std::vector<double> sign;       ///< [N] s_c
    std::vector<Index> begin, end;  ///< [intervals] shifted samples are begin .. end - 1
  };
};

using Augmentation = std::variant<Powerline, Emg, BaselineWander, BaselineShift>;

/// Draws every choice of one noise for N leads of T samples. Overwrites `choices`, whose memory is reused.
ANYLEAD_INLINE void draw(const Powerline& noise, Index leads, Index samples, RandomSequence& random,
                         Powerline::Choices& choices);
ANYLEAD_INLINE void draw(const Emg& noise, Index leads, Index samples, RandomSequence& random, Emg::Choices& choices);
ANYLEAD_INLINE void draw(const BaselineWander& noise, Index leads, Index samples, RandomSequence& random,
                         BaselineWander::Choices& choices);
ANYLEAD_INLINE void draw(const BaselineShift& noise, Index leads, Index samples, RandomSequence& random,
                         BaselineShift::Choices& choices);

/// Adds a noise with given choices. @throws ShapeError if their sizes do not fit the segment.
ANYLEAD_INLINE void apply(const Powerline& noise, const Powerline::Choices& choices, const SegmentView& segment);
ANYLEAD_INLINE void apply(const Emg& noise, const Emg::Choices& choices, const SegmentView& segment);
ANYLEAD_INLINE void apply(const BaselineWander& noise, const BaselineWander::Choices& choices, const SegmentView& segment);
ANYLEAD_INLINE void apply(const BaselineShift& noise, const BaselineShift::Choices& choices, const SegmentView& segment);

/// Adds a list of noises to segments, in the order of the list. One object per thread: it keeps the memory of the choices.
class Augmenter {
 public:
  /// @throws OptionError for a probability outside [0, 1], amplitudes, frequencies or ratios that are negative or out of order.
  ANYLEAD_INLINE explicit Augmenter(std::vector<Augmentation> list);

  bool empty() const { return list_.empty(); }

  /// Each noise is added if U < p. All draws are a function of (seed, epoch, number): of nothing else, not even of each other's
  /// options; the numbers of one noise of the list do not depend on the others.
  ANYLEAD_INLINE void operator()(const SegmentView& segment, std::uint64_t seed, std::uint64_t epoch, Index number);

 private:
  std::vector<Augmentation> list_;
  Powerline::Choices powerline_ = {};
  Emg::Choices emg_;
  BaselineWander::Choices wander_;
  BaselineShift::Choices shift_ = {};
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/augment.ipp>
#endif
