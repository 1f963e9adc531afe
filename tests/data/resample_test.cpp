#include <anylead/data/resample.hpp>

#include <anylead/core/error.hpp>
#include <cmath>
#include <complex>
#include <limits>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

constexpr double kPi = 3.141592653589793;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> sine(Index n, double rate_hz, double frequency_hz, double phase = 0.3, double offset = 0) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i)
    x[i] = static_cast<float>(offset + std::sin(2 * kPi * frequency_hz * double(i) / rate_hz + phase));
  return x;
}

/// Largest deviation from the sine sampled at the new rate, `margin` seconds away from the ends.
double deviation(const std::vector<float>& y, double rate_hz, double frequency_hz, double margin) {
  const auto expected = sine(static_cast<Index>(y.size()), rate_hz, frequency_hz);
  const Index skipped = static_cast<Index>(margin * rate_hz);
  double largest = 0;
  for (Index i = skipped; i < static_cast<Index>(y.size()) - skipped; ++i)
    largest = std::max(largest, std::abs(double{y[i]} - double{expected[i]}));
  return largest;
}

}  // namespace

TEST_CASE("sines below 0.9 of the lower Nyquist frequency keep amplitude and phase within 0.1 percent", "[data]") {
  const double from = GENERATE(100., 125., 128., 200., 250., 257., 360., 400., 500., 1000.), to = GENERATE(500., 250.);
  const Index n = static_cast<Index>(10 * from);
  const Resampler resample(from, to);
  const double nyquist = std::min(from, to) / 2;
  CAPTURE(from, to);
  for (const double share : {0.01, 0.1, 0.37, 0.62, 0.8, 0.9}) {
    CAPTURE(share);
    const auto y = resample(sine(n, from, share * nyquist));
    REQUIRE(y.size() == static_cast<std::size_t>(10 * to));
    CHECK(deviation(y, to, share * nyquist, 64 / (2 * nyquist)) < 1e-3);
  }
}

TEST_CASE("what lies above the new Nyquist frequency is suppressed by more than 60 dB", "[data]") {
  const auto [from, to] = GENERATE(std::pair{1000., 500.}, std::pair{500., 250.}, std::pair{360., 250.}, std::pair{257., 250.},
                                   std::pair{1000., 250.}, std::pair{500., 100.});
  CAPTURE(from, to);
  const Resampler resample(from, to);
  for (const double share : {0.01, 0.2, 0.5, 0.9}) {  // of the band between the Nyquist frequencies
    const double frequency = to / 2 + share * (from - to) / 2;
    const auto y = resample(sine(static_cast<Index>(10 * from), from, frequency));
    double largest = 0;
    for (std::size_t i = 100; i + 100 < y.size(); ++i) largest = std::max(largest, std::abs(double{y[i]}));
    CAPTURE(frequency);
    CHECK(largest < 1e-3);
  }
}

TEST_CASE("a constant stays exactly that constant, ends included", "[data]") {
  for (const double from : {100., 125., 128., 200., 257., 360., 1000.}) {
    const std::vector<float> x(777, -3.1415927f);
    for (const float y : Resampler(from, 500)(x)) REQUIRE(y == -3.1415927f);
    for (const float y : resample_linear(x, from, 500)) REQUIRE(y == -3.1415927f);
  }
}

TEST_CASE("a straight line stays straight up to its ends", "[data]") {
  std::vector<float> x(500);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(0.01 * double(i) - 1);
  for (const double from : {100., 360., 1000.}) {
    const auto y = Resampler(from, 500)(x);
    double largest = 0;
    for (std::size_t m = 0; m < y.size(); ++m)
      largest = std::max(largest, std::abs(double{y[m]} - (0.01 * double(m) * from / 500 - 1)));
    CHECK(largest < 1e-3);
  }
}

TEST_CASE("a slow wave is right at the ends too", "[data]") {
  const auto y = Resampler(100, 500)(sine(1000, 100, 1));
  CHECK(deviation(y, 500, 1, 0) < 0.01);
}

TEST_CASE("the length is floor(n to / from) for both methods", "[data]") {
  for (const double from : {100., 125., 128., 200., 250., 257., 360., 400., 500., 1000.})
    for (const Index n : {0, 1, 2, 3, 10, 999, 2570, 5000})
      for (const double to : {250., 500.}) {
        const Index expected = n * static_cast<Index>(to) / static_cast<Index>(from);
        CAPTURE(from, to, n);
        REQUIRE(resampled_length(n, from, to) == expected);
        const std::vector<float> x(static_cast<std::size_t>(n), 1.f);
        REQUIRE(Resampler(from, to)(x).size() == static_cast<std::size_t>(expected));
        REQUIRE(resample_linear(x, from, to).size() == static_cast<std::size_t>(expected));
      }
}

