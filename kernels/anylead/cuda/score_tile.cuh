// Products of two sets of vectors by a block of 256 threads that keeps them to itself: each vector of one set with each of the
// other, float and double in plain arithmetic (tile.cuh), bf16 on tensor cores with sums in float (half_tile.cuh).
//
// kRows x kCols sums are in registers while the vectors come through shared memory, kDepth numbers at a time, the next on their
// way while these are used; then the sums may be put there themselves, [kRows, kScoreStride]. Threads are 16 x 16 in plain
// arithmetic, 256 x 1 for tensor cores.
#pragma once

#include <type_traits>

#include <anylead/cuda/half_tile.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/tile.cuh>

namespace anylead::cuda_ops {
namespace {

template <class T>
constexpr bool kOnTensorCores = std::is_same_v<T, bf16>;

/// Threads of a block, as kernels of T want them.
template <class T>
constexpr Grid kTileGrid = {.threads = kOnTensorCores<T> ? kTileThreads : kTileSide, .rows = kOnTensorCores<T> ? 1 : kTileSide};

constexpr int kTileWarps = kTileThreads / 32;
__device__ inline int tile_thread() { return static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); }

/// Piece i of those that a block copies: eight rows of one piece are side by side in a warp, since they lie in different banks;
/// its pieces of a row are whole sectors.
__device__ inline int row_of_piece(int i, int pieces) { return i / 8 / pieces * 8 + i % 8; }
__device__ inline int column_of_piece(int i, int pieces) { return i / 8 % pieces; }

/// Starts to copy `width` numbers of `rows` rows, row_of(i) of an array whose rows are `stride` apart, to a tile [kRows,
/// kWidth], rows kStride apart; zeros beside them. All threads of the block; complete after await_copies and __syncthreads.
template <int kRows, int kWidth, int kStride, class T, class F>
__device__ void load_rows(T* tile, const T* from, Index stride, F&& row_of, int rows, int width) {
  if (can_pack(from, stride, width)) {
    constexpr int kSize = kPack<T>, kPieces = kWidth / kSize;
    static_assert(kRows % 8 == 0);
    using P = Pack<T, kSize>;
#pragma unroll 1  // nothing waits for a copy
    for (int i = tile_thread(); i < kRows * kPieces; i += kTileThreads) {
      const int r = row_of_piece(i, kPieces), c = column_of_piece(i, kPieces) * kSize;
      const bool inside = r < rows && c < width;
      copy_async(reinterpret_cast<P*>(tile + r * kStride + c),
                 reinterpret_cast<const P*>(inside ? from + row_of(r) * stride + c : from), inside);
    }
  } else {
    for (int i = tile_thread(); i < kRows * kWidth; i += kTileThreads) {
      const int r = i / kWidth, c = i % kWidth;
      tile[r * kStride + c] = r < rows && c < width ? from[row_of(r) * stride + c] : T(0.f);
    }
  }
}

/// The same from float, rounded; by the threads, at once.
template <int kRows, int kWidth, int kStride, class F>
__device__ void load_rows(bf16* tile, const float* from, Index stride, F&& row_of, int rows, int width) {
  constexpr int kPieces = kWidth / 4;
  static_assert(kRows % 8 == 0);
  const bool packed = can_pack(from, stride, width);
  for (int i = tile_thread(); i < kRows * kPieces; i += kTileThreads) {
    const int r = row_of_piece(i, kPieces), c = column_of_piece(i, kPieces) * 4;
    Pack<float, 4> p = {};
    if (r < rows && packed && c < width) {
      p = load_pack<4>(from + row_of(r) * stride + c);
    } else if (r < rows) {
#pragma unroll
      for (int w = 0; w < 4; ++w)
        if (c + w < width) p.v[w] = from[row_of(r) * stride + c + w];
    }
    *reinterpret_cast<uint2*>(tile + r * kStride + c) = {pack_halves(p.v[0], p.v[1]), pack_halves(p.v[2], p.v[3])};
  }
}

/// The sums of a thread. kColsOf: columns of a thread in plain arithmetic, of float.
template <class T, int kColsOf>
class ScoreTile {
  static constexpr int kRowsOfThread = sizeof(T) == 4 ? 4 : 2, kColsOfThread = sizeof(T) == 4 ? kColsOf : kColsOf / 2;

 public:
  static constexpr int kRows = kTileSide * kRowsOfThread, kCols = kTileSide * kColsOfThread;
  static constexpr int kDepth = 16, kStride = kDepth + kRowPad<T>;
  static constexpr int kScoreStride = kCols + kTileSide;  // two rows fill all banks

  /// Adds the products of kDepth numbers of rows a [kRows, kStride] and b [kCols, kStride].
  __device__ void multiply(const T* a, const T* b) { multiply_rows<kDepth, kStride, kStride>(sum_, a, b); }

  /// scores [kRows, kScoreStride] = the sums.
  __device__ void store(T* scores) const {
#pragma unroll
    for (int r = 0; r < kRowsOfThread; ++r)
#pragma unroll
      for (int c = 0; c < kColsOfThread; ++c)
        scores[(threadIdx.y + r * kTileSide) * kScoreStride + threadIdx.x + c * kTileSide] = sum_[r][c];
  }

