#include <anylead/data/invalid.hpp>

#include <vector>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

/// As text, because NaN equals nothing.
std::vector<std::string> bridged(std::vector<float> x, Index longest, Index expected_count) {
  CHECK(bridge_gaps(x, longest) == expected_count);
  std::vector<std::string> text;
  for (const float v : x) text.push_back(std::isnan(v) ? "nan" : std::to_string(v).substr(0, 4));
  return text;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("short gaps lie on the line between their neighbours", "[data]") {
  CHECK(bridged({0, kNaN, 2, kNaN, kNaN, kNaN, 6}, 3, 4) == Texts{"0.00", "1.00", "2.00", "3.00", "4.00", "5.00", "6.00"});
  CHECK(bridged({1, 2, 3}, 3, 0) == Texts{"1.00", "2.00", "3.00"});
}

TEST_CASE("gaps at the ends take the nearest value", "[data]") {
  CHECK(bridged({kNaN, kNaN, 5, 6, kInf}, 2, 3) == Texts{"5.00", "5.00", "5.00", "6.00", "6.00"});
}

TEST_CASE("longer gaps stay invalid, infinities become NaN", "[data]") {
  CHECK(bridged({1, kNaN, -kInf, 2, kNaN, 4}, 1, 1) == Texts{"1.00", "nan", "nan", "2.00", "3.00", "4.00"});
  CHECK(bridged({kNaN, kNaN, 3}, 1, 0) == Texts{"nan", "nan", "3.00"});
  CHECK(bridged({1, kInf}, 0, 0) == Texts{"1.00", "nan"});
}

TEST_CASE("a lead without a valid sample stays invalid, however short", "[data]") {
  CHECK(bridged({kNaN, kInf}, 10, 0) == Texts{"nan", "nan"});
  CHECK(bridged({}, 10, 0) == Texts{});
}

TEST_CASE("a bridge does not overflow", "[data]") {
  std::vector<float> x = {-3e38f, kNaN, 3e38f};
  CHECK(bridge_gaps(x, 1) == 1);
  CHECK(x[1] == 0);
}

TEST_CASE("validity and flatness of a lead", "[data]") {
  CHECK(all_valid(std::vector<float>{1, 2}));
  CHECK_FALSE(all_valid(std::vector<float>{1, kNaN}));
  CHECK_FALSE(all_valid(std::vector<float>{kInf}));
  CHECK(is_flat(std::vector<float>{2, 2, 2}));
  CHECK_FALSE(is_flat(std::vector<float>{2, 2, 3}));
  CHECK(is_flat(std::vector<float>{}));
  CHECK(is_flat(std::vector<float>{kNaN, 2, kNaN, 2}));
  CHECK_FALSE(is_flat(std::vector<float>{kNaN, 2, kInf, 3}));
  CHECK(is_flat(std::vector<float>{kNaN, kNaN}));
}
