// Tiles of bf16 in shared memory for a block that keeps its products to itself, and what becomes of the products.
//
// Rows of a tile are kHalfPad numbers longer than what they hold: eight rows that ldmatrix reads together come from different
// banks. Rows in memory move 16 bytes at a time where they can, at any other address one by one.
#pragma once

#include <cstdint>

#include <anylead/core/bfloat16.hpp>
#include <anylead/core/types.hpp>
#include <anylead/cuda/async.cuh>
#include <anylead/cuda/mma.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kHalfPad = 8;

/// 2^x to two units in the last place, the instruction that exp2f is made of; what is smaller than 2^-126 is 0.
__device__ inline float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Two numbers rounded to bf16, the first in the lower half.
__device__ inline unsigned pack_halves(float low, float high) {
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
__device__ inline float low_half(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ inline float high_half(unsigned pair) { return __uint_as_float(pair & 0xFFFF0000u); }

/// Two products side by side, rounded, as A of the next.
__device__ inline FragmentA as_a(const float (&left)[4], const float (&right)[4]) {
  return {{pack_halves(left[0], left[1]), pack_halves(left[2], left[3]), pack_halves(right[0], right[1]),
           pack_halves(right[2], right[3])}};
}

/// Whether rows `stride` apart can be moved 16 bytes at a time.
__device__ inline bool can_move_eight(const bf16* p, Index stride, int width) {
  return reinterpret_cast<std::uintptr_t>(p) % 16 == 0 && stride % 8 == 0 && width % 8 == 0;
}

/// Starts to copy `rows` rows of `width` numbers to a tile [kRows, kWidth]; zeros beside them. By kThreads threads; complete
/// after await_copies and __syncthreads.
template <int kThreads, int kRows, int kWidth>
__device__ void load_half_tile(int thread, bf16* tile, const bf16* from, Index stride, int rows, int width) {
  constexpr int kStride = kWidth + kHalfPad, kPieces = kWidth / 8;
  if (can_move_eight(from, stride, width)) {
    for (int i = thread; i < kRows * kPieces; i += kThreads) {
      const int r = i / kPieces, c = i % kPieces * 8;
      const bool inside = r < rows && c < width;
      copy_async(reinterpret_cast<uint4*>(tile + r * kStride + c),
                 reinterpret_cast<const uint4*>(inside ? from + r * stride + c : from), inside);
    }
  } else {
    for (int i = thread; i < kRows * kWidth; i += kThreads) {
      const int r = i / kWidth, c = i % kWidth;
      tile[r * kStride + c] = r < rows && c < width ? from[r * stride + c] : bf16();
    }
  }
}

/// The way back, by kThreads threads; added to what is there, or assigned.
template <int kThreads, int kRows, int kWidth>
__device__ void store_half_tile(int thread, bf16* to, bool add, const bf16* tile, Index stride, int rows, int width) {
  constexpr int kStride = kWidth + kHalfPad, kPieces = kWidth / 8;
  if (can_move_eight(to, stride, width)) {
    for (int i = thread; i < kRows * kPieces; i += kThreads) {
      const int r = i / kPieces, c = i % kPieces * 8;
      if (r >= rows || c >= width) continue;
      auto* const place = reinterpret_cast<uint4*>(to + r * stride + c);
      uint4 v = *reinterpret_cast<const uint4*>(tile + r * kStride + c);
      if (add) {
        const uint4 before = *place;
        const auto sum = [](unsigned a, unsigned b) {
          return pack_halves(low_half(a) + low_half(b), high_half(a) + high_half(b));
        };
        v = {sum(v.x, before.x), sum(v.y, before.y), sum(v.z, before.z), sum(v.w, before.w)};
      }
      __stwb(place, v);  // as one store: what is assigned is else split where it may be added
    }
  } else {
    for (int i = thread; i < kRows * kWidth; i += kThreads) {
      const int r = i / kWidth, c = i % kWidth;
      if (r >= rows || c >= width) continue;
      const bf16 v = tile[r * kStride + c];
      to[r * stride + c] = add ? bf16(float(v) + float(to[r * stride + c])) : v;
    }
  }
}

}  // namespace
}  // namespace anylead::cuda_ops
