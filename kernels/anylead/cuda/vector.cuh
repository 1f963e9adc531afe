// Four numbers at a time: where a thread's elements lie, how they are loaded, stored and delivered as gradients.
//
// A thread owns elements 64 g + 16 w + l, w = 0 .. 3, of group g and lane l = 0 .. 15: those whose random numbers come from one
// Philox block (core/random.hpp). The sixteen lanes of a group read 64 bytes of float side by side, whole sectors, at any
// alignment of the array, and four loads of a thread are under way at a time; wider loads would gain nothing.
#pragma once

#include <cstdint>

#include <anylead/core/dims.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/types.hpp>

namespace anylead::cuda_ops {
namespace {

/// The four elements of a thread.
template <class T>
struct Quad {
  T v[4];

  template <class F>
  __device__ friend Quad map(Quad a, F&& f) {
    return {{f(a.v[0]), f(a.v[1]), f(a.v[2]), f(a.v[3])}};
  }
  template <class F>
  __device__ friend Quad map(Quad a, Quad b, F&& f) {
    return {{f(a.v[0], b.v[0]), f(a.v[1], b.v[1]), f(a.v[2], b.v[2]), f(a.v[3], b.v[3])}};
  }
  __device__ friend Quad operator+(Quad a, Quad b) {
    return map(a, b, [](T x, T y) { return x + y; });
  }
  __device__ friend Quad operator-(Quad a, Quad b) {
    return map(a, b, [](T x, T y) { return x - y; });
  }
  __device__ friend Quad operator*(Quad a, Quad b) {
    return map(a, b, [](T x, T y) { return x * y; });
  }
  __device__ friend Quad operator-(Quad a, T b) {
    return map(a, [b](T x) { return x - b; });
  }
  __device__ friend Quad operator*(Quad a, T b) {
    return map(a, [b](T x) { return x * b; });
  }
  __device__ friend T sum(Quad a) { return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]); }
};

/// Where a thread's elements lie in a row of `count` numbers: element w at first + 16 w, if that is inside.
struct Lanes {
  Index first, count;
  std::uint64_t block;  ///< Philox block of these elements, by their numbers in the whole array

  __device__ bool has(int w) const { return first + 16 * w >= 0 && first + 16 * w < count; }

  /// Zeros for elements that are outside.
  template <class T>
  __device__ Quad<T> operator()(const T* p) const {
    Quad<T> q;
#pragma unroll
    for (int w = 0; w < 4; ++w) q.v[w] = has(w) ? p[first + 16 * w] : T(0);
    return q;
  }

  template <class T>
  __device__ void store(T* p, Quad<T> q) const {
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (has(w)) p[first + 16 * w] = q.v[w];
  }

  /// Skipped, assigned or added.
  template <class T>
  __device__ void deliver(Grad<T> to, Quad<T> q) const {
    if (to.mode == GradMode::accumulate) q = q + (*this)(to.data);
    if (to.mode != GradMode::skip) store(to.data, q);
  }

  /// q with zeros for elements that are outside.
  template <class T>
  __device__ Quad<T> keep(Quad<T> q) const {
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (!has(w)) q.v[w] = T(0);
    return q;
  }
};

/// The factor of each element, 0 or 1 / (1 - p).
template <class T>
__device__ Quad<T> dropout_factors(const Dropout& dropout, const Lanes& at) {
  if (dropout.p == 0) return {{T(1), T(1), T(1), T(1)}};
  const PhiloxBlock b = dropout.stream.block(at.block);
  Quad<T> q;
#pragma unroll
  for (int w = 0; w < 4; ++w) q.v[w] = T(dropout.factor_of(b.word[w]));
  return q;
}

template <class T>
__device__ Grad<T> advanced(Grad<T> g, Index offset) {
  if (g) g.data += offset;
  return g;
}

/// One element of a gradient.
template <class T>
__device__ void deliver(Grad<T> to, Index i, T v) {
  if (to.mode == GradMode::accumulate)
    to.data[i] += v;
  else if (to.mode == GradMode::overwrite)
    to.data[i] = v;
}

// --- arrays: thread t of the grid owns Philox block t ---------------------------------------------------------------------

constexpr int kElementThreads = 256;

inline Grid element_grid(Index n) { return {.x = pieces(pieces(n, 64) * 16, kElementThreads), .threads = kElementThreads}; }

__device__ inline Lanes array_lanes(Index n) {
  const Index block = Index{blockIdx.x} * kElementThreads + threadIdx.x;
  return {static_cast<Index>(RandomStream::number(block, 0)), n, static_cast<std::uint64_t>(block)};
}

// --- rows: a warp each, two groups at a time ------------------------------------------------------------------------------

constexpr int kRowsPerBlock = 8;

inline Grid row_grid(Index rows) { return {.x = pieces(rows, kRowsPerBlock), .threads = 32, .rows = kRowsPerBlock}; }

/// The row of this warp; it may lie behind the last.
__device__ inline Index own_row() { return Index{blockIdx.x} * kRowsPerBlock + threadIdx.y; }

/// Calls f(lanes) for the elements of a row, whose first is element `offset` of the array: the lanes know their random numbers.
template <class F>
__device__ void for_numbered_row(Index offset, Index cols, F&& f) {
  const Index lane = threadIdx.x % 16, last = (offset + cols - 1) / 64;
  for (Index group = offset / 64 + threadIdx.x / 16; group <= last; group += 2)
    f(Lanes{group * 64 + lane - offset, cols, static_cast<std::uint64_t>(group * 16 + lane)});
}

/// The same without numbers: which elements meet in a sum does not depend on where the row lies.
template <class F>
__device__ void for_row(Index cols, F&& f) {
  for_numbered_row(0, cols, f);
}

/// kThreads threads call f(i), i < n, so that a warp asks for p[i] in whole sectors, though p may lie within one.
template <int kThreads, class T, class F>
__device__ void for_sectors(int thread, const T* p, int n, F&& f) {
  const int before = static_cast<int>(reinterpret_cast<std::uintptr_t>(p) % 32 / sizeof(T));
  for (int from = -before; from < n; from += kThreads)  // as often for each lane: a warp stays together
    if (const int i = from + thread; i >= 0 && i < n) f(i);
}

}  // namespace
}  // namespace anylead::cuda_ops
