#include <anylead/cpu/simd.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <cpu/isas.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::cpu_ops;

namespace {

struct ExpInRange {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return exp_in_range(x);
  }
};
struct ExpNonpositive {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return exp_nonpositive(x);
  }
};
struct Sqrt {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return cpu_ops::sqrt(x);
  }
};
struct Log {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return log_in_range(x);
  }
};
struct Cdf {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return normal(x).cdf;
  }
};
struct Density {
  template <class V>
  ANYLEAD_SIMD static V value(V x) {
    return normal(x).density;
  }
};

template <class F>
struct Map {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* y, const T* x) {
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(y, F::value(at(x))); });
  }
};

template <class F, class T>
std::vector<T> map(Isa isa, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  with_isa<Map<F>>(isa, static_cast<Index>(x.size()), y.data(), x.data());
  return y;
}

/// n + 1 points from low to high, both included.
template <class T>
std::vector<T> grid(double low, double high, Index n) {
  std::vector<T> x;
  for (Index i = 0; i <= n; ++i) x.push_back(static_cast<T>(low + (high - low) * double(i) / double(n)));
  return x;
}

/// Largest relative error of F on x in units of epsilon (the last place of 1), each divided by bound(x).
template <class F, class T, class Exact, class Bound>
double worst(Isa isa, const std::vector<T>& x, Exact&& exact, Bound&& bound) {
  const std::vector<T> y = map<F>(isa, x);
  long double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const long double expected = exact(static_cast<long double>(x[i]));
    const long double error = std::abs(static_cast<long double>(y[i]) - expected) /
                              (std::abs(expected) * static_cast<long double>(std::numeric_limits<T>::epsilon()));
    if (!(error <= 1e9L)) return std::numeric_limits<double>::infinity();
    most = std::max(most, error / static_cast<long double>(bound(x[i])));
  }
  return static_cast<double>(most);
}

template <class T>
constexpr Index kPoints = sizeof(T) == 4 ? 1000000 : 300000;

constexpr auto kOne = [](auto) { return 1.0; };

/// 1 / sqrt(2)
constexpr long double kRootHalf = 0.70710678118654752440084436210484903928L;

}  // namespace

TEMPLATE_TEST_CASE("exp errs by less than two units in the last place", "[cpu][simd]", float, double) {
  using T = TestType;
  const double low = sizeof(T) == 4 ? -87.3 : -708.3, high = sizeof(T) == 4 ? 87.9 : 709;
  for (const Isa isa : isas()) {
    INFO(name(isa));
    const auto exact = [](long double x) { return std::exp(x); };
    CHECK(worst<ExpInRange>(isa, grid<T>(low, high, kPoints<T>), exact, kOne) < 2);
    CHECK(worst<ExpInRange>(isa, grid<T>(-1, 1, kPoints<T>), exact, kOne) < 2);
    CHECK(worst<ExpInRange>(isa, grid<T>(-1e-6, 1e-6, 1000), exact, kOne) < 2);
  }
}

TEMPLATE_TEST_CASE("exp of what is not above 0 errs as little, and ends in 0; NaN stays NaN", "[cpu][simd]", float, double) {
  using T = TestType;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const double low = sizeof(T) == 4 ? -87.2 : -708;
  T nan = std::numeric_limits<T>::quiet_NaN();
  reinterpret_cast<unsigned char&>(nan) = 0x55;  // a payload in its last bits
  for (const Isa isa : isas()) {
    INFO(name(isa));
    const auto exact = [](long double x) { return std::exp(x); };
    CHECK(worst<ExpNonpositive>(isa, grid<T>(low, 0.01, kPoints<T>), exact, kOne) < 2);
    CHECK(worst<ExpNonpositive>(isa, std::vector<T>{20}, exact, kOne) < 2);
    const std::vector<T> y = map<ExpNonpositive>(isa, std::vector<T>{0, -T(0), -infinity, -1000, -1e30f, nan, -nan});
    CHECK(y[0] == 1);
    CHECK(y[1] == 1);
    for (const std::size_t i : {2u, 3u, 4u}) CHECK(y[i] == 0);
    CHECK(std::isnan(y[5]));
    CHECK(std::isnan(y[6]));
  }
}

TEMPLATE_TEST_CASE("the square root errs by at most one unit in the last place at every magnitude", "[cpu][simd]", float,
                   double) {
  using T = TestType;
  std::vector<T> x;
  for (int e = std::numeric_limits<T>::min_exponent; e < std::numeric_limits<T>::max_exponent; e += sizeof(T) == 4 ? 1 : 9)
    for (int i = 0; i < 257; ++i) x.push_back(std::ldexp(T(1) + T(i) / T(257), e - 1));
  for (const Isa isa : isas()) {
    INFO(name(isa));
    CHECK(worst<Sqrt>(
              isa, x, [](long double v) { return std::sqrt(v); }, kOne) <= 1);
    CHECK(map<Sqrt>(isa, std::vector<T>{0, 1, 4})[0] == 0);
    CHECK(map<Sqrt>(isa, std::vector<T>{0, 1, 4})[1] == 1);
    CHECK(map<Sqrt>(isa, std::vector<T>{0, 1, 4})[2] == 2);
  }
}