 private:
  T sum_[kRowsOfThread][kColsOfThread] = {};
};

/// 2 x 4 warps, each with 32 rows.
template <int kColsOf>
class ScoreTile<bf16, kColsOf> {
 public:
  static constexpr int kRows = 64, kCols = kTileSide * kColsOf;
  static constexpr int kDepth = 32, kStride = kDepth + kHalfPad;
  static constexpr int kScoreStride = kCols + 8;  // what half a warp stores lies in different banks

  __device__ void multiply(const bf16* a, const bf16* b) {
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      FragmentA u[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) u[i] = load_a<false>(a + (warp_row() + 16 * i) * kStride + k, kStride);
#pragma unroll
      for (int j = 0; j < kTiles; j += 2) {
        const FragmentB v = load_b<false>(b + (warp_col() + 8 * j) * kStride + k, kStride);
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          multiply_add(sum_[i][j], u[i], v.v[0]);
          multiply_add(sum_[i][j + 1], u[i], v.v[1]);
        }
      }
    }
  }

  __device__ void store(float* scores) const {
    scores += (warp_row() + lane() / 4) * kScoreStride + warp_col() + lane() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < kTiles; ++j) {
        float* const to = scores + 16 * i * kScoreStride + 8 * j;
        *reinterpret_cast<float2*>(to) = {sum_[i][j][0], sum_[i][j][1]};
        *reinterpret_cast<float2*>(to + 8 * kScoreStride) = {sum_[i][j][2], sum_[i][j][3]};
      }
  }

 private:
  static constexpr int kTiles = kCols / 32;  // of 8 columns
  static_assert(kTiles % 2 == 0);

  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }
  __device__ static int warp_row() { return static_cast<int>(threadIdx.x / 128 * 32); }
  __device__ static int warp_col() { return static_cast<int>(threadIdx.x / 32 % 4) * (kCols / 4); }

  float sum_[2][kTiles][4] = {};
};

/// Numbers of shared memory that the operands of a tile, two of [kRows + kCols, kStride], need.
template <class Tile>
constexpr int kOperandNumbers = 2 * (Tile::kRows + Tile::kCols) * Tile::kStride;

/// What a block multiplies: `rows` rows of a, row_of(i), by `cols` rows of b, col_of(j), `width` numbers each; b may be float
/// that is rounded to bf16 on its way.
template <class T, class U, class RowOf, class ColOf>
struct ScoreFactors {
  const T* a;
  const U* b;
  Index stride_a, stride_b, width;  ///< from row to row
  RowOf row_of;
  ColOf col_of;
  int rows, cols;
};
template <class T, class U, class RowOf, class ColOf>
ScoreFactors(const T*, const U*, Index, Index, Index, RowOf, ColOf, int, int) -> ScoreFactors<T, U, RowOf, ColOf>;

/// Sums into `tile`; returns to thread i < kRows + kCols the squared length of row i, the columns behind the rows. operands:
/// shared memory, free when all threads have come here, and again when they have met after this.
template <class Tile, class T, class U, class RowOf, class ColOf>
__device__ sum_t<T> multiply_scores(Tile& tile, T* operands, const ScoreFactors<T, U, RowOf, ColOf>& of) {
  constexpr int kB = Tile::kRows * Tile::kStride;
  const auto stage = [&](int step) { return operands + step % 2 * (kOperandNumbers<Tile> / 2); };
  const auto load = [&](int step) {
    const Index c = Index{step} * Tile::kDepth;
    const int width = static_cast<int>(of.width - c);
    load_rows<Tile::kRows, Tile::kDepth, Tile::kStride>(stage(step), of.a + c, of.stride_a, of.row_of, of.rows, width);
    load_rows<Tile::kCols, Tile::kDepth, Tile::kStride>(stage(step) + kB, of.b + c, of.stride_b, of.col_of, of.cols, width);
    commit_copies();
  };
  const int steps = static_cast<int>((of.width + Tile::kDepth - 1) / Tile::kDepth);
  sum_t<T> square = 0;
  __syncthreads();  // what was there has been used
  if (steps > 0) load(0);
  for (int step = 0; step < steps; ++step) {
    await_copies<0>();
    __syncthreads();  // this step has arrived, and nobody reads the other stage any more
    if (step + 1 < steps) load(step + 1);
    tile.multiply(stage(step), stage(step) + kB);
    if (tile_thread() < Tile::kRows + Tile::kCols)
#pragma unroll
      for (int k = 0; k < Tile::kDepth; k += kPack<T>) {
        const auto p = load_pack<kPack<T>>(stage(step) + tile_thread() * Tile::kStride + k);
        sum_t<T> part = 0;
#pragma unroll
        for (int w = 0; w < kPack<T>; ++w) part += sum_t<T>(p.v[w]) * sum_t<T>(p.v[w]);
        square += part;
      }
  }
  return square;
}

}  // namespace
}  // namespace anylead::cuda_ops
