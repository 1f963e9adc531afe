#include <anylead/cpu/gemm.hpp>

#include <array>
#include <bit>
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

/// One product with its matrices, each in a buffer that ends with its last element: a sanitizer sees a read behind it.
/// Gaps between rows hold NaN: a read of one that counts makes the result NaN.
template <class T>
struct Case {
  Index m, n, k, lda, ldb, ldc;
  MatrixOp op_a, op_b;
  std::vector<T> a, b, c, bias;

  Case(Index m_, Index n_, Index k_, MatrixOp op_a_, MatrixOp op_b_, Index gap = 3, std::uint64_t seed = 1)
      : m(m_), n(n_), k(k_), op_a(op_a_), op_b(op_b_) {
    const Index a_rows = op_a == MatrixOp::none ? m : k, a_cols = op_a == MatrixOp::none ? k : m;
    const Index b_rows = op_b == MatrixOp::none ? k : n, b_cols = op_b == MatrixOp::none ? n : k;
    lda = a_cols + gap;
    ldb = b_cols + 2 * gap;
    ldc = n + gap;
    a = matrix(a_rows, a_cols, lda, seed);
    b = matrix(b_rows, b_cols, ldb, seed + 1);
    c = matrix(m, n, ldc, seed + 2);
    bias = matrix(1, n, n, seed + 3);
  }

  static std::vector<T> matrix(Index rows, Index cols, Index stride, std::uint64_t seed) {
    if (rows == 0 || cols == 0) return {};
    std::vector<T> values(static_cast<std::size_t>((rows - 1) * stride + cols), std::numeric_limits<T>::quiet_NaN());
    RandomSequence next({.seed = seed});
    for (Index r = 0; r < rows; ++r)
      for (Index i = 0; i < cols; ++i) values[static_cast<std::size_t>(r * stride + i)] = static_cast<T>(next.uniform(-1, 1));
    return values;
  }

  double left(Index i, Index p, Precision precision = Precision::full) const {
    return factor(a[std::size_t(op_a == MatrixOp::none ? i * lda + p : p * lda + i)], precision);
  }
  double right(Index p, Index j, Precision precision = Precision::full) const {
    return factor(b[std::size_t(op_b == MatrixOp::none ? p * ldb + j : j * ldb + p)], precision);
  }

  /// x as products see it: for bf16 the nearest number with 8 bits of significand, ties to even.
  static double factor(T x, Precision precision) {
    if (precision == Precision::full || x == 0) return double(x);
    const double unit = std::ldexp(1, std::ilogb(double(x)) - 7);
    return std::nearbyint(double(x) / unit) * unit;
  }

  Gemm<T> gemm(std::vector<T>& to) const {
    return {.m = m,
            .n = n,
            .k = k,
            .a = a.data(),
            .lda = lda,
            .op_a = op_a,
            .b = b.data(),
            .ldb = ldb,
            .op_b = op_b,
            .c = to.data(),
            .ldc = ldc};
  }

  std::string text() const {
    return str(m, " x ", n, " x ", k, op_a == MatrixOp::none ? " N" : " T", op_b == MatrixOp::none ? "N" : "T");
  }

