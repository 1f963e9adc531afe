#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <anylead/core/error.hpp>
#include <anylead/data/augment.hpp>

namespace anylead::data {

namespace detail {

inline constexpr double kTwoPi = 6.283185307179586;

/// x[c, n] <- x[c, n] + noise(wave(n), c, n) on present leads; with `dependency` and I and II present, the other limb leads are
/// computed from their sums instead, before these are rounded unless the noise works in float.
template <class Wave, class Noise>
void add_noise(const SegmentView& s, bool dependency, bool in_float, Wave&& wave, Noise&& noise) {
  std::array<Index, 6> limb;  // rows of present limb leads, else -1
  for (std::size_t i = 0; i < 6; ++i) {
    const Index at = s.limb_leads[i];
    limb[i] = at >= 0 && at < s.leads && s.present[at] ? at : -1;
  }
  dependency = dependency && limb[0] >= 0 && limb[1] >= 0;
  const auto derived = [&](Index c) { return dependency && std::find(limb.begin() + 2, limb.end(), c) != limb.end(); };
  constexpr double factor[4][2] = {{-1, 1}, {-0.5, -0.5}, {1, -0.5}, {-0.5, 1}};  // of I and II in III, aVR, aVL, aVF
  for (Index n = 0; n < s.samples; ++n) {
    const double w = wave(n);
    double sum[2] = {};  // of I and II with their noise
    for (Index c = 0; c < s.leads; ++c) {
      if (!s.present[c] || derived(c)) continue;
      float& x = s.signal[c * s.samples + n];
      const double y = double{x} + noise(w, c, n);
      x = static_cast<float>(y);
      if (c == limb[0]) sum[0] = in_float ? double{x} : y;
      if (c == limb[1]) sum[1] = in_float ? double{x} : y;
    }
    for (std::size_t i = 0; dependency && i < 4; ++i)
      if (limb[2 + i] >= 0)
        s.signal[limb[2 + i] * s.samples + n] = static_cast<float>(factor[i][0] * sum[0] + factor[i][1] * sum[1]);
  }
}

inline double draw_amplitude(const NoiseOptions& noise, RandomSequence& random) {
  return random.uniform(noise.min_amplitude, noise.max_amplitude);
}

/// Standard normal values, four of each block (Box and Muller 1958): muscle noise needs one for every sample.
inline void fill_normal(std::vector<double>& values, RandomStream stream) {
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const PhiloxBlock b = stream.block(i / 4);
    for (std::size_t pair = 0; pair < 2; ++pair) {
      const double radius = std::sqrt(-2 * std::log((double(b.word[2 * pair]) + 0.5) * 0x1p-32));
      const double angle = kTwoPi * double(b.word[2 * pair + 1]) * 0x1p-32;
      if (i + 2 * pair < values.size()) values[i + 2 * pair] = radius * std::cos(angle);
      if (i + 2 * pair + 1 < values.size()) values[i + 2 * pair + 1] = radius * std::sin(angle);
    }
  }
}

inline void check_size(std::size_t found, Index expected, const char* what) {
  ANYLEAD_CHECK(static_cast<Index>(found) == expected, ShapeError, "augment", "expected ", expected, " ", what, ", found ",
                found);
}

inline void check(const NoiseOptions& o) {
  ANYLEAD_CHECK(o.p >= 0 && o.p <= 1, OptionError, "augment", "expected a probability from 0 to 1, found ", o.p);
  ANYLEAD_CHECK(o.min_amplitude >= 0 && o.max_amplitude >= o.min_amplitude && std::isfinite(o.max_amplitude), OptionError,
                "augment", "expected amplitudes with 0 <= min <= max, found ", o.min_amplitude, " and ", o.max_amplitude,
                " mV");
}

}  // namespace detail

ANYLEAD_INLINE void draw(const Powerline& noise, Index, Index, RandomSequence& random, Powerline::Choices& choices) {
  choices.amplitude = detail::draw_amplitude(noise, random);
  choices.frequency = random.below(2) == 0 ? 50 : 60;
  choices.phase = random.uniform(0, detail::kTwoPi);
}

ANYLEAD_INLINE void draw(const Emg& noise, Index leads, Index samples, RandomSequence& random, Emg::Choices& choices) {
  choices.amplitude.resize(static_cast<std::size_t>(leads));
  choices.noise.resize(static_cast<std::size_t>(leads * samples));
  for (double& a : choices.amplitude) a = detail::draw_amplitude(noise, random);
  const std::uint64_t seed = random.below(0xFFFFFFFF) | std::uint64_t{random.below(0xFFFFFFFF)} << 32;
  detail::fill_normal(choices.noise, {seed, 0, site_key("data.emg")});
}

ANYLEAD_INLINE void draw(const BaselineWander& noise, Index leads, Index, RandomSequence& random,
                         BaselineWander::Choices& choices) {
  for (auto* list : {&choices.amplitude, &choices.frequency, &choices.phase})
    list->resize(static_cast<std::size_t>(noise.components));
  choices.lead_gain.resize(static_cast<std::size_t>(leads));
  for (double& a : choices.amplitude) a = detail::draw_amplitude(noise, random);
  for (double& f : choices.frequency) f = random.uniform(noise.min_frequency, noise.max_frequency);
  for (double& phase : choices.phase) phase = random.uniform(0, detail::kTwoPi);
  for (double& g : choices.lead_gain) g = random.normal(1, 0.5);
}

