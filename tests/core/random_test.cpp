#include <anylead/core/random.hpp>

#include <cmath>
#include <set>
#include <vector>

#include <anylead/nn/context.hpp>

#include "support/catch.hpp"

using namespace anylead;

TEST_CASE("Philox gives the published numbers", "[core]") {
  // Random123's known answers for philox4x32-10
  const PhiloxBlock zero = philox({{0, 0, 0, 0}}, 0, 0);
  CHECK(zero.word[0] == 0x6627e8d5u);
  CHECK(zero.word[1] == 0xe169c58du);
  CHECK(zero.word[2] == 0xbc57ac4cu);
  CHECK(zero.word[3] == 0x9b00dbd8u);
  const PhiloxBlock ones = philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u);
  CHECK(ones.word[0] == 0x408f276du);
  CHECK(ones.word[1] == 0x41c83b0eu);
  CHECK(ones.word[2] == 0xa20bc7c6u);
  CHECK(ones.word[3] == 0x6d5451fdu);
  const PhiloxBlock pi = philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0xa4093822u, 0x299f31d0u);
  CHECK(pi.word[0] == 0xd16cfe09u);
  CHECK(pi.word[1] == 0x94fdccebu);
  CHECK(pi.word[2] == 0x5001e420u);
  CHECK(pi.word[3] == 0x24126ea1u);
}

TEST_CASE("streams depend on seed, step and site, and on nothing else", "[core]") {
  const RandomStream a = {1, 2, 3};
  const RandomStream others[] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}, {1ull << 32, 2, 3}, {1, 2ull + (1ull << 40), 3}};
  for (const RandomStream& b : others) {
    int equal = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) equal += a.bits(i) == b.bits(i);
    CHECK(equal < 3);
  }
  CHECK(a.bits(77) == RandomStream{1, 2, 3}.bits(77));
  std::set<std::uint32_t> words;
  for (std::uint64_t i = 0; i < 4096; ++i) words.insert(a.bits(i));
  CHECK(words.size() > 4090);  // every word of every block is dealt out once
}

TEST_CASE("numbers have the moments of their distributions", "[core]") {
  const RandomStream s = {5, 0, site_key("moments")};
  const std::uint64_t n = 200000;
  double uniform = 0, uniform2 = 0, normal = 0, normal2 = 0, normal4 = 0, gumbel = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double u = double(s.uniform(i)), z = s.normal(i);
    REQUIRE((u >= 0 && u < 1));
    uniform += u;
    uniform2 += u * u;
    normal += z;
    normal2 += z * z;
    normal4 += z * z * z * z;
    gumbel += s.gumbel(i);
  }
  const double root = std::sqrt(double(n));
  CHECK(uniform / double(n) == Approx(0.5).margin(5 * 0.289 / root));
  CHECK(uniform2 / double(n) == Approx(1 / 3.).margin(5 * 0.298 / root));
  CHECK(normal / double(n) == Approx(0).margin(5 / root));
  CHECK(normal2 / double(n) == Approx(1).margin(5 * 1.414 / root));
  CHECK(normal4 / double(n) == Approx(3).margin(5 * 9.8 / root));
  CHECK(gumbel / double(n) == Approx(0.5772156649).margin(5 * 1.283 / root));
}

TEST_CASE("integers below n cover it evenly", "[core]") {
  const RandomStream s = {5, 1, 2};
  for (const std::uint32_t n : {1u, 2u, 3u, 7u, 100u}) {
    std::vector<int> count(n);
    for (std::uint64_t i = 0; i < 10000; ++i) {
      const std::uint32_t v = s.below(i, n);
      REQUIRE(v < n);
      ++count[v];
    }
    for (const int c : count) CHECK(c == Approx(10000. / n).margin(5 * std::sqrt(10000. / n)));
  }
}

TEST_CASE("places have keys of their own", "[core]") {
  const Ctx ctx{.seed = 1, .step = 2};
  std::set<std::uint32_t> sites;
  for (std::uint64_t layer = 0; layer < 100; ++layer)
    for (const char* part : {"dropout1", "dropout2", "dropout3", "attention"})
      sites.insert(ctx.at("layers").at(layer).at(part).site);
  CHECK(sites.size() == 400);
  CHECK(ctx.at("a").at("b").site != ctx.at("b").at("a").site);
  CHECK(ctx.at("ab").site != ctx.at("a").at("b").site);
  CHECK(ctx.dropout(0.5).p == 0);  // not training
  CHECK(Ctx{.training = true}.dropout(0.5).p == 0.5f);
}

TEST_CASE("dropout keeps a share of 1 - p and scales it", "[core]") {
  for (const float p : {0.f, 0.1f, 0.5f, 1.f}) {
    const Dropout d = {p, {1, 2, 3}};
    double sum = 0;
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const float f = d.factor(i);
      REQUIRE((f == 0 || f == 1 / (1 - p)));
      sum += double(f);
    }
    if (p < 1) CHECK(sum / 20000 == Approx(1).margin(5 * std::sqrt(double(p) / (1 - double(p)) / 20000) + 1e-6));
    if (p == 1) CHECK(sum == 0);
  }
}
