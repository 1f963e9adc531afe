#include <anylead/core/error.hpp>
#include <anylead/data/augment.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

struct Segment {
  Index leads, samples;
  std::vector<float> signal;
  std::vector<Flag> present;
  explicit Segment(Index n = 12, Index t = 500, float value = 0)
      : leads(n), samples(t), signal(static_cast<std::size_t>(n * t), value), present(static_cast<std::size_t>(n), Flag{1}) {}
  SegmentView view() { return {signal.data(), present.data(), leads, samples, 500}; }
  float at(Index lead, Index n) const { return signal[lead * samples + n]; }
};

RandomSequence random(std::uint64_t seed) { return RandomSequence({seed, 0, site_key("test")}); }

/// Adds a noise with fresh choices.
template <class Noise>
Segment noisy(const Noise& noise, std::uint64_t seed, Segment segment = Segment()) {
  RandomSequence numbers = random(seed);
  typename Noise::Choices choices;
  draw(noise, segment.leads, segment.samples, numbers, choices);
  apply(noise, choices, segment.view());
  return segment;
}

}  // namespace

TEST_CASE("hum is one cosine of 50 or 60 Hz on all leads", "[data]") {
  RandomSequence numbers = random(1);
  Powerline::Choices c;
  int fifty = 0;
  double amplitude = 0, largest = 0, phase = 0;
  for (int i = 0; i < 4000; ++i) {
    draw(Powerline{{.max_amplitude = 0.5}}, 12, 10, numbers, c);
    REQUIRE((c.frequency == 50 || c.frequency == 60));
    fifty += c.frequency == 50;
    amplitude += c.amplitude / 4000;
    largest = std::max(largest, c.amplitude);
    phase += c.phase / 4000;
  }
  CHECK(std::abs(fifty - 2000) < 130);  // four deviations
  CHECK(amplitude == Approx(0.25).margin(0.01));
  CHECK(largest < 0.5);
  CHECK(phase == Approx(3.14159).margin(0.12));

  Segment s;
  apply(Powerline{{.dependency = false}}, {0.1, 50, 0.25}, s.view());
  for (Index lead : {0, 5, 11})
    for (Index n : {0, 1, 499})
      CHECK(s.at(lead, n) == static_cast<float>(0.1 * std::cos(6.283185307179586 * 50 * double(n) / 500 + 0.25)));
}

TEST_CASE("muscle noise is white with one amplitude per lead", "[data]") {
  const Segment s = noisy(Emg{{.min_amplitude = 0.1, .max_amplitude = 0.2, .dependency = false}}, 2, Segment(12, 20000));
  std::vector<double> deviations;
  for (Index lead = 0; lead < 12; ++lead) {
    double square = 0, neighbours = 0;
    for (Index n = 0; n < 20000; ++n) square += double{s.at(lead, n)} * double{s.at(lead, n)} / 20000;
    for (Index n = 1; n < 20000; ++n) neighbours += double{s.at(lead, n)} * double{s.at(lead, n - 1)} / 20000;
    deviations.push_back(std::sqrt(square));
    CHECK(deviations.back() > 0.098);
    CHECK(deviations.back() < 0.204);
    CHECK(std::abs(neighbours / square) < 0.03);
  }
  std::sort(deviations.begin(), deviations.end());
  CHECK(deviations.back() - deviations.front() > 0.02);
}

TEST_CASE("baseline wander is the same slow wave in every lead up to its gain", "[data]") {
  const BaselineWander wander{{.dependency = false}};
  RandomSequence numbers = random(3);
  BaselineWander::Choices c;
  double gain = 0, square = 0;
  for (int i = 0; i < 1000; ++i) {
    draw(wander, 12, 10, numbers, c);
    REQUIRE(c.amplitude.size() == 3);
    REQUIRE(c.lead_gain.size() == 12);
    for (const double f : c.frequency) REQUIRE((f >= 0.01 && f < 0.2));
    for (const double g : c.lead_gain) gain += g / 12000, square += (g - 1) * (g - 1) / 12000;
  }
  CHECK(gain == Approx(1).margin(0.02));
  CHECK(std::sqrt(square) == Approx(0.5).margin(0.02));

  Segment s;
  apply(wander, c, s.view());
  for (Index n : {0, 100, 499}) CHECK(s.at(3, n) * c.lead_gain[7] == Approx(s.at(7, n) * c.lead_gain[3]).margin(1e-7));
}

