// Products of small tiles in shared memory by a block of 16 x 16 threads, for kernels that keep a product to themselves.
//
// Thread (i, j) = (threadIdx.y, threadIdx.x) owns rows i, i + 16, .. and, of a product of two sets of rows, columns j, j + 16,
// ..; of a product with a [depth, width] tile the columns of Columns<T, kWidth>. Operands are read 16 bytes at a time. Rows
// that one load of a warp reads side by side are an odd multiple of 16 bytes apart (kRowPad), so that they come from different
// banks.
#pragma once

#include <cstdint>

#include <anylead/core/grad.hpp>
#include <anylead/core/types.hpp>
#include <anylead/cuda/async.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kTileSide = 16, kTileThreads = kTileSide * kTileSide;

/// Numbers that one load moves.
template <class T>
constexpr int kPack = 16 / sizeof(T);

/// What a row of a tile is longer than its numbers.
template <class T>
constexpr int kRowPad = kPack<T>;

template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T v[kCount];
};

template <int kCount, class T>
__device__ Pack<T, kCount> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, kCount>*>(p);
}

/// Whether rows `stride` apart can be moved 16 bytes at a time.
template <class T>
__device__ bool can_pack(const T* p, Index stride, int width) {
  return (reinterpret_cast<std::uintptr_t>(p) | static_cast<std::uintptr_t>(stride * sizeof(T)) |
          static_cast<std::uintptr_t>(width * sizeof(T))) %
             16 ==
         0;
}

/// Starts to copy `rows` rows of `width` numbers to a tile [kRows, kWidth], rows kStride apart; zeros beside them. All threads
/// of the block; complete after await_copies and __syncthreads.
template <int kRows, int kWidth, int kStride, class T>
__device__ void load_tile(T* tile, const T* from, Index stride, int rows, int width) {
  const int thread = threadIdx.y * kTileSide + threadIdx.x;
  const auto copy = [&]<class P>(P*) {
    constexpr int kSize = sizeof(P) / sizeof(T), kPieces = kWidth / kSize, kStep = kTileThreads / kPieces;
    static_assert(kStep * kPieces == kTileThreads);
    const int c = thread % kPieces * kSize;
    const T* own = from + thread / kPieces * stride + c;
    T* to = tile + thread / kPieces * kStride + c;
#pragma unroll 1  // nothing waits for a copy
    for (int r = thread / kPieces; r < kRows; r += kStep, own += kStep * stride, to += kStep * kStride) {
      const bool inside = r < rows && c < width;
      copy_async(reinterpret_cast<P*>(to), reinterpret_cast<const P*>(inside ? own : from), inside);
    }
  };
  if (can_pack(from, stride, width))
    copy(static_cast<Pack<T, kPack<T>>*>(nullptr));
  else
    copy(static_cast<T*>(nullptr));
}

/// s [kRows, kCols] += rows i + 16 r of a times rows j + 16 c of b, kDepth numbers each.
template <int kDepth, int kStrideA, int kStrideB, class T, int kRows, int kCols>
__device__ void multiply_rows(T (&s)[kRows][kCols], const T* a, const T* b) {
  a += threadIdx.y * kStrideA;
  b += threadIdx.x * kStrideB;
#pragma unroll 1  // registers; a step has work enough
  for (int k = 0; k < kDepth; k += kPack<T>) {
    Pack<T, kPack<T>> u[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) u[r] = load_pack<kPack<T>>(a + r * kTileSide * kStrideA + k);
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      const auto v = load_pack<kPack<T>>(b + c * kTileSide * kStrideB + k);
#pragma unroll
      for (int r = 0; r < kRows; ++r)
#pragma unroll
        for (int w = 0; w < kPack<T>; ++w) s[r][c] += u[r].v[w] * v.v[w];
    }
  }
}

/// Which columns of a row of kWidth numbers a thread owns: packs side by side over the 16 threads.
template <class T, int kWidth>
struct Columns {
  static constexpr int kCount = kWidth / kTileSide, kSize = kCount < kPack<T> ? kCount : kPack<T>;

  /// Of the thread's column c, a multiple of kSize.
  __device__ static int first(int c) { return c * kTileSide + static_cast<int>(threadIdx.x) * kSize; }