ANYLEAD_INLINE void draw(const BaselineShift& noise, Index leads, Index samples, RandomSequence& random,
                         BaselineShift::Choices& choices) {
  choices.amplitude = detail::draw_amplitude(noise, random);
  choices.sign.resize(static_cast<std::size_t>(leads));
  for (double& s : choices.sign) s = random.below(2) == 0 ? 1 : -1;
  choices.begin.clear();
  choices.end.clear();
  const double mean = noise.ratio * double(samples);
  for (Index i = 0; i < noise.intervals; ++i) {
    const double length = std::clamp(random.normal(mean, mean / 5), 0.0, double(samples));
    const double begin = std::floor(random.uniform(0, double(samples) - length));
    choices.begin.push_back(static_cast<Index>(begin));
    choices.end.push_back(static_cast<Index>(begin + length));
  }
}

ANYLEAD_INLINE void apply(const Powerline& noise, const Powerline::Choices& c, const SegmentView& segment) {
  const auto hum = [&](Index n) {
    return c.amplitude * std::cos(detail::kTwoPi * c.frequency * (double(n) / segment.rate_hz) + c.phase);
  };
  detail::add_noise(segment, noise.dependency, false, hum, [](double wave, Index, Index) { return wave; });
}

ANYLEAD_INLINE void apply(const Emg& noise, const Emg::Choices& c, const SegmentView& segment) {
  detail::check_size(c.amplitude.size(), segment.leads, "amplitudes");
  detail::check_size(c.noise.size(), segment.leads * segment.samples, "noise values");
  const auto nothing_common = [](Index) { return 0.0; };
  detail::add_noise(segment, noise.dependency, false, nothing_common,
                    [&](double, Index lead, Index n) { return c.amplitude[lead] * c.noise[lead * segment.samples + n]; });
}

ANYLEAD_INLINE void apply(const BaselineWander& noise, const BaselineWander::Choices& c, const SegmentView& segment) {
  const Index components = static_cast<Index>(c.amplitude.size());
  detail::check_size(c.frequency.size(), components, "frequencies");
  detail::check_size(c.phase.size(), components, "phases");
  detail::check_size(c.lead_gain.size(), segment.leads, "lead gains");
  const auto drift = [&](Index n) {
    double sum = 0;
    for (Index k = 0; k < components; ++k)
      sum += c.amplitude[k] * std::cos(detail::kTwoPi * c.frequency[k] * (double(n) / segment.rate_hz) + c.phase[k]);
    return sum;
  };
  detail::add_noise(segment, noise.dependency, true, drift,
                    [&](double wave, Index lead, Index) { return double{static_cast<float>(wave * c.lead_gain[lead])}; });
}

ANYLEAD_INLINE void apply(const BaselineShift& noise, const BaselineShift::Choices& c, const SegmentView& segment) {
  detail::check_size(c.sign.size(), segment.leads, "signs");
  detail::check_size(c.end.size(), static_cast<Index>(c.begin.size()), "ends of intervals");
  const auto shifted = [&](Index n) {
    for (std::size_t i = 0; i < c.begin.size(); ++i)
      if (c.begin[i] <= n && n < c.end[i]) return 1.0;
    return 0.0;
  };
  detail::add_noise(segment, noise.dependency, false, shifted, [&](double wave, Index lead, Index) {
    return wave * (noise.multiplies ? c.sign[lead] * c.amplitude : c.sign[lead] - c.amplitude);
  });
}

ANYLEAD_INLINE Augmenter::Augmenter(std::vector<Augmentation> list) : list_(std::move(list)) {
  for (const Augmentation& one : list_) {
    std::visit([](const auto& noise) { detail::check(noise); }, one);
    if (const auto* wander = std::get_if<BaselineWander>(&one))
      ANYLEAD_CHECK(wander->components >= 0 && wander->components <= 1000 && wander->min_frequency >= 0 &&
                        wander->max_frequency >= wander->min_frequency,
                    OptionError, "augment",
                    "baseline wander: expected 0 to 1000 components and frequencies with 0 <= min <= max, found ",
                    wander->components, ", ", wander->min_frequency, " and ", wander->max_frequency, " Hz");
    if (const auto* shift = std::get_if<BaselineShift>(&one))
      ANYLEAD_CHECK(shift->ratio >= 0 && shift->ratio <= 1 && shift->intervals >= 0 && shift->intervals <= 1000, OptionError,
                    "augment", "baseline shift: expected a ratio from 0 to 1 and 0 to 1000 intervals, found ", shift->ratio,
                    " and ", shift->intervals);
  }
}

ANYLEAD_INLINE void Augmenter::operator()(const SegmentView& segment, std::uint64_t seed, std::uint64_t epoch, Index number) {
  const auto with = [&](const auto& noise, auto& choices, RandomSequence& random) {
    draw(noise, segment.leads, segment.samples, random, choices);
    apply(noise, choices, segment);
  };
  for (std::size_t i = 0; i < list_.size(); ++i) {
    // A seed of its own for each noise of each segment: one stream per epoch would leave 32 bits to tell segments apart.
    const auto n = static_cast<std::uint64_t>(number);
    const PhiloxBlock key = philox({{static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32),
                                     static_cast<std::uint32_t>(i), site_key("data.augment")}},
                                   static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
    RandomSequence random({key.word[0] | std::uint64_t{key.word[1]} << 32, epoch, site_key("data.augment")});
    const double p = std::visit([](const auto& noise) { return noise.p; }, list_[i]);
    if (random.uniform() >= p) continue;
    if (const auto* powerline = std::get_if<Powerline>(&list_[i])) with(*powerline, powerline_, random);
    if (const auto* emg = std::get_if<Emg>(&list_[i])) with(*emg, emg_, random);
    if (const auto* wander = std::get_if<BaselineWander>(&list_[i])) with(*wander, wander_, random);
    if (const auto* shift = std::get_if<BaselineShift>(&list_[i])) with(*shift, shift_, random);
  }
}

}  // namespace anylead::data
