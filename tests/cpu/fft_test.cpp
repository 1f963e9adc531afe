#include <anylead/cpu/conv1d_fft.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/random.hpp>
#include <cpu/isas.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::cpu_ops;

namespace {

template <class T>
std::vector<T> draw(Index n, std::uint64_t seed) {
  std::vector<T> values(static_cast<std::size_t>(n));
  RandomSequence next({.seed = seed});
  for (T& v : values) v = static_cast<T>(next.uniform(-1, 1));
  return values;
}

struct RunFft {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Fft<T>* fft, T* re, T* im) {
    fft->template run<isa>(re, im);
  }
};

/// A convolution with the plain sums of y, dx and dweight in double.
template <class T>
struct Conv {
  Conv1dDims d;
  Index out_time;
  std::vector<T> x, weight, bias, dy;
  std::vector<double> y, dx, dweight;

  Conv(Conv1dDims dims, Index surplus = 0) : d(dims), out_time(dims.out_time() - surplus) {
    const Index in = d.in / d.groups, out = d.out / d.groups;
    x = draw<T>(d.batch * d.time * d.in, 1);
    weight = draw<T>(d.out * in * d.taps, 2);
    bias = draw<T>(d.out, 3);
    dy = draw<T>(d.batch * out_time * d.out, 4);
    y.resize(dy.size());
    dx.resize(x.size());
    dweight.resize(weight.size());
    for (Index b = 0; b < d.batch; ++b)
      for (Index t = 0; t < out_time; ++t)
        for (Index k = 0; k < d.out; ++k) {
          const std::size_t o = std::size_t((b * out_time + t) * d.out + k);
          y[o] = double(bias[std::size_t(k)]);
          for (Index l = 0; l < d.taps; ++l) {
            const Index frame = t + l - d.padding;
            if (frame < 0 || frame >= d.time) continue;
            for (Index c = 0; c < in; ++c) {
              const std::size_t i = std::size_t((b * d.time + frame) * d.in + k / out * in + c);
              const std::size_t w = std::size_t((k * in + c) * d.taps + l);
              y[o] += double(x[i]) * double(weight[w]);
              dx[i] += double(dy[o]) * double(weight[w]);
              dweight[w] += double(dy[o]) * double(x[i]);
            }
          }
        }
  }

  std::string text() const {
    return str("B ", d.batch, " T ", d.time, " C ", d.in, " K ", d.out, " L ", d.taps, " padding ", d.padding, " G ", d.groups);
  }
};

/// Largest difference, relative to the root mean square: rounding of a transform spreads evenly over its outputs.
template <class T>
double difference(const std::vector<T>& found, const std::vector<double>& expected) {
  double worst = 0, square = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(double(found[i]) - expected[i]));
    square += expected[i] * expected[i];
  }
  return square == 0 ? worst : worst / std::sqrt(square / double(expected.size()));
}

/// Rounding grows with the logarithm of the size: some ten operations of epsilon each, and the largest of many differences.
template <class T>
constexpr double kTolerance = sizeof(T) == 4 ? 4e-6 : 8e-15;

template <class T>
void check(const Conv1dDims& d, Index surplus = 0) {
  const Conv<T> conv(d, surplus);
  INFO(conv.text());
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> y(conv.y.size(), nan), dx(conv.dx.size(), nan), dweight(conv.dweight.size(), nan);
  conv1d_fft_forward(d, conv.out_time, y.data(), conv.x.data(), conv.weight.data(), conv.bias.data());
  conv1d_fft_backward(d, conv.out_time, Grad<T>{dx.data(), GradMode::overwrite}, Grad<T>{dweight.data(), GradMode::overwrite},
                      conv.dy.data(), conv.x.data(), conv.weight.data());
  CHECK(difference(y, conv.y) < kTolerance<T>);
  CHECK(difference(dx, conv.dx) < kTolerance<T>);
  CHECK(difference(dweight, conv.dweight) < kTolerance<T>);
}

}  // namespace