  __device__ static void load(T (&to)[kCount], const T* row) {
#pragma unroll
    for (int c = 0; c < kCount; c += kSize) {
      const auto p = load_pack<kSize>(row + first(c));
#pragma unroll
      for (int w = 0; w < kSize; ++w) to[c + w] = p.v[w];
    }
  }

  /// The same from a row [width] that need not be a tile's; packed: it can be moved in packs.
  __device__ static void read(T (&to)[kCount], const T* row, int width, bool packed) {
#pragma unroll
    for (int c = 0; c < kCount; c += kSize) {
      const int at = first(c);
      if (packed && at + kSize <= width) {
        const auto p = load_pack<kSize>(row + at);
#pragma unroll
        for (int w = 0; w < kSize; ++w) to[c + w] = p.v[w];
      } else {
#pragma unroll
        for (int w = 0; w < kSize; ++w) to[c + w] = at + w < width ? row[at + w] : T(0);
      }
    }
  }

  /// Delivers the thread's numbers of a row [width]; packed: the row can be moved in packs.
  __device__ static void deliver(T* row, bool add, const T (&v)[kCount], int width, bool packed) {
#pragma unroll
    for (int c = 0; c < kCount; c += kSize) {
      const int at = first(c);
      if (packed && at + kSize <= width) {
        auto* const to = reinterpret_cast<Pack<T, kSize>*>(row + at);
        Pack<T, kSize> p = add ? *to : Pack<T, kSize>{};
#pragma unroll
        for (int w = 0; w < kSize; ++w) p.v[w] += v[c + w];
        *to = p;
      } else {
#pragma unroll
        for (int w = 0; w < kSize; ++w)
          if (at + w < width) row[at + w] = (add ? row[at + w] : T(0)) + v[c + w];
      }
    }
  }
};

/// o [kRows, columns] += rows i + 16 r of p, kDepth numbers each, times x [kDepth, kWidth].
template <int kDepth, int kWidth, int kStrideP, int kStrideX, class T, int kRows>
__device__ void multiply_columns(T (&o)[kRows][Columns<T, kWidth>::kCount], const T* p, const T* x) {
  using Own = Columns<T, kWidth>;
  p += threadIdx.y * kStrideP;
#pragma unroll(kRows* Own::kCount > 32 ? 1 : 2)  // registers
  for (int k = 0; k < kDepth; k += kPack<T>) {
    Pack<T, kPack<T>> u[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) u[r] = load_pack<kPack<T>>(p + r * kTileSide * kStrideP + k);
#pragma unroll
    for (int w = 0; w < kPack<T>; ++w) {
      T v[Own::kCount];
      Own::load(v, x + (k + w) * kStrideX);
#pragma unroll
      for (int r = 0; r < kRows; ++r)
#pragma unroll
        for (int c = 0; c < Own::kCount; ++c) o[r][c] += u[r].v[w] * v[c];
    }
  }
}

/// o [kRows, columns] += columns i + 16 r of p [kDepth, ..] times x [kDepth, kWidth].
template <int kDepth, int kWidth, int kStrideP, int kStrideX, class T, int kRows>
__device__ void multiply_transposed(T (&o)[kRows][Columns<T, kWidth>::kCount], const T* p, const T* x) {
  using Own = Columns<T, kWidth>;
  p += threadIdx.y;
#pragma unroll 2
  for (int k = 0; k < kDepth; ++k) {
    T v[Own::kCount];
    Own::load(v, x + k * kStrideX);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const T u = p[k * kStrideP + r * kTileSide];
#pragma unroll
      for (int c = 0; c < Own::kCount; ++c) o[r][c] += u * v[c];
    }
  }
}

/// Over the 16 threads of a row.
template <class A>
__device__ A row_threads_sum(A v) {
#pragma unroll
  for (int step = kTileSide / 2; step > 0; step /= 2) v += __shfl_xor_sync(0xFFFFFFFFu, v, step);
  return v;
}
template <class A>
__device__ A row_threads_max(A v) {
#pragma unroll
  for (int step = kTileSide / 2; step > 0; step /= 2) {
    const A other = __shfl_xor_sync(0xFFFFFFFFu, v, step);
    v = other > v ? other : v;
  }
  return v;
}

}  // namespace
}  // namespace anylead::cuda_ops