TEST_CASE("the shift of the reference is about one millivolt, the multiplied one at most the amplitude", "[data]") {
  BaselineShift shift{{.dependency = false}};
  const BaselineShift::Choices c{0.08, std::vector<double>{1, -1}, {10}, {30}};
  Segment s(2, 50);
  apply(shift, c, s.view());
  for (Index n = 0; n < 50; ++n) {
    const bool inside = n >= 10 && n < 30;
    REQUIRE(s.at(0, n) == (inside ? static_cast<float>(1 - 0.08) : 0.f));
    REQUIRE(s.at(1, n) == (inside ? static_cast<float>(-1 - 0.08) : 0.f));
  }
  shift.multiplies = true;
  Segment t(2, 50);
  apply(shift, c, t.view());
  CHECK(t.at(0, 10) == 0.08f);
  CHECK(t.at(1, 29) == -0.08f);
  CHECK(t.at(1, 30) == 0);
}

TEST_CASE("intervals of a shift are about a fifth of the segment and lie inside it", "[data]") {
  RandomSequence numbers = random(4);
  BaselineShift::Choices c;
  double length = 0;
  Index first = 2500, last = 0;
  for (int i = 0; i < 2000; ++i) {
    draw(BaselineShift{{}, 0.2, 2}, 12, 2500, numbers, c);
    REQUIRE(c.begin.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      REQUIRE((0 <= c.begin[k] && c.begin[k] <= c.end[k] && c.end[k] <= 2500));
      length += double(c.end[k] - c.begin[k]) / 4000;
      first = std::min(first, c.begin[k]);
      last = std::max(last, c.end[k]);
    }
  }
  CHECK(length == Approx(500).margin(8));
  CHECK(first < 10);
  CHECK(last > 2490);
  for (int i = 0; i < 200; ++i) {  // ratio 1: half of the lengths drawn exceed the segment
    draw(BaselineShift{{}, 1}, 1, 7, numbers, c);
    REQUIRE((0 <= c.begin[0] && c.end[0] <= 7));
  }
}

TEST_CASE("with dependency the limb leads agree after every noise", "[data]") {
  Segment clean;
  for (Index n = 0; n < 500; ++n)
    for (Index lead = 0; lead < 12; ++lead)
      clean.signal[lead * 500 + n] = static_cast<float>(std::sin(0.02 * double(n * (lead + 1))));
  const auto agrees = [](const Segment& s) {
    for (Index n = 0; n < s.samples; ++n) {
      const double one = s.at(0, n), two = s.at(1, n);
      if (std::abs(s.at(2, n) - (two - one)) > 1e-6 || std::abs(s.at(3, n) + (one + two) / 2) > 1e-6 ||
          std::abs(s.at(4, n) - (one - two / 2)) > 1e-6 || std::abs(s.at(5, n) - (two - one / 2)) > 1e-6)
        return false;
    }
    return true;
  };
  CHECK_FALSE(agrees(clean));
  CHECK(agrees(noisy(Powerline{}, 5, clean)));
  CHECK(agrees(noisy(Emg{}, 5, clean)));
  CHECK(agrees(noisy(BaselineWander{}, 5, clean)));
  CHECK(agrees(noisy(BaselineShift{}, 5, clean)));
  CHECK_FALSE(agrees(noisy(Emg{{.dependency = false}}, 5, clean)));
  CHECK(noisy(Emg{}, 5, clean).at(6, 3) == noisy(Emg{{.dependency = false}}, 5, clean).at(6, 3));  // chest leads do not care
}

TEST_CASE("absent leads stay zero and limb leads are derived only where I and II are present", "[data]") {
  const Emg emg;
  Segment without_two(12, 100), without_avl(12, 100);
  without_two.present[1] = without_two.present[8] = 0;
  without_avl.present[4] = 0;
  const Segment a = noisy(emg, 6, without_two), b = noisy(emg, 6, without_avl);
  const Segment plain = noisy(Emg{{.dependency = false}}, 6, Segment(12, 100)), derived = noisy(emg, 6, Segment(12, 100));
  for (Index n = 0; n < 100; ++n) {
    for (Index lead = 0; lead < 12; ++lead) REQUIRE(a.at(lead, n) == (without_two.present[lead] ? plain.at(lead, n) : 0.f));
    for (Index lead = 0; lead < 12; ++lead) REQUIRE(b.at(lead, n) == (lead == 4 ? 0.f : derived.at(lead, n)));
  }
}

