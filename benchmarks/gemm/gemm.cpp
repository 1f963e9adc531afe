// Products of matrices: own ones beside those of Eigen, OpenBLAS and oneDNN, as far as these are installed. Rows are named
// TYPE/OPS/MxNxK/WAY: NT is y = x W^T, the forward product of a linear map, NN and TN those of its gradients. Each row checks
// its result before it is timed. Its limit is the multiply-add peak, measured in the same run, on as many threads, of the type
// that it multiplies.
#include <benchmark/benchmark.h>

#include <cmath>
#include <limits>
#include <memory>

#include <anylead/core/random.hpp>
#include <anylead/cpu/gemm.hpp>

#include "gemm/peers.hpp"
#include "support/peak.hpp"
#include "support/program.hpp"

namespace {

using namespace anylead;
using namespace anylead::bench;

struct Shape {
  Index m, n, k;
  bool transpose_a, transpose_b;
};

std::string text(const Shape& s) {
  return str(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', '/', s.m, 'x', s.n, 'x', s.k);
}

template <class T>
Gemm<T> descriptor(const Product<T>& p, Precision precision) {
  return {.m = p.m,
          .n = p.n,
          .k = p.k,
          .a = p.a,
          .lda = p.transpose_a ? p.m : p.k,
          .op_a = p.transpose_a ? MatrixOp::transpose : MatrixOp::none,
          .b = p.b,
          .ldb = p.transpose_b ? p.k : p.n,
          .op_b = p.transpose_b ? MatrixOp::transpose : MatrixOp::none,
          .c = p.c,
          .ldc = p.n,
          .precision = precision};
}

template <class T>
Way<T> own_way(const char* name, Precision precision, bool packed) {
  const auto prepare = [=](const Product<T>& p) -> std::function<void()> {
    const Gemm<T> g = descriptor(p, precision);
    if (!packed) return [g] { cpu_ops::gemm(g); };
    const auto room = std::make_shared<std::vector<T>>(cpu_ops::packed_size<T>(p.k, p.n, precision));
    cpu_ops::pack_b(room->data(), p.k, p.n, p.b, g.ldb, g.op_b, precision);
    return [g, room] { cpu_ops::gemm(g, cpu_ops::PackedB<T>{g.k, g.n, room->data(), g.precision}); };
  };
  return {name, prepare, precision == Precision::bf16, packed};
}

template <class T>
std::vector<Way<T>> ways() {
  std::vector<Way<T>> all = {own_way<T>("own", Precision::full, false), own_way<T>("own_packed", Precision::full, true)};
  const auto append = [&](const std::vector<Way<T>>& more) { all.insert(all.end(), more.begin(), more.end()); };
  if constexpr (std::is_same_v<T, float>)
    append({own_way<T>("own_bf16", Precision::bf16, false), own_way<T>("own_bf16_packed", Precision::bf16, true)});
  append(eigen_ways<T>());
#ifdef ANYLEAD_OPENBLAS
  append(openblas_ways<T>());
#endif
#ifdef ANYLEAD_ONEDNN
  if constexpr (std::is_same_v<T, float>) append(onednn_ways());
#endif
  return all;
}

template <class T>
std::vector<T> numbers(Index n, std::uint64_t seed) {
  const RandomStream random = {.seed = seed};
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.uniform(i, -1, 1));
  return x;
}

/// The largest difference of some elements of C from sums in double; c is [m, n].
template <class T>
double error(const Product<T>& p) {
  const RandomStream random = {.seed = 3};
  double largest = 0;
  for (std::uint64_t sample = 0; sample < 256; ++sample) {
    const Index i = random.below(2 * sample, static_cast<std::uint32_t>(p.m)),
                j = random.below(2 * sample + 1, static_cast<std::uint32_t>(p.n));
    double sum = 0;
    for (Index l = 0; l < p.k; ++l)
      sum += double(p.a[p.transpose_a ? l * p.m + i : i * p.k + l]) * double(p.b[p.transpose_b ? j * p.k + l : l * p.n + j]);
    const double difference = std::abs(double(p.c[i * p.n + j]) - sum);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

template <class T>
void time(benchmark::State& state, const Shape& s, const Way<T>& way) try {
  const std::vector<T> a = numbers<T>(s.m * s.k, 1), b = numbers<T>(s.k * s.n, 2);
  std::vector<T> c(static_cast<std::size_t>(s.m * s.n), std::numeric_limits<T>::quiet_NaN());
  const Product<T> p = {s.m, s.n, s.k, a.data(), s.transpose_a, b.data(), s.transpose_b, c.data()};
  const std::function<void()> once = way.prepare(p);
  once();
  // Factors lie between -1 and 1: rounding them errs by unit sqrt(k), rounding the sums by less than unit k.
  const double unit = way.bf16 ? 0x1p-8 : static_cast<double>(std::numeric_limits<T>::epsilon());
  if (const double e = error(p); !(e <= unit * (way.bf16 ? 4 * std::sqrt(double(s.k)) : double(s.k))))
    return fail(state, str("differs by ", e, " from the sums in double"));

  double peak;
  if (way.bf16)
    peak = multiply_add_peak<float, cpu_ops::Bf16Pair>();
  else
    peak = multiply_add_peak<T>();
  for (auto _ : state) {
    once();
    benchmark::ClobberMemory();
  }
  const double work = 2 * double(s.m) * double(s.n) * double(s.k);
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = benchmark::Counter(work * 1e-9, rate);
  state.counters["of_peak_%"] = benchmark::Counter(work * 100 / peak, rate);
} catch (const std::exception& e) {
  fail(state, e.what());
}

template <class T>
void add_products(const AddRow& add, const std::string& type, const std::vector<Shape>& shapes) {
  for (const Shape& s : shapes)
    for (const Way<T>& way : ways<T>()) {
      if (way.weights && !s.transpose_b) continue;
      add(str(type, '/', text(s), '/', way.name), [s, way](benchmark::State& state) { time<T>(state, s, way); });
    }
}

}  // namespace

int main(int argc, char** argv) {
  Index batch = 8, frames = 156;
  return run_program(argc, argv, "Times products of matrices beside those of other libraries.",
                     {{"batch", &batch, "segments"}, {"frames", &frames, "frames of a segment"}}, {"of_peak_%"},
                     [&](const AddRow& add) {
                       const Index rows = batch * frames;
                       add_products<float>(add, "float",
                                           {{frames, 768, 768, false, true},
                                            {frames, 3072, 768, false, true},
                                            {frames, 768, 3072, false, true},
                                            {rows, 768, 768, false, true},
                                            {rows, 3072, 768, false, true},
                                            {rows, 768, 3072, false, true},
                                            {rows, 768, 768, false, false},
                                            {rows, 768, 3072, false, false},
                                            {768, 768, rows, true, false},
                                            {3072, 768, rows, true, false},
                                            {frames, 256, 256, false, true},
                                            {rows, 1024, 256, false, true},
                                            {rows, 256, 1024, false, true},
                                            {256, 256, rows, true, false},
                                            {frames, frames, 64, false, true},
                                            {frames, 64, frames, false, false},
                                            {frames, frames, 32, false, true}});
                       add_products<double>(add, "double", {{rows, 768, 768, false, true}, {frames, 256, 256, false, true}});
                     });
}
