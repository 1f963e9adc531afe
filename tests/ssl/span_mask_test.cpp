#include <anylead/ssl/span_mask.hpp>

#include <algorithm>
#include <numeric>

#include <anylead/core/error.hpp>

#include "support/catch.hpp"

using namespace anylead;
using ssl::draw_span_mask;
using ssl::SpanMaskOptions;

namespace {

RandomStream stream(std::uint64_t step) { return {3, step, site_key("spans")}; }

Index count(const std::vector<Flag>& mask, Index first, Index n) {
  return std::accumulate(mask.begin() + first, mask.begin() + first + n, Index{0});
}

std::vector<Index> runs(const std::vector<Flag>& mask, Index first, Index n) {
  std::vector<Index> lengths;
  for (Index t = first; t < first + n; ++t)
    if (mask[static_cast<std::size_t>(t)]) {
      if (t == first || !mask[static_cast<std::size_t>(t - 1)]) lengths.push_back(0);
      ++lengths.back();
    }
  return lengths;
}

}  // namespace

TEST_CASE("rows are thinned to the poorest, and the last frame is never masked", "[ssl]") {
  for (std::uint64_t step = 0; step < 200; ++step) {
    const auto mask = draw_span_mask(stream(step), 5, 78, {}, {});
    for (Index b = 0; b < 5; ++b) {
      REQUIRE(count(mask, b * 78, 78) == count(mask, 0, 78));
      REQUIRE(count(mask, b * 78, 78) >= 10);  // one whole span at least
      REQUIRE(mask[static_cast<std::size_t>(b * 78 + 77)] == 0);
    }
  }
}

TEST_CASE("without equalising, spans stay whole", "[ssl]") {
  for (std::uint64_t step = 0; step < 200; ++step) {
    const auto mask = draw_span_mask(stream(step), 3, 100, {}, {.length = 7, .equalize = false});
    for (Index b = 0; b < 3; ++b)
      for (const Index run : runs(mask, b * 100, 100)) REQUIRE(run >= 7);
  }
}

TEST_CASE("padding is never masked, rows get spans by their own length", "[ssl]") {
  const std::vector<Index> lengths = {100, 60, 30, 0};
  for (std::uint64_t step = 0; step < 200; ++step) {
    const auto mask = draw_span_mask(stream(step), 4, 100, lengths, {.equalize = false});
    for (Index b = 0; b < 4; ++b) {
      const Index n = lengths[static_cast<std::size_t>(b)];
      REQUIRE(count(mask, b * 100 + n, 100 - n) == 0);
      if (n > 0) REQUIRE(count(mask, b * 100, n) >= 10);
    }
  }
}

TEST_CASE("a mask is a function of stream and options", "[ssl]") {
  const auto mask = draw_span_mask(stream(1), 4, 156, {}, {});
  CHECK(mask == draw_span_mask(stream(1), 4, 156, {}, {}));
  CHECK(mask != draw_span_mask(stream(2), 4, 156, {}, {}));
  CHECK_FALSE(std::equal(mask.begin(), mask.begin() + 156, mask.begin() + 156));
}

TEST_CASE("short rows are masked without leaving them", "[ssl]") {
  for (Index frames = 1; frames <= 25; ++frames)
    for (std::uint64_t step = 0; step < 50; ++step) {
      const auto mask = draw_span_mask(stream(step), 2, frames, {}, {});
      REQUIRE(mask.size() == static_cast<std::size_t>(2 * frames));
      for (const Flag f : mask) REQUIRE(f <= 1);
    }
  CHECK(draw_span_mask(stream(1), 0, 156, {}, {}).empty());
  CHECK(count(draw_span_mask(stream(1), 2, 156, {}, {.probability = 0, .min_spans = 0}), 0, 312) == 0);
}

TEST_CASE("lengths of spans follow the kind", "[ssl]") {
  using Length = SpanMaskOptions::Length;
  const auto drawn = [](SpanMaskOptions o) {
    o.overlap = false;
    o.equalize = false;
    o.probability = 0.3;
    std::vector<Index> all;
    for (std::uint64_t step = 0; step < 400; ++step) {
      const auto r = runs(draw_span_mask(stream(step), 1, 600, {}, o), 0, 600);
      all.insert(all.end(), r.begin(), r.end());
    }
    return all;
  };
  const auto mean = [](const std::vector<Index>& v) {
    return double(std::accumulate(v.begin(), v.end(), Index{0})) / double(v.size());
  };
  for (const Index n : drawn({.length = 10})) REQUIRE(n == 10);
  const auto uniform = drawn({.length = 10, .kind = Length::uniform, .other = 4});
  CHECK(*std::min_element(uniform.begin(), uniform.end()) == 4);
  CHECK(*std::max_element(uniform.begin(), uniform.end()) == 20);
  CHECK(mean(uniform) == Approx(12).margin(0.3));
  const auto normal = drawn({.length = 10, .kind = Length::normal, .other = 2});
  CHECK(mean(normal) == Approx(10).margin(0.2));
  const auto poisson = drawn({.length = 10, .kind = Length::poisson});
  CHECK(mean(poisson) == Approx(10).margin(0.3));
}

TEST_CASE("without overlap spans keep their distance", "[ssl]") {
  for (std::uint64_t step = 0; step < 100; ++step) {
    const auto mask = draw_span_mask(stream(step), 1, 156, {}, {.overlap = false, .min_space = 3, .equalize = false});
    Index last = -1000;
    for (Index t = 0; t < 156; ++t)
      if (mask[static_cast<std::size_t>(t)]) {
        REQUIRE((t == last + 1 || t > last + 3));
        last = t;
      }
    for (const Index run : runs(mask, 0, 156)) REQUIRE(run == 10);
  }
}

TEST_CASE("span options outside their range are refused", "[ssl]") {
  CHECK_THROWS_AS(draw_span_mask(stream(1), 1, 50, {}, {.length = 0}), OptionError);
  CHECK_THROWS_AS(draw_span_mask(stream(1), 1, 50, {}, {.probability = -0.1}), OptionError);
  CHECK_THROWS_AS(draw_span_mask(stream(1), 2, 50, {50}, {}), ShapeError);
}
