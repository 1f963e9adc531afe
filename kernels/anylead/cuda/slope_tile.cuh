// Sums of vectors by a block of 256 threads: g [kRows, kWidth] = slopes [kRows, terms] times vectors [terms, kWidth], kStep
// terms at a time, out of shared memory, where the vectors are kStride numbers apart. float and double in plain arithmetic
// (tile.cuh), bf16 on tensor cores (half_tile.cuh): slopes in float are rounded then.
#pragma once

#include <anylead/cuda/score_tile.cuh>

namespace anylead::cuda_ops {
namespace {

/// The sums of a thread.
template <class T>
class SlopeTile {
 public:
  static constexpr int kRows = kTileSide * (sizeof(T) == 4 ? 4 : 2), kWidth = 256, kStep = 8, kStride = kWidth + kRowPad<T>;
  static constexpr int kOutStride = kWidth + kRowPad<T>;

  /// Adds kStep terms. a: element (row, k) at row * row_step + k * term_step, times scale(k).
  template <class F>
  __device__ void multiply(const T* a, int row_step, int term_step, const T* vectors, F&& scale) {
#pragma unroll 2  // registers
    for (int k = 0; k < kStep; ++k) {
      T v[Own::kCount];
      Own::load(v, vectors + k * kStride);
#pragma unroll
      for (int r = 0; r < kOwnRows; ++r) {
        const T u = a[(static_cast<int>(threadIdx.y) + r * kTileSide) * row_step + k * term_step] * scale(k);
#pragma unroll
        for (int c = 0; c < Own::kCount; ++c) sum_[r][c] += u * v[c];
      }
    }
  }

  /// Adds kStep terms of slopes in the vectors' own type, [row][term] or (kTurned) [term][row].
  template <bool kTurned>
  __device__ void multiply(const T* a, int pitch, const T* vectors) {
    multiply(a, kTurned ? 1 : pitch, kTurned ? pitch : 1, vectors, [](int) { return T(1); });
  }

  /// out [kRows, kOutStride] = the sums.
  __device__ void store(T* out) const {
#pragma unroll
    for (int r = 0; r < kOwnRows; ++r)
      Own::deliver(out + (threadIdx.y + r * kTileSide) * kOutStride, false, sum_[r], kWidth, true);
  }

 private:
  using Own = Columns<T, kWidth>;
  static constexpr int kOwnRows = kRows / kTileSide;

  T sum_[kOwnRows][Own::kCount] = {};
};

/// 2 x 4 warps, each with 32 rows and 64 columns.
template <>
class SlopeTile<bf16> {
 public:
  static constexpr int kRows = 64, kWidth = 256, kStep = 16, kStride = kWidth + kHalfPad;
  static constexpr int kOutStride = kWidth + 8;  // what half a warp stores lies in different banks

  /// With a term step of 1, row steps are even.
  template <class F>
  __device__ void multiply(const float* a, int row_step, int term_step, const bf16* vectors, F&& scale) {
    FragmentA u[2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int quarter = 0; quarter < 4; ++quarter) {
        const int row = warp_row() + 16 * i + quarter % 2 * 8 + lane() / 4, k = quarter / 2 * 8 + lane() % 4 * 2;
        const float* const at = a + row * row_step + k * term_step;
        const float2 v = term_step == 1 ? *reinterpret_cast<const float2*>(at) : float2{at[0], at[term_step]};
        u[i].v[quarter] = pack_halves(v.x * scale(k), v.y * scale(k + 1));
      }
    multiply(u, vectors);
  }

  template <bool kTurned>
  __device__ void multiply(const bf16* a, int pitch, const bf16* vectors) {
    FragmentA u[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = warp_row() + 16 * i;
      u[i] = load_a<kTurned>(a + row * (kTurned ? 1 : pitch), pitch);
    }
    multiply(u, vectors);
  }

  __device__ void store(float* out) const {
    out += (warp_row() + lane() / 4) * kOutStride + warp_col() + lane() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < kTiles; ++j) {
        float* const to = out + 16 * i * kOutStride + 8 * j;
        *reinterpret_cast<float2*>(to) = {sum_[i][j][0], sum_[i][j][1]};
        *reinterpret_cast<float2*>(to + 8 * kOutStride) = {sum_[i][j][2], sum_[i][j][3]};
      }
  }

 private:
  static constexpr int kTiles = kWidth / 4 / 8;

  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }
  __device__ static int warp_row() { return static_cast<int>(threadIdx.x / 128 * 32); }
  __device__ static int warp_col() { return static_cast<int>(threadIdx.x / 32 % 4) * (kWidth / 4); }

  __device__ void multiply(const FragmentA (&u)[2], const bf16* vectors) {
#pragma unroll
    for (int j = 0; j < kTiles; j += 2) {
      const FragmentB v = load_b<true>(vectors + warp_col() + 8 * j, kStride);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        multiply_add(sum_[i][j], u[i], v.v[0]);
        multiply_add(sum_[i][j + 1], u[i], v.v[1]);
      }
    }
  }

  float sum_[2][kTiles][4] = {};
};

}  // namespace
}  // namespace anylead::cuda_ops
