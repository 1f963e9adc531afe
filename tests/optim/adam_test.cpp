#include <anylead/optim/adam.hpp>

#include <anylead/optim/schedule.hpp>

#include "reference/device.hpp"
#include "support/catch.hpp"
#include "support/values.hpp"

using namespace anylead;
using test::normal;

namespace {

std::shared_ptr<Leaf<double>> leaf(const std::string& name, const Shape& shape, const Device& device = test::test_device()) {
  auto l = std::make_shared<Leaf<double>>();
  l->value = normal<double>(name, shape, 0, 1, device);
  return l;
}

void set_gradient(Leaf<double>& l, const std::string& name) {
  l.grad = normal<double>(name, l.value.shape(), 0.5, 1, l.value.device());
  l.touched = true;
}

}  // namespace

TEST_CASE("Adam follows its formula over several updates, clipped and scaled", "[optim]") {
  for (const bool corrected : {false, true})
    for (const double clip : {0.0, 0.5, 100.0}) {
      const optim::AdamOptions o = {
          .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .decay = 0.1, .corrected_epsilon = corrected, .clip_norm = clip};
      const auto p = leaf("p", {3, 5});
      optim::Adam<double> adam({{"p", p}}, o);
      std::vector<double> value = p->value.to_host(), m(15), v(15);
      for (int k = 1; k <= 4; ++k) {
        set_gradient(*p, "g" + std::to_string(k));
        std::vector<double> g = p->grad.to_host();
        const double rate = 0.01 * k;
        const double norm = adam.step(rate, 0.25);
        CHECK_FALSE(p->touched);
        double square = 0;
        for (double& x : g) {
          x *= 0.25;
          square += x * x;
        }
        CHECK(norm == Approx(std::sqrt(square)).epsilon(1e-12));
        const double factor = clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1;
        for (std::size_t i = 0; i < 15; ++i) {
          m[i] = 0.8 * m[i] + 0.2 * factor * g[i];
          v[i] = 0.95 * v[i] + 0.05 * std::pow(factor * g[i], 2);
          const double c1 = 1 - std::pow(0.8, k), c2 = 1 - std::pow(0.95, k);
          value[i] -= rate * 0.1 * value[i];
          value[i] -= corrected ? rate / c1 * m[i] / (std::sqrt(v[i] / c2) + 1e-3)
                                : rate * std::sqrt(c2) / c1 * m[i] / (std::sqrt(v[i]) + 1e-3);
        }
        CHECK(test::distance(p->value.to_host(), value) < 1e-13);
      }
      CHECK(adam.updates() == 4);
      CHECK(test::distance(adam.mean(0).to_host(), m) < 1e-13);
      CHECK(test::distance(adam.square(0).to_host(), v) < 1e-13);
    }
}

TEST_CASE("the norm is that of all gradients together", "[optim]") {
  const auto a = leaf("a", {3}), b = leaf("b", {200, 101}), c = leaf("c", {0});
  optim::Adam<double> adam({{"a", a}, {"b", b}, {"c", c}}, {});
  CHECK(adam.grad_norm() == 0);
  double square = 0;
  for (const auto& l : {a, b, c}) {
    set_gradient(*l, "g");
    for (const double g : l->grad.to_host()) square += g * g;
  }
  CHECK(adam.grad_norm() == Approx(std::sqrt(square)).epsilon(1e-13));
  CHECK(adam.grad_norm(-2) == Approx(2 * std::sqrt(square)).epsilon(1e-13));
}

TEST_CASE("parameters without a gradient and frozen ones are left alone", "[optim]") {
  const auto a = leaf("a", {3}), b = leaf("b", {3}), c = leaf("c", {3});
  optim::Adam<double> adam({{"a", a}, {"b", b}, {"c", c}}, {});
  set_gradient(*a, "g");
  set_gradient(*c, "g");
  c->frozen = true;
  const auto before_a = a->value.to_host(), before_b = b->value.to_host(), before_c = c->value.to_host();
  adam.step(0.1);
  CHECK(a->value.to_host() != before_a);
  CHECK(b->value.to_host() == before_b);
  CHECK(c->value.to_host() == before_c);
}

TEST_CASE("an optimiser of nothing does nothing, one of uninitialised parameters is refused", "[optim]") {
  optim::Adam<float> adam({}, {});
  CHECK(adam.step(0.1) == 0);
  CHECK(adam.updates() == 1);
  CHECK_THROWS_WITH(optim::Adam<float>({{"lost", std::make_shared<Leaf<float>>()}}, {}),
                    Catch::Contains("lost was never initialised"));
}

TEST_CASE("a gradient that is not finite shows in the norm", "[optim]") {
  const auto a = leaf("a", {3});
  optim::Adam<double> adam({{"a", a}}, {.clip_norm = 1});
  a->grad = test::tensor<double>({1, std::numeric_limits<double>::quiet_NaN(), 2}, {3});
  a->touched = true;
  CHECK(std::isnan(adam.grad_norm()));
}

TEST_CASE("clipping leaves small gradients alone", "[optim]") {
  CHECK(optim::clip_factor(5, 0) == 1);
  CHECK(optim::clip_factor(0.5, 1) == 1);
  CHECK(optim::clip_factor(0, 1) == 1);
  CHECK(optim::clip_factor(4, 1) == Approx(0.25).epsilon(1e-6));
}

TEST_CASE("schedules rise, hold and fall as described", "[optim]") {
  using optim::Schedule;
  const Schedule fixed = {.rate = 2, .warmup = 4};
  CHECK(fixed.at(0) == 0.5);
  CHECK(fixed.at(3) == 2);
  CHECK(fixed.at(1000) == 2);
  CHECK(Schedule{.rate = 3}.at(0) == 3);

  const Schedule tri = {.kind = Schedule::Kind::tri_stage,
                        .rate = 1,
                        .max_update = 100,
                        .warmup_ratio = 0.1,
                        .hold_ratio = 0.2,
                        .decay_ratio = 0.7};
  CHECK(tri.at(0) == 0.01);
  CHECK(tri.at(5) == Approx(0.505));
  CHECK(tri.at(10) == 1);
  CHECK(tri.at(29) == 1);
  CHECK(tri.at(65) == Approx(0.1));
  CHECK(tri.at(100) == Approx(0.01));
  CHECK(tri.at(500) == Approx(0.01));
  for (std::int64_t n = 31; n < 100; ++n) CHECK(tri.at(n) < tri.at(n - 1));

  const Schedule step = {.kind = Schedule::Kind::step, .rate = 1, .warmup = 2, .period = 3, .decay = 0.5};
  CHECK(step.at(0) == 0);
  CHECK(step.at(1) == 0.5);
  CHECK(step.at(2) == 1);
  CHECK(step.at(4) == 1);
  CHECK(step.at(5) == 0.5);
  CHECK(step.at(8) == 0.25);
  CHECK_THROWS_AS((Schedule{.kind = Schedule::Kind::step, .period = 0}.at(1)), OptionError);

  const Schedule cosine = {.kind = Schedule::Kind::cosine, .rate = 1, .warmup = 10, .max_update = 110, .final_scale = 0.1};
  CHECK(cosine.at(9) == 1);
  CHECK(cosine.at(10) == 1);
  CHECK(cosine.at(60) == Approx(0.55));
  CHECK(cosine.at(110) == Approx(0.1));
  CHECK(cosine.at(10000) == Approx(0.1));
}