  /// Runs the product in all forms and compares each element with the plain sum in double. Rounding: at most k + 3 operations
  /// on terms whose sizes add up to `size`.
  void check(Precision precision = Precision::full) const {
    std::vector<double> sums(std::size_t(m * n)), sizes(std::size_t(m * n));
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j)
        for (Index p = 0; p < k; ++p) {
          sums[std::size_t(i * n + j)] += left(i, p, precision) * right(p, j, precision);
          sizes[std::size_t(i * n + j)] += std::abs(left(i, p, precision) * right(p, j, precision));
        }
    for (const Isa isa : isas()) check(isa, precision, sums, sizes);
  }

  void check(Isa isa, Precision precision, const std::vector<double>& sums, const std::vector<double>& sizes) const {
    INFO(text() << " on " << name(isa) << " in " << sizeof(T) << " bytes");
    for (const bool add : {false, true})
      for (const bool with_bias : {false, true}) {
        std::vector<T> result = c;
        if (!add)
          for (Index i = 0; i < m; ++i)
            for (Index j = 0; j < n; ++j) result[std::size_t(i * ldc + j)] = std::numeric_limits<T>::quiet_NaN();
        const std::vector<T> before = result;
        Gemm<T> g = gemm(result);
        g.alpha = !add ? T(1) : precision == Precision::bf16 ? T(-0.5) : T(-0.625);
        g.precision = precision;
        g.accumulate = add;
        g.bias = with_bias ? bias.data() : nullptr;
        with_bias ? gemm_serial(g, isa) : cpu_ops::gemm(g, isa);
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            double sum = sums[std::size_t(i * n + j)] * double(g.alpha), size = sizes[std::size_t(i * n + j)];
            if (add) sum += double(c[std::size_t(i * ldc + j)]), size += 1;
            if (with_bias) sum += double(bias[std::size_t(j)]), size += 1;
            const double bound = double(k + 3) * size * double(std::numeric_limits<T>::epsilon()) / 2;
            const double found = double(result[std::size_t(i * ldc + j)]);
            if (!(std::abs(found - sum) <= bound)) {
              CAPTURE(i, j, sum, found, bound, add, with_bias);
              REQUIRE(std::abs(found - sum) <= bound);
            }
          }
          const std::size_t gap = std::size_t(i * ldc + n);  // behind the row, all is as it was, bit by bit
          if (i + 1 < m && n > 0 &&
              std::memcmp(result.data() + gap, before.data() + gap, std::size_t(ldc - n) * sizeof(T)) != 0)
            FAIL("something was written behind row " << i);
        }
      }
  }
};

constexpr MatrixOp kOps[] = {MatrixOp::none, MatrixOp::transpose};

struct Threads {
  int before = threads();
  explicit Threads(int n) { set_threads(n); }
  ~Threads() { set_threads(before); }
};

template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("a product equals the plain sums at every size around the tiles' borders", "[cpu][gemm]", float, double) {
  for (const MatrixOp op_a : kOps)
    for (const MatrixOp op_b : kOps)
      for (const Index m : {1, 2, 5, 6, 7, 13, 14, 15, 29})
        for (const Index n : {1, 3, 4, 7, 8, 9, 16, 17, 31, 32, 33, 65})
          for (const Index k : {1, 2, 16, 17, 33}) Case<TestType>(m, n, k, op_a, op_b).check();
}

TEMPLATE_TEST_CASE("a product equals the plain sums at sizes beyond one block of each cache", "[cpu][gemm]", float, double) {
  for (const MatrixOp op_a : kOps)
    for (const MatrixOp op_b : kOps) {
      Case<TestType>(85, 37, 769, op_a, op_b).check();
      Case<TestType>(171, 33, 1540, op_a, op_b).check();
      Case<TestType>(3, 801, 40, op_a, op_b).check();
      Case<TestType>(400, 17, 9, op_a, op_b).check();
    }
}

TEMPLATE_TEST_CASE("products at a hundred random sizes equal the plain sums", "[cpu][gemm]", float, double) {
  RandomSequence next({.seed = 7});
  const auto draw = [&](std::uint32_t limit) { return static_cast<Index>(next.below(limit)); };
  for (int i = 0; i < 100; ++i) {
    const Index m = draw(70), n = draw(100), k = draw(150), gap = draw(5);
    const MatrixOp op_a = kOps[draw(2)], op_b = kOps[draw(2)];
    Case<TestType>(m, n, k, op_a, op_b, gap).check();
  }
}

