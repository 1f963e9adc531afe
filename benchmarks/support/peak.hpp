// What the machine can do, measured where it is compared with: multiply-adds in registers, and copies of memory.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <numeric>
#include <type_traits>
#include <vector>

#include <anylead/core/parallel.hpp>
#include <anylead/core/tensor.hpp>
#include <anylead/cpu.hpp>
#include <anylead/cpu/gemm_tile.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::bench {

namespace detail {

/// Twelve independent chains of multiply-adds, more than latency times units on current processors; different starts, else a
/// compiler keeps only one of them.
struct Chains {
  Index steps = 100000;
  alignas(64) unsigned char value[14 * 64] = {};

  template <class T>
  explicit Chains(T) {
    for (std::size_t i = 0; i < sizeof value / sizeof(T); ++i) {
      const T x = T(1) / static_cast<T>(i + 2);
      std::memcpy(value + i * sizeof(T), &x, sizeof x);
    }
  }
};

/// Chains as tiles of products have them. Cell: T, or Bf16Pair.
template <class Cell>
struct PeakPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Chains* chains, T) {
    using Shape = typename cpu_ops::detail::TileShape<isa, T>;
    using V = typename Shape::Vector;
    using B = std::conditional_t<std::is_same_v<Cell, T>, V, typename Shape::Bits>;
    V v[12];
    B factor;
    Cell x;
    std::memcpy(v, chains->value, sizeof v);
    std::memcpy(&factor, chains->value + sizeof v, sizeof factor);
    std::memcpy(&x, chains->value, sizeof x);
    V a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5], g = v[6], h = v[7], i = v[8], j = v[9], k = v[10], l = v[11];
    const auto add = [&](V sum) ANYLEAD_SIMD_LAMBDA { return cpu_ops::detail::multiply_add<isa>(sum, x, factor); };
    for (Index step = 0; step < chains->steps; ++step) {
      a = add(a), b = add(b), c = add(c), d = add(d), e = add(e), f = add(f);
      g = add(g), h = add(h), i = add(i), j = add(j), k = add(k), l = add(l);
    }
    const V sum = a + b + c + d + e + f + g + h + i + j + k + l;
    std::memcpy(chains->value, &sum, sizeof sum);
  }
};

inline double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace detail

/// Operations per second of multiply-adds in registers, of as many runs side by side as there are threads: the best of each by
/// its thread's processor time, so that other programs disturb little. Cell: T, or cpu_ops::Bf16Pair.
template <class T, class Cell = T>
double multiply_add_peak() {
  const Isa isa = std::is_same_v<Cell, T> ? current_isa() : cpu_ops::detail::isa_of_pairs(current_isa());
  const double lanes = static_cast<double>(cpu_ops::detail::tile_lanes<T>(isa) * cpu_ops::detail::kFactors<Cell>);
  std::vector<double> best(static_cast<std::size_t>(threads()));
  for (int repeat = 0; repeat < 20; ++repeat)
    parallel_for(threads(), 1, [&](Index thread, Index) {
      detail::Chains chains{T{}};
      const double begin = detail::processor_seconds();
      with_isa<detail::PeakPass<Cell>>(isa, &chains, T{});
      const double rate = double(chains.steps) * 12 * 2 * lanes / (detail::processor_seconds() - begin);
      volatile const unsigned char used = chains.value[0];  // else the chains are no use
      (void)used;
      best[static_cast<std::size_t>(thread)] = std::max(best[static_cast<std::size_t>(thread)], rate);
    });
  return std::accumulate(best.begin(), best.end(), 0.0);
}

/// Bytes per second that a copy on all threads reads and writes, `bytes` of both together: what is small enough stays in
/// caches, as it does between the ops of a step. The best of the copies of 20 ms, at least ten; measured once for each size.
inline double copy_rate(double bytes) {
  static std::map<Index, double> known;
  const Index n = std::max<Index>(1, static_cast<Index>(bytes / 2)), part = (n + threads() - 1) / threads();
  double& rate = known[n];
  if (rate > 0) return rate;
  const Tensor<Flag> from({n}, cpu()), to({n}, cpu());
  std::memset(from.data(), 1, static_cast<std::size_t>(n));
  const double start = detail::wall_seconds();
  for (int repeat = 0; repeat < 10 || detail::wall_seconds() < start + 0.02; ++repeat) {
    const double begin = detail::wall_seconds();
    parallel_for(n, part, [&](Index first, Index last) {
      std::memcpy(to.data() + first, from.data() + first, static_cast<std::size_t>(last - first));
    });
    rate = std::max(rate, bytes / (detail::wall_seconds() - begin));
  }
  return rate;
}

}  // namespace anylead::bench
