#include <anylead/ssl/lead_mask.hpp>

#include "support/catch.hpp"

using namespace anylead;
using ssl::draw_lead_mask;
using ssl::LeadMaskOptions;

namespace {

RandomStream stream(std::uint64_t step) { return {3, step, site_key("leads")}; }

Index kept(const std::vector<Flag>& keep, Index first, Index count) {
  Index n = 0;
  for (Index i = first; i < first + count; ++i) n += keep[static_cast<std::size_t>(i)];
  return n;
}

}  // namespace

TEST_CASE("each lead is dropped on its own with the given probability", "[ssl]") {
  for (const double drop : {0.0, 0.2, 0.5, 1.0}) {
    double total = 0, square = 0;
    const int draws = 4000;
    for (int i = 0; i < draws; ++i) {
      const auto n = double(kept(draw_lead_mask(stream(std::uint64_t(i)), 1, 12, {}, {.drop = drop}), 0, 12));
      total += n;
      square += n * n;
    }
    const double mean = total / draws, variance = square / draws - mean * mean, expected = 12 * drop * (1 - drop);
    CHECK(mean == Approx(12 * (1 - drop)).margin(5 * std::sqrt(expected / draws)));
    CHECK(variance == Approx(expected).margin(5 * expected * std::sqrt(2.0 / draws)));
  }
}

TEST_CASE("segments draw masks of their own, a function of stream and place", "[ssl]") {
  const auto keep = draw_lead_mask(stream(1), 64, 12, {}, {});
  CHECK(keep == draw_lead_mask(stream(1), 64, 12, {}, {}));
  CHECK(keep != draw_lead_mask(stream(2), 64, 12, {}, {}));
  const auto fewer = draw_lead_mask(stream(1), 10, 12, {}, {});
  CHECK(std::equal(fewer.begin(), fewer.end(), keep.begin()));
  int different = 0;
  for (Index b = 1; b < 64; ++b) different += !std::equal(keep.begin(), keep.begin() + 12, keep.begin() + b * 12);
  CHECK(different > 55);
}

TEST_CASE("conditional selection drops the given numbers of limb and chest leads, all choices alike", "[ssl]") {
  const LeadMaskOptions o = {.selection = LeadMaskOptions::Selection::conditional, .limb_masked = 4, .chest_masked = 5};
  std::vector<int> count(12);
  const int draws = 3000;
  for (int i = 0; i < draws; ++i) {
    const auto keep = draw_lead_mask(stream(std::uint64_t(i)), 1, 12, {}, o);
    REQUIRE(kept(keep, 0, 6) == 2);
    REQUIRE(kept(keep, 6, 6) == 1);
    for (std::size_t c = 0; c < 12; ++c) count[c] += keep[c];
  }
  for (std::size_t c = 0; c < 12; ++c) {
    const double p = c < 6 ? 2 / 6. : 1 / 6.;
    CHECK(count[c] == Approx(draws * p).margin(5 * std::sqrt(draws * p * (1 - p))));
  }
  CHECK_THROWS_AS(draw_lead_mask(stream(1), 1, 8, {}, o), OptionError);
  CHECK_THROWS_AS(
      draw_lead_mask(stream(1), 1, 12, {}, {.selection = LeadMaskOptions::Selection::conditional, .limb_masked = 7}),
      OptionError);
}

TEST_CASE("absent leads are never kept, and min_kept counts only present ones", "[ssl]") {
  std::vector<Flag> present(2 * 12);
  for (const std::size_t i : {1u, 4u, 9u, 12u}) present[i] = 1;  // three of segment 0, one of segment 1
  for (std::uint64_t step = 0; step < 200; ++step) {
    const auto keep = draw_lead_mask(stream(step), 2, 12, present, {.drop = 0.9, .min_kept = 2});
    for (std::size_t i = 0; i < 24; ++i) REQUIRE(keep[i] <= present[i]);
    REQUIRE(kept(keep, 0, 12) >= 2);
    REQUIRE(kept(keep, 12, 12) == 1);
  }
}

TEST_CASE("all leads may vanish by default, and a probability below one leaves segments whole", "[ssl]") {
  CHECK(kept(draw_lead_mask(stream(1), 3, 12, {}, {.drop = 1}), 0, 36) == 0);
  int whole = 0;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i)
    whole += kept(draw_lead_mask(stream(std::uint64_t(i)), 1, 12, {}, {.probability = 0.3, .drop = 1}), 0, 12) == 12;
  CHECK(whole == Approx(draws * 0.7).margin(5 * std::sqrt(draws * 0.21)));
  CHECK(draw_lead_mask(stream(1), 0, 12, {}, {}).empty());
}