TEST_CASE("products of factors rounded to bfloat16 equal the plain sums of the rounded factors", "[cpu][gemm]") {
  for (const MatrixOp op_a : kOps)
    for (const MatrixOp op_b : kOps) {
      for (const Index m : {1, 7, 14, 29})
        for (const Index n : {1, 15, 16, 33, 65})
          for (const Index k : {0, 1, 2, 15, 32, 33, 66}) Case<float>(m, n, k, op_a, op_b).check(Precision::bf16);
      Case<float>(85, 37, 1541, op_a, op_b).check(Precision::bf16);
      Case<float>(31, 801, 769, op_a, op_b, 0).check(Precision::bf16);
    }
}

TEST_CASE("bfloat16 keeps NaN and infinity, and rounds ties to even", "[cpu][gemm]") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), one = 1;
  const float odd_nan = std::bit_cast<float>(0x7F800001u);  // rounding its bits would give infinity
  const std::vector<float> a = {odd_nan, infinity, -infinity, 1 + 0x1p-8f, 1 + 0x3p-8f, 3.4e38f};
  const std::vector<float> expected = {odd_nan, infinity, -infinity, 1, 1 + 0x1p-6f, infinity};
  for (const Isa isa : isas()) {
    std::vector<float> c(a.size());
    gemm(Gemm<float>{.m = Index(a.size()),
                     .n = 1,
                     .k = 1,
                     .a = a.data(),
                     .lda = 1,
                     .op_a = MatrixOp::none,
                     .b = &one,
                     .ldb = 1,
                     .op_b = MatrixOp::none,
                     .c = c.data(),
                     .ldc = 1,
                     .precision = Precision::bf16},
         isa);
    for (std::size_t i = 0; i < a.size(); ++i) {
      CAPTURE(name(isa), i, c[i]);
      CHECK(((std::isnan(c[i]) && std::isnan(expected[i])) || c[i] == expected[i]));
    }
  }
}

TEMPLATE_TEST_CASE("a product without terms gives the bias, zero, or what was there", "[cpu][gemm]", float, double) {
  Case<TestType>(5, 19, 0, MatrixOp::none, MatrixOp::transpose).check();
  Case<TestType>(5, 19, 0, MatrixOp::transpose, MatrixOp::none).check();
  Case<TestType>(0, 19, 4, MatrixOp::none, MatrixOp::none).check();
  Case<TestType>(5, 0, 4, MatrixOp::none, MatrixOp::none).check();
  Case<TestType>(0, 0, 0, MatrixOp::none, MatrixOp::none).check();
}

TEMPLATE_TEST_CASE("rows of A and of B may overlap: windows of a signal", "[cpu][gemm]", float, double) {
  using T = TestType;
  const Index time = 61, taps = 24, channels = 3, out = 5, row = taps * channels;
  const std::vector<T> signal = Case<T>::matrix(1, (time + taps - 1) * channels, 0, 5);
  const std::vector<T> weight = Case<T>::matrix(out, row, row, 6);
  const std::vector<T> dy = Case<T>::matrix(time, out, out, 7);
  for (const Isa isa : isas()) {
    std::vector<T> y(std::size_t(time * out)), dweight(std::size_t(out * row));
    gemm(Gemm<T>{.m = time,
                 .n = out,
                 .k = row,
                 .a = signal.data(),
                 .lda = channels,
                 .op_a = MatrixOp::none,
                 .b = weight.data(),
                 .ldb = row,
                 .op_b = MatrixOp::transpose,
                 .c = y.data(),
                 .ldc = out},
         isa);
    gemm(Gemm<T>{.m = out,
                 .n = row,
                 .k = time,
                 .a = dy.data(),
                 .lda = out,
                 .op_a = MatrixOp::transpose,
                 .b = signal.data(),
                 .ldb = channels,
                 .op_b = MatrixOp::none,
                 .c = dweight.data(),
                 .ldc = row},
         isa);
    const double eps = double(std::numeric_limits<T>::epsilon());
    for (Index t = 0; t < time; ++t)
      for (Index o = 0; o < out; ++o) {
        double sum = 0;
        for (Index i = 0; i < row; ++i)
          sum += double(signal[std::size_t(t * channels + i)]) * double(weight[std::size_t(o * row + i)]);
        REQUIRE(std::abs(double(y[std::size_t(t * out + o)]) - sum) <= double(row * row) * eps);
      }
    for (Index o = 0; o < out; ++o)
      for (Index i = 0; i < row; ++i) {
        double sum = 0;
        for (Index t = 0; t < time; ++t)
          sum += double(dy[std::size_t(t * out + o)]) * double(signal[std::size_t(t * channels + i)]);
        REQUIRE(std::abs(double(dweight[std::size_t(o * row + i)]) - sum) <= double(time * time) * eps);
      }
  }
}