TEST_CASE("the logarithm errs by less than one unit in the last place at every magnitude and on either side of 1",
          "[cpu][simd]") {
  std::vector<double> magnitudes;
  for (int e = std::numeric_limits<double>::min_exponent; e < std::numeric_limits<double>::max_exponent; ++e)
    for (int i = 0; i < 257; ++i) magnitudes.push_back(std::ldexp(1 + i / 257., e - 1));
  magnitudes.push_back(std::numeric_limits<double>::min());
  magnitudes.push_back(std::numeric_limits<double>::max());
  const auto exact = [](long double x) { return std::log(x); };
  for (const Isa isa : isas()) {
    INFO(name(isa));
    std::erase(magnitudes, 1.0);  // where it is 0
    CHECK(worst<Log>(isa, magnitudes, exact, kOne) < 1);
    CHECK(worst<Log>(isa, grid<double>(0.4, 0.999999, 1000000), exact, kOne) < 1);
    CHECK(worst<Log>(isa, grid<double>(1.000001, 2.5, 1000000), exact, kOne) < 1);
    CHECK(worst<Log>(isa, std::vector<double>{1 - 0x1p-53, 1 + 0x1p-52, 1 - 0x1p-25, 1 + 0x1p-25}, exact, kOne) < 1);
    CHECK(map<Log>(isa, std::vector<double>{1})[0] == 0);
  }
}

TEMPLATE_TEST_CASE("the normal distribution keeps its relative accuracy into both tails", "[cpu][simd]", float, double) {
  using T = TestType;
  const double end = sizeof(T) == 4 ? 12.5 : 37;
  for (const Isa isa : isas()) {
    INFO(name(isa));
    const auto cdf = [](long double x) { return std::erfc(-x * kRootHalf) / 2; };
    const auto density = [](long double x) { return std::exp(-x * x / 2) * 0.39894228040143267793994605993438187L; };
    CHECK(worst<Cdf>(isa, grid<T>(-1.5, 8, kPoints<T>), cdf, kOne) < 6);
    CHECK(worst<Cdf>(isa, grid<T>(-end, -1.5, kPoints<T>), cdf, [](T x) { return 1 + double(x) * double(x) / 2; }) < 2);
    CHECK(worst<Density>(isa, grid<T>(-end, end, kPoints<T>), density, [](T x) { return 1 + double(x) * double(x) / 2; }) < 2);
  }
}

TEMPLATE_TEST_CASE("the normal distribution of zero, infinities and NaN", "[cpu][simd]", float, double) {
  using T = TestType;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (const Isa isa : isas()) {
    INFO(name(isa));
    const std::vector<T> y = map<Cdf>(isa, std::vector<T>{0, -T(0), infinity, -infinity, std::numeric_limits<T>::quiet_NaN()});
    CHECK(y[0] == T(0.5));
    CHECK(y[1] == T(0.5));
    CHECK(y[2] == 1);
    CHECK(y[3] >= 0);
    CHECK(y[3] < T(1e-30));
    CHECK(std::isnan(y[4]));
  }
}

namespace {

struct Sums {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* to, const T* x) {
    to[0] = sum_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { return at(x); });
    auto top = broadcast<Vec<T, register_bytes(isa)>>(-std::numeric_limits<T>::infinity());
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      const auto v = at(x);
      top = max(top, v);
    });
    to[1] = max(top);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("loops over lanes visit every element once and touch none behind the end", "[cpu][simd]", float, double) {
  using T = TestType;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  for (const Isa isa : isas())
    for (Index n = 0; n <= 3 * kLanes<T> + 1; ++n) {
      INFO(n << " on " << name(isa));
      std::vector<T> x(static_cast<std::size_t>(n + kLanes<T>), nan), y(x.size(), T(-7));
      T expected = 0;
      for (Index i = 0; i < n; ++i) expected += x[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
      with_isa<Map<Sqrt>>(isa, n, y.data(), x.data());
      for (Index i = 0; i < n; ++i) REQUIRE(y[static_cast<std::size_t>(i)] == Approx(std::sqrt(double(i + 1))));
      for (std::size_t i = static_cast<std::size_t>(n); i < y.size(); ++i) REQUIRE(y[i] == T(-7));
      T result[2];
      with_isa<Sums>(isa, n, result, static_cast<const T*>(x.data()));
      REQUIRE(result[0] == expected);  // whole numbers: exact in any order
      if (n % kLanes<T> == 0 && n > 0) REQUIRE(result[1] == T(n));
    }
}