TEST_CASE("equal rates change nothing", "[data]") {
  const auto x = sine(100, 500, 7);
  CHECK(Resampler(500, 500)(x) == x);
  CHECK(resample_linear(x, 500, 500) == x);
}

TEST_CASE("the ratio is the simplest one", "[data]") {
  const auto ratio = [](double from, double to) {
    const Resampler r(from, to);
    return std::pair{r.up(), r.down()};
  };
  CHECK(ratio(360, 500) == std::pair<Index, Index>{25, 18});
  CHECK(ratio(1000, 500) == std::pair<Index, Index>{1, 2});
  CHECK(ratio(257, 500) == std::pair<Index, Index>{500, 257});
  CHECK(ratio(499.5, 500) == std::pair<Index, Index>{1000, 999});
  CHECK(ratio(1000. / 3, 500) == std::pair<Index, Index>{3, 2});
}

TEST_CASE("a rate that is off by less than a millionth counts as the one it is near", "[data]") {
  const Resampler near(499.9999, 500);
  CHECK(near.up() == 1);
  CHECK(near.down() == 1);
}

TEST_CASE("any two rates have a ratio of small numbers close to theirs", "[data]") {
  for (const double from : {25.0001, 123.456789123, 249.985, 500.02, 3333.333, 99999.9, 500. / 16384, 500. * 16384})
    for (const double to : {500., 499.97}) {
      if (std::max(to / from, from / to) > 16384) continue;
      const Resampler r(from, to);
      CAPTURE(from, to);
      CHECK((r.up() >= 1 && r.up() <= 16384 && r.down() >= 1 && r.down() <= 16384));
      CHECK(std::abs(double(r.up()) / double(r.down()) / (to / from) - 1) < 6.2e-5);
    }
}

TEST_CASE("rates without a usable ratio are refused", "[data]") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double from : {0., -1., 1e-9, 1e12, infinity, -infinity, double{kNaN}})
    CHECK_THROWS_AS(Resampler(from, 500), OptionError);
  CHECK_THROWS_AS(Resampler(500, 0), OptionError);
}

TEST_CASE("invalid samples reach no valid one, and runs between them are resampled by themselves", "[data]") {
  auto x = sine(1000, 100, 3);
  for (Index i = 400; i < 450; ++i) x[i] = kNaN;
  const auto y = Resampler(100, 500)(x);
  const auto left = Resampler(100, 500)(std::span(x).first(400)), right = Resampler(100, 500)(std::span(x).subspan(450));
  for (Index m = 0; m < 5000; ++m) {
    const bool valid = m <= 399 * 5 || m >= 450 * 5;
    REQUIRE(std::isnan(y[m]) != valid);
    if (m <= 399 * 5) REQUIRE(y[m] == left[m]);
    if (m >= 450 * 5) REQUIRE(y[m] == right[m - 450 * 5]);
  }
  CHECK(deviation({y.begin(), y.begin() + 1996}, 500, 3, 0) < 0.02);

  const std::vector<float> nothing(100, kNaN);
  for (const float value : Resampler(100, 500)(nothing)) REQUIRE(std::isnan(value));
  std::vector<float> one = nothing;
  one[50] = 2;
  const auto single = Resampler(100, 500)(one);
  for (Index m = 0; m < 500; ++m) REQUIRE((m == 250 ? single[m] == 2 : std::isnan(single[m])));
  for (const float value : resample_linear(nothing, 100, 500)) REQUIRE(std::isnan(value));
}

TEST_CASE("a gap that holds no output sample still keeps its neighbours apart", "[data]") {
  std::vector<float> x(100, 1.f);
  x[51] = kNaN;  // between the outputs at 50 and 52
  for (std::size_t i = 52; i < 100; ++i) x[i] = 2;
  const auto y = Resampler(1000, 500)(x);
  for (std::size_t m = 0; m < 50; ++m) REQUIRE(y[m] == (m <= 25 ? 1.f : 2.f));
}

TEST_CASE("linear resampling stretches as the reference does", "[data]") {
  // numpy.interp(arange(int(4 * 500 / 200)), linspace(0, 9, 4), [0, 3, -3, 1])
  const auto y = resample_linear(std::vector<float>{0, 3, -3, 1}, 200, 500);
  const std::vector<float> expected = {0, 1, 2, 3, 1, -1, -3, -5.f / 3, -1.f / 3, 1};
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(expected[i]).margin(1e-6));
  // a length that is not whole: int(5 * 500 / 360) = 6 of 6.944, samples at linspace(0, 5.944, 5)
  const auto z = resample_linear(std::vector<float>{0, 1, 2, 3, 4}, 360, 500);
  REQUIRE(z.size() == 6);
  for (std::size_t i = 0; i < z.size(); ++i) CHECK(z[i] == Approx(double(i) * 4 / (5 * 500. / 360 - 1)).margin(1e-6));
  CHECK(resample_linear(std::vector<float>{7}, 100, 500) == std::vector<float>(5, 7.f));
}