TEMPLATE_TEST_CASE("a batch of products gives the bits of one after the other, whatever matrices share", "[cpu][gemm]", float,
                   double) {
  using T = TestType;
  const Index m = 13, n = 21, k = 34;
  for (const Index batch : {0, 1, 2, 5})
    for (const Index stride_b : {Index{0}, k * n}) {
      const Index width = batch * n;  // matrices of A and of C lie beside each other: their rows are those of one matrix
      const std::vector<T> a = Case<T>::matrix(m, batch * k, batch * k, 1), b = Case<T>::matrix(batch * k, n, n, 2);
      const std::vector<T> bias = Case<T>::matrix(1, n, n, 3), before = Case<T>::matrix(m, width, width, 4);
      for (const Isa isa : isas()) {
        INFO(batch << " matrices on " << name(isa));
        std::vector<T> one_by_one = before, together = before, serial = before, packed = before;
        const auto product = [&](std::vector<T>& c, Index first, Index count) {
          return Gemm<T>{.m = m,
                         .n = n,
                         .k = k,
                         .a = a.data() + first * k,
                         .lda = batch * k,
                         .op_a = MatrixOp::none,
                         .b = b.data() + first * stride_b,
                         .ldb = n,
                         .op_b = MatrixOp::none,
                         .c = c.data() + first * n,
                         .ldc = width,
                         .accumulate = true,
                         .bias = bias.data(),
                         .batch = count,
                         .stride_a = k,
                         .stride_b = stride_b,
                         .stride_c = n};
        };
        for (Index i = 0; i < batch; ++i) cpu_ops::gemm(product(one_by_one, i, 1), isa);
        cpu_ops::gemm(product(together, 0, batch), isa);
        gemm_serial(product(serial, 0, batch), isa);
        CHECK(together == one_by_one);
        CHECK(serial == one_by_one);
        if (batch > 0) CHECK(together != before);
        if (stride_b > 0 || batch == 0) continue;
        std::vector<T> room(std::size_t(packed_size<T>(k, n, Precision::full, isa)));
        pack_b(room.data(), k, n, b.data(), n, MatrixOp::none, Precision::full, isa);
        cpu_ops::gemm(product(packed, 0, batch), PackedB<T>{k, n, room.data(), Precision::full, isa});
        CHECK(packed == one_by_one);
      }
    }
}

TEMPLATE_TEST_CASE("any number of threads gives the same bits, and one thread alone too", "[cpu][gemm]", float, double) {
  for (const Isa isa : isas())
    for (const MatrixOp op_a : kOps)
      for (const MatrixOp op_b : kOps)
        for (const auto& [m, n, k] :
             std::vector<std::array<Index, 3>>{{3, 517, 800}, {517, 3, 70}, {130, 200, 900}, {1, 1, 5}}) {
          const Case<TestType> one(m, n, k, op_a, op_b);
          INFO(one.text() << " on " << name(isa));
          std::vector<TestType> serial = one.c;
          gemm_serial(one.gemm(serial), isa);
          for (const int n_threads : {1, 2, 3, 7}) {
            const Threads scope(n_threads);
            std::vector<TestType> result = one.c;
            gemm(one.gemm(result), isa);
            REQUIRE(same_bits(result, serial));
          }
        }
}

