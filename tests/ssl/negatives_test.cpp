#include <anylead/ssl/negatives.hpp>

#include "support/catch.hpp"

using namespace anylead;

namespace {

RandomStream stream(std::uint64_t step) { return {3, step, site_key("negatives")}; }

}  // namespace

TEST_CASE("negatives come from other masked frames of the same segment, all alike", "[ssl]") {
  const std::vector<Index> counts = {4, 3, 0, 7};
  std::vector<std::vector<int>> seen(14, std::vector<int>(14));
  const Index n = 10;
  const int draws = 600;
  for (int i = 0; i < draws; ++i) {
    const auto rows = ssl::draw_negatives(stream(std::uint64_t(i)), counts, {.own = n});
    REQUIRE(rows.size() == 14 * 10);
    for (std::size_t k = 0; k < rows.size(); ++k) ++seen[k / 10][static_cast<std::size_t>(rows[k])];
  }
  Index first = 0;
  for (const Index m : counts) {
    for (Index r = first; r < first + m; ++r)
      for (Index j = 0; j < 14; ++j) {
        const int times = seen[static_cast<std::size_t>(r)][static_cast<std::size_t>(j)];
        const bool may = j >= first && j < first + m && j != r;
        if (!may) REQUIRE(times == 0);
        if (may) {
          const double p = 1.0 / double(m - 1), trials = draws * double(n);
          CHECK(times == Approx(trials * p).margin(5 * std::sqrt(trials * p * (1 - p)) + 1e-9));
        }
      }
    first += m;
  }
}

TEST_CASE("negatives across segments are any rows of the batch, as the reference reads its lists", "[ssl]") {
  const auto rows = ssl::draw_negatives(stream(1), {4, 3}, {.own = 2, .cross = 3});
  REQUIRE(rows.size() == 7 * 5);
  for (const Index32 r : rows) REQUIRE((r >= 0 && r < 7));
  // own draws of segment 0: all of one list before the other
  for (std::size_t k = 0; k < 8; ++k) CHECK(rows[k] < 4);
  // 20 numbers of segment 0; then the own ones of segment 1
  for (std::size_t k = 20; k < 26; ++k) CHECK(rows[k] >= 4);
}

TEST_CASE("handed-in draws skip the frame itself", "[ssl]") {
  // segment 0: three frames, two draws each, in [0, 1]
  CHECK(ssl::negative_rows({3}, {0, 1, 0, 1, 0, 1}, {}, 2, 0) == std::vector<Index32>{1, 2, 0, 2, 0, 1});
  CHECK(ssl::negative_rows({2, 2}, {0, 0, 0, 0}, {}, 1, 0) == std::vector<Index32>{1, 0, 3, 2});
  // cross draws compare with the position in the segment
  CHECK(ssl::negative_rows({1, 2}, {}, {1, 0, 1}, 0, 1) == std::vector<Index32>{2, 1, 2});
}

TEST_CASE("a segment with one masked frame has no negatives of its own", "[ssl]") {
  CHECK_THROWS_WITH(ssl::draw_negatives(stream(1), {4, 1}, {.own = 2}), Catch::Contains("one masked frame"));
  CHECK(ssl::draw_negatives(stream(1), {}, {.own = 2}).empty());
  CHECK(ssl::draw_negatives(stream(1), {0, 0}, {.own = 2}).empty());
  CHECK(ssl::draw_negatives(stream(1), {1, 1}, {.own = 0, .cross = 2}).size() == 4);
}
