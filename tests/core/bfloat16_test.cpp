#include <anylead/core/bfloat16.hpp>

#include <cmath>
#include <limits>

#include "support/catch.hpp"

using namespace anylead;

TEST_CASE("bfloat16 keeps what it can hold, and rounds to the nearest, ties to even", "[core]") {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    bf16 v = bf16(0.f);
    v.bits = static_cast<std::uint16_t>(bits);
    if (!std::isnan(float(v))) REQUIRE(bf16(float(v)).bits == bits);
  }
  CHECK(float(bf16(1.f + 0x1p-8f)) == 1.f);              // a tie
  CHECK(float(bf16(1.f + 0x3p-8f)) == 1.f + 0x1p-6f);    // a tie
  CHECK(float(bf16(1.f + 0x1.1p-8f)) == 1.f + 0x1p-7f);  // nearer to the upper one
  CHECK(float(bf16(-3.14159265f)) == -3.140625f);
}

TEST_CASE("bfloat16 keeps NaN and infinity", "[core]") {
  const float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
  CHECK(std::isnan(float(bf16(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(float(bf16(std::numeric_limits<float>::signaling_NaN()))));
  CHECK(float(bf16(-infinity)) == -infinity);
  CHECK(float(bf16(largest)) == infinity);
  CHECK(std::signbit(float(bf16(-0.f))));
}