TEMPLATE_TEST_CASE("a row's result does not depend on the rows beside it", "[cpu][gemm]", float, double) {
  for (const Isa isa : isas())
    for (const MatrixOp op_b : kOps) {
      const Case<TestType> all(203, 45, 801, MatrixOp::none, op_b);
      std::vector<TestType> whole = all.c;
      const auto scaled = [&](std::vector<TestType>& to) {
        Gemm<TestType> g = all.gemm(to);
        g.alpha = TestType(0.3);
        g.accumulate = true;
        g.bias = all.bias.data();
        return g;
      };
      gemm(scaled(whole), isa);
      for (const Index first : {Index(0), Index(1), Index(77), Index(201)})
        for (const Index count : {Index(1), Index(2), Index(13), Index(29)}) {
          if (first + count > all.m) continue;
          std::vector<TestType> part = all.c;
          Gemm<TestType> g = scaled(part);
          g.a += first * all.lda;
          g.c += first * all.ldc;
          g.m = count;
          gemm(g, isa);
          for (Index i = first; i < first + count; ++i)
            REQUIRE(std::memcmp(&part[std::size_t(i * all.ldc)], &whole[std::size_t(i * all.ldc)],
                                std::size_t(all.n) * sizeof(TestType)) == 0);
        }
    }
}

TEMPLATE_TEST_CASE("NaN and infinity reach the elements that they belong to, and no others", "[cpu][gemm]", float, double) {
  using T = TestType;
  for (const Isa isa : isas())
    for (const MatrixOp op_a : kOps)
      for (const MatrixOp op_b : kOps) {
        Case<T> c(17, 35, 20, op_a, op_b);
        c.a[std::size_t(op_a == MatrixOp::none ? 4 * c.lda + 9 : 9 * c.lda + 4)] = std::numeric_limits<T>::quiet_NaN();
        c.b[std::size_t(op_b == MatrixOp::none ? 3 * c.ldb + 33 : 33 * c.ldb + 3)] = std::numeric_limits<T>::infinity();
        std::vector<T> result = c.c;
        gemm(c.gemm(result), isa);
        for (Index i = 0; i < c.m; ++i)
          for (Index j = 0; j < c.n; ++j) {
            const T found = result[std::size_t(i * c.ldc + j)];
            CAPTURE(c.text(), i, j, found);
            if (i == 4) {
              REQUIRE(std::isnan(found));
            } else if (j == 33) {
              REQUIRE(found == std::copysign(std::numeric_limits<T>::infinity(), T(c.left(i, 3))));
            } else {
              REQUIRE(std::isfinite(found));
            }
          }
      }
}

TEMPLATE_TEST_CASE("a matrix packed before gives the same bits", "[cpu][gemm]", float, double) {
  for (const Isa isa : isas())
    for (const MatrixOp op_a : kOps)
      for (const MatrixOp op_b : kOps)
        for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{{3, 1601, 70}, {30, 33, 1600}, {1, 1, 1}, {4, 5, 0}}) {
          const Case<TestType> one(m, n, k, op_a, op_b);
          INFO(one.text() << " on " << name(isa));
          for (const Precision precision : {Precision::full, Precision::bf16}) {
            std::vector<TestType> room(std::size_t(packed_size<TestType>(k, n, precision, isa)));
            pack_b(room.data(), k, n, one.b.data(), one.ldb, op_b, precision, isa);
            std::vector<TestType> expected = one.c, result = one.c;
            Gemm<TestType> g = one.gemm(expected);
            g.precision = precision;
            gemm_serial(g, isa);
            g = one.gemm(result);
            g.b = nullptr;
            gemm(g, PackedB<TestType>{k, n, room.data(), precision, isa});
            REQUIRE(same_bits(result, expected));
          }
        }
}
