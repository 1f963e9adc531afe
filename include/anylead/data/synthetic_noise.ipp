#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/data/synthetic_model.hpp>

namespace anylead::data::detail::synthetic {

inline constexpr Index kElectrodes = 9;  // RA, LA, LL, V1 .. V6

/// cos(w i + phase) for i = 0, 1, ... by rotation.
class Oscillator {
 public:
  Oscillator(double radians_per_sample, double phase)
      : c_(std::cos(radians_per_sample)), s_(std::sin(radians_per_sample)), x_(std::cos(phase)), y_(std::sin(phase)) {}

  double next() {
    const double value = x_;
    const double x = c_ * x_ - s_ * y_;
    y_ = s_ * x_ + c_ * y_;
    x_ = x;
    return value;
  }

 private:
  double c_, s_, x_, y_;
};

/// White noise of unit deviation: sums of four bytes, nearly normal and 30 times as fast as the logarithms and cosines of the
/// exact law; nobody can see the difference. Sample i is a function of stream and i.
class WhiteNoise {
 public:
  WhiteNoise(RandomStream stream, std::uint64_t first_block) : stream_(stream), block_(first_block) {}

  double next() {
    if (left_ == 0) {
      words_ = stream_.block(block_++);
      left_ = 4;
    }
    const std::uint32_t w = words_.word[--left_];
    const std::uint32_t sum = (w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24);
    return (double(sum) - 510) * (1 / 147.80166891254444);  // the variance of a byte is 65535 / 12
  }

 private:
  RandomStream stream_;
  std::uint64_t block_;
  PhiloxBlock words_ = {};
  int left_ = 0;
};

ANYLEAD_INLINE std::vector<float> electrode_noise(const Course& course, Index samples, double rate_hz, double size,
                                                  RandomSequence& random, RandomStream white) {
  constexpr double pi2 = 6.283185307179586;
  std::vector<float> noise(kElectrodes * samples);
  // Choices come first and do not depend on sizes, so that all recordings of a seed differ by nothing but the options.
  constexpr int kSlow = 4;  // common slow potentials: respiration, then three of sweat and skin
  double frequency[kSlow], phase[kSlow];
  frequency[0] = course.respiration;
  phase[0] = course.respiration_phase;
  for (int k = 1; k < kSlow; ++k) {
    frequency[k] = random.uniform(0.04, 0.45);
    phase[k] = random.uniform(0, pi2);
  }
  const double wander = 0.030 * std::exp(random.normal(0, 0.6)), muscle = 0.006 * std::exp(random.normal(0, 0.6));
  const double hum = random.uniform() < 0.25 ? random.uniform(0.004, 0.02) : random.uniform(0, 0.002);
  const double hum_phase = random.uniform(0, pi2);
  const bool tension = random.uniform() < 0.2;  // a stretch of stronger muscle activity
  const double tense_at = random.uniform(), tense_for = random.uniform(0.3, 1.2), tense_by = random.uniform(1, 3);
  const bool motion = random.uniform() < 0.15;
  const Index moved = random.below(kElectrodes);
  const double motion_at = random.uniform(), motion_size = random.uniform(0.1, 0.35), motion_decay = random.uniform(0.25, 0.8);

  std::vector<double> slow(kSlow * samples), mains(samples), envelope(samples);
  for (int k = 0; k < kSlow; ++k) {
    Oscillator wave(pi2 * frequency[k] / rate_hz, phase[k]);
    for (Index i = 0; i < samples; ++i) slow[k * samples + i] = wave.next();
  }
  if (rate_hz > 110) {  // slower recorders have a filter below 50 Hz
    Oscillator base(pi2 * 50 / rate_hz, hum_phase), third(pi2 * 150 / rate_hz, 3 * hum_phase + 1);
    for (Index i = 0; i < samples; ++i) mains[i] = base.next() + (rate_hz > 320 ? 0.15 * third.next() : 0.0);
  }
  for (Index i = 0; i < samples; ++i) {
    const double t = (double(i) / double(samples) - tense_at) * (double(samples) / rate_hz) / tense_for;
    envelope[i] = tension && std::abs(t) < 4 ? 1 + tense_by * std::exp(-0.5 * t * t) : 1;
  }

  const double pass = std::exp(-pi2 * 25 / rate_hz);  // muscle noise lies above 25 Hz
  for (Index e = 0; e < kElectrodes; ++e) {
    double weight[kSlow];
    for (double& w : weight) w = wander * size * random.normal(0, 0.6);
    const double emg = muscle * size * random.uniform(e < 3 ? 0.7 : 0.4, e < 3 ? 1.5 : 1.0), amplifier = 0.0025 * size;
    const double hum_here = hum * size * random.normal(0, 1);
    WhiteNoise fast(white, static_cast<std::uint64_t>(e) << 32);
    double below = 0;
    for (Index i = 0; i < samples; ++i) {
      const double w = fast.next();
      below += (1 - pass) * (w - below);
      noise[e * samples + i] = static_cast<float>(weight[0] * slow[i] + weight[1] * slow[samples + i] +
                                                  weight[2] * slow[2 * samples + i] + weight[3] * slow[3 * samples + i] +
                                                  emg * envelope[i] * (w - below) + amplifier * w + hum_here * mains[i]);
    }
  }
  if (motion)
    for (Index i = 0; i < samples; ++i) {
      const double t = double(i) / rate_hz - motion_at * double(samples) / rate_hz;
      if (t > 0)
        noise[moved * samples + i] +=
            static_cast<float>(size * motion_size * (1 - std::exp(-t / 0.04)) * std::exp(-t / motion_decay));
    }
  return noise;
}

ANYLEAD_INLINE void loosen(std::span<float> electrode, double rate_hz, RandomSequence& random) {
  double left = 0, level = 0, value = 0;
  bool contact = true;
  for (float& sample : electrode) {
    if (left <= 0) {
      contact = !contact;
      left = contact ? random.uniform(0.4, 2.5) : random.uniform(0.1, 0.6);
      level = random.uniform(-1.5, 1.5);
    }
    left -= 1 / rate_hz;
    value += (1 - std::exp(-1 / (0.02 * rate_hz))) * ((contact ? 0 : level) - value);
    if (!contact) sample += static_cast<float>(0.15 * random.normal());
    sample += static_cast<float>(value);
  }
}

}  // namespace anylead::data::detail::synthetic
