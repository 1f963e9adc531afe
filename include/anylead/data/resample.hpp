// Change of the sampling rate.
#pragma once

#include <span>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// How a recording comes to the model's rate.
enum class Resampling {
  sinc,   ///< band-limited, @see Resampler
  linear  ///< straight lines without an anti-aliasing filter, stretched as in the reference (@see resample_linear)
};

/// Number of samples after a change of rate: floor(n to / from), the same for both methods.
ANYLEAD_INLINE Index resampled_length(Index samples, double from_hz, double to_hz);

/// Band-limited change of the rate by a ratio U/D: output m is taken at input position m D/U with a windowed sinc,
///
///   y[m] = sum_i x[i] h(i - m D/U),   h(t) = sinc(c t) kaiser(t / W),   each phase scaled to sum 1,
///
/// so that the delay is zero and a constant stays exactly the same constant. The stop band begins at the lower of the two
/// Nyquist frequencies and is 80 dB down; frequencies up to 0.92 of it pass within 0.02 %. Beyond an end the signal continues
/// by point reflection, x[-i] = 2 x[0] - x[i], which keeps slopes. Every run of valid samples is resampled by itself: outputs
/// that lie between two runs are NaN, and no invalid sample reaches a valid one.
class Resampler {
 public:
  /// U/D is the simplest ratio within 1e-6 of to / from: 25/18 for 360 Hz to 500 Hz. Where that takes numbers above 16384 it is
  /// the best convergent below, at most 6e-5 away, which is what the clock of a recorder keeps.
  /// @throws OptionError unless both rates are finite, above 0, and at most a factor 16384 apart.
  ANYLEAD_INLINE Resampler(double from_hz, double to_hz);

  Index up() const { return up_; }      ///< U
  Index down() const { return down_; }  ///< D

  /// [T] -> [floor(T U / D)]; NaN marks invalid samples.
  ANYLEAD_INLINE std::vector<float> operator()(std::span<const float> x) const;

 private:
  ANYLEAD_INLINE void resample_run(std::span<const float> x, Index begin, Index end, std::vector<float>& y) const;

  Index up_ = 1, down_ = 1;
  Index reach_ = 0;              // taps on either side of a position
  std::vector<double> weights_;  // [U, 2 reach]
};

/// The reference's change of rate: the n old samples are placed at linspace(0, n_new - 1, n) with n_new = n to / from (not
/// rounded), and the polygon through them is read at 0, 1, ..., trunc(n_new) - 1. First and last sample are kept, so time is
/// stretched by (n_new - 1) / (n - 1) instead of to / from. Outputs next to an invalid sample are invalid.
ANYLEAD_INLINE std::vector<float> resample_linear(std::span<const float> x, double from_hz, double to_hz);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/resample.ipp>
#endif
