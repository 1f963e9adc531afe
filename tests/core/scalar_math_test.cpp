#include <limits>

#include <anylead/core/scalar_math.hpp>

#include "support/catch.hpp"

using namespace anylead;

TEST_CASE("normal distribution and GELU have their known values", "[core]") {
  CHECK(normal_cdf(0.0) == 0.5);
  CHECK(normal_cdf(1.0) == Approx(0.841344746068542949).epsilon(1e-15));
  CHECK(normal_cdf(-8.0) == Approx(6.22096057427178413e-16).epsilon(1e-14));  // the tail, in relative terms
  CHECK(normal_cdf(-5.0f) == Approx(2.86651571879193912e-7).epsilon(2e-6));
  CHECK(normal_density(0.0) == Approx(0.398942280401432678).epsilon(1e-15));
  CHECK(gelu(2.0) == Approx(1.95449973610364159).epsilon(1e-15));
  CHECK(gelu(-30.0f) == 0);
  const double h = 1e-5;
  for (const double x : {-3.0, -0.75, 0.0, 0.1, 2.5})
    CHECK(gelu_slope(x) == Approx((gelu(x + h) - gelu(x - h)) / (2 * h)).epsilon(1e-8).margin(1e-9));
}

TEST_CASE("a lower bound does not hide NaN", "[core]") {
  CHECK(at_least(1.0, 0.5) == 1);
  CHECK(at_least(1.0, 2.0) == 2);
  CHECK(std::isnan(at_least(1.0, std::numeric_limits<double>::quiet_NaN())));
}