TEST_CASE("limb leads are found in another order of leads", "[data]") {
  Segment s(4, 50);
  SegmentView view = s.view();
  view.limb_leads = limb_leads(LeadOrder({"V1", "aVF", "II", "I"}));
  CHECK(view.limb_leads == std::array<Index, 6>{3, 2, -1, -1, -1, 1});
  apply(Emg{}, {{1, 1, 1, 1}, std::vector<double>(200, 0.5)}, view);
  CHECK(s.at(1, 7) == 0.25f);
  CHECK(s.at(0, 7) == 0.5f);
}

TEST_CASE("choices of another size are refused", "[data]") {
  Segment s(2, 10);
  CHECK_THROWS_AS(apply(Emg{}, {{1}, std::vector<double>(20)}, s.view()), ShapeError);
  CHECK_THROWS_AS(apply(Emg{}, {{1, 1}, std::vector<double>(19)}, s.view()), ShapeError);
  CHECK_THROWS_AS(apply(BaselineWander{}, {{1}, {1, 2}, {1}, {1, 1}}, s.view()), ShapeError);
  CHECK_THROWS_AS(apply(BaselineWander{}, {{1}, {1}, {1}, {1}}, s.view()), ShapeError);
  CHECK_THROWS_AS(apply(BaselineShift{}, {1, {1}, {1}, {2}}, s.view()), ShapeError);
  CHECK_THROWS_AS(apply(BaselineShift{}, {1, {1, 1}, {1}, {}}, s.view()), ShapeError);
}

TEST_CASE("an augmenter depends on seed, epoch and number and on nothing else", "[data]") {
  const std::vector<Augmentation> list = {Powerline{}, Emg{}, BaselineWander{}, BaselineShift{}};
  const auto run = [&](std::uint64_t seed, std::uint64_t epoch, Index number) {
    Augmenter augment(list);
    Segment s;
    augment(s.view(), seed, epoch, number);
    return s.signal;
  };
  const auto first = run(1, 2, 3);
  CHECK(first == run(1, 2, 3));
  CHECK(first != run(2, 2, 3));
  CHECK(first != run(1, 3, 3));
  CHECK(first != run(1, 2, 4));
  CHECK(first != run(1, 2, 3 + (Index{1} << 32)));
  Augmenter used(list);
  for (Index i = 0; i < 5; ++i) {
    Segment other(12, 100 + i);
    used(other.view(), 9, 9, i);
  }
  Segment s;
  used(s.view(), 1, 2, 3);
  CHECK(s.signal == first);
}

TEST_CASE("each noise is added with its probability, independent of the others", "[data]") {
  Augmenter augment({Powerline{{.p = 0.25}}, BaselineShift{{.p = 0.5}}}), never({Emg{{.p = 0}}}), always({Emg{}});
  int hum = 0, both = 0, shift = 0;
  for (Index i = 0; i < 4000; ++i) {
    Segment s(1, 40);
    augment(s.view(), 1, 1, i);
    const bool shifted = std::any_of(s.signal.begin(), s.signal.end(), [](float x) { return std::abs(x) > 0.5; });
    const bool hums = std::any_of(s.signal.begin(), s.signal.end(), [](float x) { return x != 0 && std::abs(x) < 0.5; });
    shift += shifted;
    hum += hums;
    both += shifted && hums;
    Segment untouched(1, 4), touched(1, 4);
    never(untouched.view(), 1, 1, i);
    always(touched.view(), 1, 1, i);
    REQUIRE(untouched.signal == std::vector<float>(4));
    REQUIRE(touched.signal != std::vector<float>(4));
  }
  CHECK(std::abs(hum - 1000) < 110);
  CHECK(std::abs(shift - 2000) < 130);
  CHECK(std::abs(both - 500) < 85);
}

TEST_CASE("options of noises outside their range are refused", "[data]") {
  const auto refuses = [](const Augmentation& one) { CHECK_THROWS_AS(Augmenter({one}), OptionError); };
  refuses(Powerline{{.p = -0.1}});
  refuses(Powerline{{.p = 1.1}});
  refuses(Emg{{.min_amplitude = 0.2}});
  refuses(Emg{{.min_amplitude = -1}});
  refuses(BaselineWander{{}, -1});
  refuses(BaselineWander{{}, 3, 0.3, 0.2});
  refuses(BaselineShift{{}, 1.5});
  refuses(BaselineShift{{}, 0.2, -1});
  CHECK(Augmenter({}).empty());
}

TEST_CASE("segments of one sample and one lead are augmented", "[data]") {
  Augmenter augment({Powerline{}, Emg{}, BaselineWander{}, BaselineShift{}});
  Segment one(1, 1), none(1, 0);
  augment(one.view(), 1, 1, 1);
  augment(none.view(), 1, 1, 1);
  CHECK(std::isfinite(one.signal[0]));
}
