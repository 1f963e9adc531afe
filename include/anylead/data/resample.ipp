#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <anylead/core/error.hpp>
#include <anylead/data/resample.hpp>

namespace anylead::data {

namespace detail {

struct Ratio {
  Index up, down;
};

/// The first convergent U/D of the continued fraction of to / from that is within 1e-6 of it, or else the last with U and D up
/// to 16384: it is within 1 / 16384.
inline Ratio rate_ratio(double from_hz, double to_hz) {
  constexpr Index kLargest = 16384;
  ANYLEAD_CHECK(from_hz > 0 && to_hz > 0 && std::isfinite(from_hz) && std::isfinite(to_hz), OptionError, "resample",
                "expected two rates above 0 Hz, found ", from_hz, " and ", to_hz);
  const double ratio = to_hz / from_hz;
  ANYLEAD_CHECK(ratio >= 1.0 / kLargest && ratio <= kLargest, OptionError, "resample", "expected rates of a ratio up to ",
                kLargest, ", found ", from_hz, " and ", to_hz, " Hz");
  double rest = ratio;
  Index p0 = 0, q0 = 1, p1 = 1, q1 = 0;  // the last two convergents
  while (q1 == 0 || p1 == 0 || std::abs(double(p1) / double(q1) - ratio) > 1e-6 * ratio) {
    if (rest > kLargest + 0.5) break;  // the next term is too large, or infinite where the fraction ends
    const Index a = static_cast<Index>(std::floor(rest));
    const Index p = a * p1 + p0, q = a * q1 + q0;
    if (p > kLargest || q > kLargest) break;
    p0 = p1, q0 = q1, p1 = p, q1 = q;
    rest = 1 / (rest - double(a));
  }
  return {p1, q1};
}

/// Modified Bessel function of the first kind of order 0, by its power series (all terms positive: no cancellation).
inline double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

}  // namespace detail

ANYLEAD_INLINE Index resampled_length(Index samples, double from_hz, double to_hz) {
  if (from_hz == to_hz) return samples;
  // A product that misses an integer by rounding alone counts as that integer.
  const double exact = double(samples) * to_hz / from_hz, nearest = std::round(exact);
  return static_cast<Index>(std::abs(exact - nearest) <= 1e-9 * nearest ? nearest : std::floor(exact));
}

ANYLEAD_INLINE Resampler::Resampler(double from_hz, double to_hz) {
  const auto ratio = detail::rate_ratio(from_hz, to_hz);
  up_ = ratio.up;
  down_ = ratio.down;
  if (up_ == down_) return;

  constexpr double kAttenuation = 80;    // dB
  constexpr double kZeroCrossings = 64;  // on either side, in samples of the lower rate
  constexpr double kPi = 3.141592653589793;
  // Kaiser 1974: shape and width of the transition band; it is laid below the Nyquist frequency of the lower rate.
  const double beta = 0.1102 * (kAttenuation - 8.7);
  const double transition = (kAttenuation - 7.95) / (2.285 * 2 * kZeroCrossings * kPi);
  const double cutoff = 1 - transition / 2;

  const double scale = std::min(1.0, double(up_) / double(down_));  // lower rate over input rate
  const double width = kZeroCrossings / scale;                      // W
  reach_ = static_cast<Index>(std::ceil(width));
  weights_.resize(static_cast<std::size_t>(up_ * 2 * reach_));
  const double top = detail::bessel_i0(beta);
  for (Index phase = 0; phase < up_; ++phase) {
    double* w = &weights_[static_cast<std::size_t>(phase * 2 * reach_)];
    double sum = 0;
    for (Index k = 0; k < 2 * reach_; ++k) {
      const double t = double(k - reach_ + 1) - double(phase) / double(up_);  // input sample less position
      const double u = t / width;
      const double angle = kPi * cutoff * scale * t;
      const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
      w[k] = u * u >= 1 ? 0 : sinc * detail::bessel_i0(beta * std::sqrt(1 - u * u)) / top;
      sum += w[k];
    }
    for (Index k = 0; k < 2 * reach_; ++k) w[k] /= sum;
  }
}

ANYLEAD_INLINE std::vector<float> Resampler::operator()(std::span<const float> x) const {
  if (up_ == down_) return {x.begin(), x.end()};
  const Index n = static_cast<Index>(x.size());
  std::vector<float> y(static_cast<std::size_t>(n * up_ / down_), std::numeric_limits<float>::quiet_NaN());
  for (Index begin = 0; begin < n;) {
    if (!std::isfinite(x[begin])) {
      ++begin;
      continue;
    }
    Index end = begin;
    while (end < n && std::isfinite(x[end])) ++end;
    resample_run(x, begin, end, y);
    begin = end;
  }
  return y;
}

ANYLEAD_INLINE void Resampler::resample_run(std::span<const float> x, Index begin, Index end, std::vector<float>& y) const {
  const Index count = static_cast<Index>(y.size());
  // The run with its continuation on both sides, in double.
  std::vector<double> run(static_cast<std::size_t>(end - begin + 2 * reach_));
  for (Index i = 0; i < static_cast<Index>(run.size()); ++i) {
    const Index at = begin + i - reach_, last = end - 1;
    if (at < begin)
      run[i] = 2 * double{x[begin]} - double{x[std::min(2 * begin - at, last)]};
    else if (at > last)
      run[i] = 2 * double{x[last]} - double{x[std::max(2 * last - at, begin)]};
    else
      run[i] = double{x[at]};
  }
  const Index first = (begin * up_ + down_ - 1) / down_;  // the first output at or after the run's first sample
  const bool at_end = end == static_cast<Index>(x.size());
  for (Index m = first; m < count; ++m) {
    const Index base = m * down_ / up_, phase = m * down_ % up_;
    if (!at_end && base + (phase > 0) > end - 1) break;
    const double* taps = &weights_[static_cast<std::size_t>(phase * 2 * reach_)];
    const double* from = &run[static_cast<std::size_t>(base - begin + 1)];
    double sum[4] = {};
    Index k = 0;
    for (; k + 4 <= 2 * reach_; k += 4)
      for (int j = 0; j < 4; ++j) sum[j] += taps[k + j] * from[k + j];
    for (; k < 2 * reach_; ++k) sum[0] += taps[k] * from[k];
    y[static_cast<std::size_t>(m)] = static_cast<float>((sum[0] + sum[1]) + (sum[2] + sum[3]));
  }
}

ANYLEAD_INLINE std::vector<float> resample_linear(std::span<const float> x, double from_hz, double to_hz) {
  const Index n = static_cast<Index>(x.size()), count = resampled_length(n, from_hz, to_hz);
  std::vector<float> y(static_cast<std::size_t>(count));
  const double last = double(n) * to_hz / from_hz - 1;  // position of the last old sample
  for (Index m = 0; m < count; ++m) {
    const double position = n < 2 || last <= 0 ? 0 : double(m) * double(n - 1) / last;
    const Index left = std::clamp<Index>(static_cast<Index>(position), 0, std::max<Index>(n - 2, 0));
    const Index right = std::min(left + 1, n - 1);
    const double a = x[left], b = x[right], share = std::min(position - double(left), 1.0);
    y[m] = static_cast<float>(share == 0 ? a : a + (b - a) * share);
  }
  return y;
}

}  // namespace anylead::data