TEMPLATE_TEST_CASE("a transform equals the sum that defines it, at every power of two", "[cpu][fft]", float, double) {
  using T = TestType;
  for (Index log2_size = 0; log2_size <= 9; ++log2_size) {
    const Index n = Index{1} << log2_size;
    const Fft<T>& transform = fft<T>(log2_size);
    REQUIRE(transform.size() == n);
    const std::vector<T> re = draw<T>(n * kLanes<T>, 1), im = draw<T>(n * kLanes<T>, 2);
    for (const Index lane : {Index(0), kLanes<T> - 1}) {
      std::vector<double> sum_re(static_cast<std::size_t>(n)), sum_im(sum_re.size());
      for (Index f = 0; f < n; ++f)
        for (Index t = 0; t < n; ++t) {
          const double angle = -6.283185307179586 * double(f * t % n) / double(n);
          const double r = double(re[std::size_t(t * kLanes<T> + lane)]), s = double(im[std::size_t(t * kLanes<T> + lane)]);
          sum_re[std::size_t(f)] += r * std::cos(angle) - s * std::sin(angle);
          sum_im[std::size_t(f)] += r * std::sin(angle) + s * std::cos(angle);
        }
      // rounding of the transform grows with log n, that of the sum (it matters in double) with n at most
      const double bound = 4 * double(std::numeric_limits<T>::epsilon()) * std::sqrt(double(n)) + 1e-16 * double(n);
      for (const Isa isa : isas()) {
        std::vector<T> found_re = re, found_im = im;
        with_isa<RunFft>(isa, &transform, found_re.data(), found_im.data());
        for (Index f = 0; f < n; ++f) {
          const std::size_t at = std::size_t(transform.position(f) * kLanes<T> + lane);
          CAPTURE(n, f, lane, name(isa));
          REQUIRE(std::abs(double(found_re[at]) - sum_re[std::size_t(f)]) <= bound);
          REQUIRE(std::abs(double(found_im[at]) - sum_im[std::size_t(f)]) <= bound);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("a convolution by transforms equals the plain sums", "[cpu][fft]", float, double) {
  check<TestType>({2, 20, 6, 4, 5, 1, 2, 2});
  check<TestType>({1, 1, 1, 1, 1, 1, 0, 1});
  check<TestType>({1, 1, 2, 2, 8, 1, 4, 2});
  check<TestType>({3, 17, 34, 34, 9, 1, 4, 2});         // a vector and a lane
  check<TestType>({2, 33, 15, 9, 12, 1, 6, 3});         // fewer channels than lanes, an even number of taps
  check<TestType>({3, 156, 96, 96, 128, 1, 64, 2});     // the model's shape, two of its groups
  check<TestType>({2, 156, 96, 96, 128, 1, 64, 2}, 1);  // without the surplus frame
  check<TestType>({2, 30, 4, 6, 7, 1, 0, 1});           // no padding
  check<TestType>({2, 30, 4, 6, 7, 1, 6, 2});           // all of it
  check<TestType>({2, 7, 4, 4, 7, 1, 0, 1});            // a single output
}

TEMPLATE_TEST_CASE("a long signal is cut into blocks that fit without a seam", "[cpu][fft]", float, double) {
  for (const Index time : {31, 32, 33, 100, 257}) check<TestType>({2, time, 6, 4, 8, 1, 4, 2}, time % 2);
  check<TestType>({1, 1000, 18, 18, 11, 1, 5, 1});
  check<TestType>({1, 700, 4, 4, 128, 1, 64, 1}, 1);
  check<TestType>({2, 90, 4, 4, 9, 1, 0, 1});
  check<TestType>({2, 90, 4, 4, 9, 1, 8, 1});
}

TEMPLATE_TEST_CASE("nothing in, nothing out: gradients of an empty batch are zero or unchanged", "[cpu][fft]", float, double) {
  using T = TestType;
  const Conv1dDims d = {0, 20, 4, 4, 5, 1, 2, 2};
  std::vector<T> dweight(std::size_t(4 * 2 * 5), T(3)), weight(dweight.size(), T(1));
  conv1d_fft_forward<T>(d, 20, nullptr, nullptr, weight.data(), nullptr);
  conv1d_fft_backward<T>(d, 20, {}, {dweight.data(), GradMode::accumulate}, nullptr, nullptr, weight.data());
  for (const T v : dweight) REQUIRE(v == T(3));
  conv1d_fft_backward<T>(d, 20, {}, {dweight.data(), GradMode::overwrite}, nullptr, nullptr, weight.data());
  for (const T v : dweight) REQUIRE(v == T(0));
}

TEMPLATE_TEST_CASE("gradients are skipped, assigned or added as asked", "[cpu][fft]", float, double) {
  using T = TestType;
  const Conv<T> conv({2, 40, 18, 6, 10, 1, 5, 2}, 1);
  const std::vector<T> before_x = draw<T>(Index(conv.dx.size()), 8), before_w = draw<T>(Index(conv.dweight.size()), 9);
  std::vector<T> dx = before_x, dweight = before_w;
  const auto run = [&](GradMode to_x, GradMode to_w) {
    dx = before_x, dweight = before_w;
    conv1d_fft_backward(conv.d, conv.out_time, Grad<T>{dx.data(), to_x}, Grad<T>{dweight.data(), to_w}, conv.dy.data(),
                        conv.x.data(), conv.weight.data());
  };
  run(GradMode::skip, GradMode::accumulate);
  CHECK(dx == before_x);
  std::vector<double> expected = conv.dweight;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += double(before_w[i]);
  CHECK(difference(dweight, expected) < kTolerance<T>);
  run(GradMode::accumulate, GradMode::skip);
  CHECK(dweight == before_w);
  expected = conv.dx;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += double(before_x[i]);
  CHECK(difference(dx, expected) < kTolerance<T>);
}

TEMPLATE_TEST_CASE("a convolution by transforms gives the same bits on any number of threads", "[cpu][fft]", float, double) {
  using T = TestType;
  const Conv<T> conv({2, 50, 24, 24, 16, 1, 8, 4}, 1);
  const int before = threads();
  std::vector<std::vector<T>> results;
  for (const int n : {1, 2, 3}) {
    set_threads(n);
    std::vector<T> all(conv.y.size() + conv.dx.size() + conv.dweight.size());
    T *y = all.data(), *dx = y + conv.y.size(), *dweight = dx + conv.dx.size();
    conv1d_fft_forward(conv.d, conv.out_time, y, conv.x.data(), conv.weight.data(), conv.bias.data());
    conv1d_fft_backward(conv.d, conv.out_time, Grad<T>{dx, GradMode::overwrite}, Grad<T>{dweight, GradMode::overwrite},
                        conv.dy.data(), conv.x.data(), conv.weight.data());
    results.push_back(all);
  }
  set_threads(before);
  for (const auto& r : results) REQUIRE(std::memcmp(r.data(), results[0].data(), r.size() * sizeof(T)) == 0);
}

TEST_CASE("a convolution by transforms applies to stride 1 and padding below the number of taps", "[cpu][fft]") {
  CHECK(conv1d_fft_applies({1, 20, 2, 2, 4, 1, 3, 1}));
  CHECK_FALSE(conv1d_fft_applies({1, 20, 2, 2, 4, 1, 4, 1}));
  CHECK_FALSE(conv1d_fft_applies({1, 20, 2, 2, 4, 2, 1, 1}));
  CHECK(conv1d_fft_pays({8, 156, 768, 768, 128, 1, 64, 16}));
  CHECK_FALSE(conv1d_fft_pays({8, 156, 768, 768, 128, 1, 64, 1}));
  CHECK_FALSE(conv1d_fft_pays({8, 156, 768, 768, 3, 1, 1, 16}));
}
