#include <anylead/data/normalize.hpp>

#include <limits>
#include <vector>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

TEST_CASE("a standardized lead has mean 0 and population deviation 1", "[data]") {
  std::vector<float> x = {1, 2, 3, 4};  // mean 2.5, deviation sqrt(1.25)
  standardize(x);
  for (std::size_t i = 0; i < 4; ++i) CHECK(x[i] == Approx((double(i) - 1.5) / std::sqrt(1.25)));
}

TEST_CASE("a large baseline does not spoil the deviation", "[data]") {
  std::vector<float> x(1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 2 ? 8192.5f : 8192.f;
  standardize(x);
  CHECK(x[0] == Approx(-1));
  CHECK(x[1] == Approx(1));
}

TEST_CASE("a constant lead becomes zero", "[data]") {
  std::vector<float> x(7, 0.1f);
  standardize(x);
  CHECK(x == std::vector<float>(7, 0.f));
  std::vector<float> one = {5};
  standardize(one);
  CHECK(one[0] == 0);
}

TEST_CASE("invalid samples are neither counted nor changed", "[data]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x = {nan, 1, nan, 3};
  standardize(x);
  CHECK(std::isnan(x[0]));
  CHECK(x[1] == -1);
  CHECK(std::isnan(x[2]));
  CHECK(x[3] == 1);
  std::vector<float> none = {nan, nan}, empty;
  standardize(none);
  CHECK(std::isnan(none[0]));
  standardize(empty);
}
