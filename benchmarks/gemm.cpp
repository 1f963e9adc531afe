// Products of matrices: GFLOP/s and the share of the multiply-add peak that is measured in the same run, beside Eigen's product
// (one thread; it is as fast as the compiler's flags allow, so compare with -march=native). Each row checks its result before
// it is timed. Rows end in 1 (the calling thread; processor time, so that other programs disturb little) or all (every thread;
// wall time, against the peak times the number of threads).
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/random.hpp>
#include <anylead/cpu/gemm.hpp>

namespace {

using namespace anylead;
using namespace anylead::cpu_ops;

/// Twelve independent chains of multiply-adds, more than latency times units on current processors; different starts, else a
/// compiler keeps only one of them.
template <class T>
struct Chains {
  Index steps;
  T value[16 * 64];
};

struct PeakPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Chains<T>* chains) {
    using V = typename cpu_ops::detail::TileShape<isa, T>::Vector;
    V v[14];
    std::memcpy(v, chains->value, sizeof v);
    const V x = v[12], y = v[13];
    V a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7], i = v[8], j = v[9], k = v[10], l = v[11];
    for (Index step = 0; step < chains->steps; ++step) {
      a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y, f = f * x + y;
      g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y, k = k * x + y, l = l * x + y;
    }
    const V sum = a + b + c + d + e + f + g + h + i + j + k + l;
    std::memcpy(chains->value, &sum, sizeof sum);
  }
};

double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Operations per second of multiply-adds in registers on one thread, the best of some short runs.
template <class T>
double peak() {
  Chains<T> chains = {.steps = 100000, .value = {}};
  const double lanes = static_cast<double>(cpu_ops::detail::tile_cols<T>(current_isa()) / 2);
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    for (std::size_t i = 0; i < std::size(chains.value); ++i) chains.value[i] = T(1) / static_cast<T>(i + 2);
    const double begin = processor_seconds();
    with_isa<PeakPass>(&chains);
    best = std::max(best, static_cast<double>(chains.steps) * 12 * 2 * lanes / (processor_seconds() - begin));
    benchmark::DoNotOptimize(chains.value[0]);
  }
  return best;
}

enum class Way { serial, all, all_packed, all_bf16, eigen };

struct Shape {
  Index m, n, k;
  Op op_a, op_b;
};

std::string text(const Shape& s) {
  return str(s.op_a == Op::none ? 'N' : 'T', s.op_b == Op::none ? 'N' : 'T', '/', s.m, 'x', s.n, 'x', s.k);
}

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
void product(benchmark::State& state, const Shape& s, Way way) {
  const RandomStream random = {.seed = 1};
  Matrix<T> a(s.op_a == Op::none ? s.m : s.k, s.op_a == Op::none ? s.k : s.m);
  Matrix<T> b(s.op_b == Op::none ? s.k : s.n, s.op_b == Op::none ? s.n : s.k);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = static_cast<T>(random.uniform(std::uint64_t(i), -1, 1));
  for (Index i = 0; i < b.size(); ++i) b.data()[i] = static_cast<T>(random.uniform(std::uint64_t(a.size() + i), -1, 1));
  Matrix<T> c = Matrix<T>::Zero(s.m, s.n), reference(s.m, s.n);
  const Gemm<T> g = {.m = s.m,
                     .n = s.n,
                     .k = s.k,
                     .a = a.data(),
                     .lda = a.cols(),
                     .op_a = s.op_a,
                     .b = b.data(),
                     .ldb = b.cols(),
                     .op_b = s.op_b,
                     .c = c.data(),
                     .ldc = s.n};
  std::vector<T> room(way == Way::all_packed ? static_cast<std::size_t>(packed_size<T>(s.k, s.n)) : 0);
  if (way == Way::all_packed) pack_b(room.data(), s.k, s.n, b.data(), b.cols(), s.op_b);
  const PackedB<T> packed = {s.k, s.n, room.data()};
  Gemm<T> half = g;
  half.precision = Precision::bf16;
  const auto eigen = [&](Matrix<T>& to) {
    if (s.op_a == Op::transpose)
      to.noalias() = a.transpose() * b;
    else if (s.op_b == Op::transpose)
      to.noalias() = a * b.transpose();
    else
      to.noalias() = a * b;
  };
  const auto once = [&] {
    switch (way) {
      case Way::serial:
        return gemm_serial(g);
      case Way::all:
        return gemm(g);
      case Way::all_packed:
        return gemm(g, packed);
      case Way::all_bf16:
        return gemm(half);
      case Way::eigen:
        return eigen(c);
    }
  };
  once();
  eigen(reference);
  const double unit = way == Way::all_bf16 ? 0x1p-8 : static_cast<double>(std::numeric_limits<T>::epsilon());
  const double tolerance = 8 * unit * std::sqrt(double(s.k));
  if (!(static_cast<double>((c - reference).cwiseAbs().maxCoeff()) <= tolerance * std::max(1., std::sqrt(double(s.k)))))
    return state.SkipWithError("differs from Eigen");

  const double most = peak<T>() * (way == Way::serial || way == Way::eigen ? 1 : threads());
  for (auto _ : state) {
    once();
    benchmark::ClobberMemory();
  }
  const double work = 2e-9 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = benchmark::Counter(work, rate);
  state.counters["of_peak_%"] = benchmark::Counter(work * 1e11 / most, rate);
  state.counters["peak_GFLOP/s"] = most * 1e-9;
}

template <class T>
void add(const std::string& type, const std::vector<Shape>& shapes) {
  for (const Shape& s : shapes)
    for (const auto& [way, label] : {std::pair{Way::serial, "/1"},
                                     {Way::eigen, "/eigen_1"},
                                     {Way::all, "/all"},
                                     {Way::all_packed, "/all_packed"},
                                     {Way::all_bf16, "/all_bf16"}}) {
      if (way == Way::all_packed && s.op_b == Op::none) continue;  // weights: y = x W^T
      if (way == Way::all_bf16 && sizeof(T) == 8) continue;
      const Way how = way;
      auto* bench = benchmark::RegisterBenchmark((type + "/" + text(s) + label).c_str(),
                                                 [s, how](benchmark::State& state) { product<T>(state, s, how); });
      if (way != Way::serial && way != Way::eigen) bench->UseRealTime();
    }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr Op none = Op::none, transpose = Op::transpose;
  const Index frames = 156;
  add<float>("float", {{1, 768, 768, none, transpose},
                       {frames, 768, 768, none, transpose},
                       {frames, 3072, 768, none, transpose},
                       {frames, 768, 3072, none, transpose},
                       {8 * frames, 768, 768, none, transpose},
                       {8 * frames, 3072, 768, none, transpose},
                       {8 * frames, 768, 3072, none, transpose},
                       {8 * frames, 768, 768, none, none},
                       {8 * frames, 768, 3072, none, none},
                       {768, 768, 8 * frames, transpose, none},
                       {3072, 768, 8 * frames, transpose, none},
                       {frames, 256, 256, none, transpose},
                       {8 * frames, 1024, 256, none, transpose},
                       {8 * frames, 256, 1024, none, transpose},
                       {256, 256, 8 * frames, transpose, none},
                       {frames, frames, 64, none, transpose},
                       {frames, 64, frames, none, none},
                       {frames, frames, 32, none, transpose}});
  add<double>("double", {{8 * frames, 768, 768, none, transpose}, {frames, 256, 256, none, transpose}});
  benchmark::AddCustomContext("instruction set", std::string(name(current_isa())));
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
