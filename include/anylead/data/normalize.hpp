// Scaling of signals.
#pragma once

#include <cmath>
#include <span>

#include <anylead/core/types.hpp>

namespace anylead::data {

/// What happens to the amplitude of a recording.
enum class Normalization {
  none,    ///< millivolt as recorded (the method of the paper)
  z_score  ///< every lead of a recording to mean 0 and standard deviation 1 (the method of ECG-FM)
};

/// x <- (x - mean) / deviation, with the mean and the population standard deviation over all valid samples of the lead; NaN
/// stays NaN. A lead of one value becomes 0. Two passes in double: the baseline of an ECG may be large against its deflections.
inline void standardize(std::span<float> lead) {
  double sum = 0, square = 0;
  Index valid = 0;
  bool flat = true;
  float first = 0;
  for (const float x : lead) {
    if (std::isnan(x)) continue;
    if (valid++ == 0) first = x;
    flat = flat && x == first;
    sum += double{x};
  }
  const double mean = valid ? sum / double(valid) : 0;
  for (const float x : lead)
    if (!std::isnan(x)) square += (double{x} - mean) * (double{x} - mean);
  const double scale = flat ? 0 : 1 / std::sqrt(square / double(valid));
  for (float& x : lead)
    if (!std::isnan(x)) x = flat ? 0.f : static_cast<float>((double{x} - mean) * scale);
}

}  // namespace anylead::data
