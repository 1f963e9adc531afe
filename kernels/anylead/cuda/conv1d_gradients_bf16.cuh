// Both gradients of a convolution in bf16 whose rows do not overlap (stride and taps alike, no padding, one group): the blocks
// of the feature extractor. Formulas: conv1d_kernels.cuh. With W [K, L C] and the rows X [B T', L C] of x, dX alike:
//
//   dX = dY W,  dW = dY^T X
//
// Mapping: a block has 128 columns of X and a stretch of its rows, 32 at a time in two stages. dW [256, 128] stays in
// registers, 64 x 32 a warp; W [256, 128] stays in shared memory, from which dX [32, 128] of a step is computed, 16 x 16 a
// warp, and leaves during the next step. Rows of dY and X are read once for both products. Partial dW [stretches, K, L C] are
// added up by unpack_taps (conv1d_kernels.cuh). Shared memory 135 KB, one block of a processor. Bound: tensor cores and
// ldmatrix alike (44 of them for 64 products), bandwidth behind them.
//
// Traffic with the slopes of a block without norm, which a pass of its own multiplies dY by, 24 segments, 1250 frames, 256
// channels to 256, in units of the fewest bytes: memory 1.94 (0.49 that pass, 0.61 the partial sums), asked for 2.57, dY once
// for every 128 columns. With 64 segments the partial sums are 0.23.
#pragma once

#include <anylead/cuda/async.cuh>
#include <anylead/cuda/conv1d_kernels.cuh>
#include <anylead/cuda/half_tile.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/mma.cuh>
#include <anylead/cuda/tile_mma.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kBothThreads = 512, kBothOuts = 256, kBothCols = 128, kBothRows = 32;
constexpr int kOutsPitch = kBothOuts + kHalfPad, kColsPitch = kBothCols + kHalfPad;
constexpr Index kLeastBothRows = 256;  // of a stretch
constexpr int kBothTiles = 4;          // of 16 outputs and of 8 columns, of a warp
static_assert(kBothThreads / 32 * (16 * kBothTiles) * (8 * kBothTiles) == kBothOuts * kBothCols);
static_assert(kBothThreads == kBothRows * kBothCols / kWord);  // a word of x and of dx is a thread's

struct alignas(16) BothShared {
  bf16 weight[kBothOuts][kColsPitch];
  bf16 dy[2][kBothRows][kOutsPitch];
  bf16 x[2][kBothRows][kColsPitch];
  bf16 dx[2][kBothRows][kColsPitch];
};

/// A word of a gradient.
__device__ inline void deliver_word(Grad<bf16> to, Index i, Word v) {
  Word* const place = reinterpret_cast<Word*>(to.data + i);
  if (to.mode == GradMode::accumulate) {
    const Word old = *place;
#pragma unroll
    for (int e = 0; e < kWord; ++e) v.v[e] = bf16(float(old.v[e]) + float(v.v[e]));
  }
  *place = v;
}

/// Block (j, s): columns 128 j .., rows s stretch ... partial [stretches, K, L C]; packed [K, L C].
__global__ __launch_bounds__(kBothThreads, 1) void conv1d_backward_bf16_kernel(Conv1dDims d, int stretch, float* partial,
                                                                               Grad<bf16> dx, const bf16* dy, const bf16* x,
                                                                               const bf16* packed) {
  auto& shared = own_shared<BothShared>();
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
  const int out = static_cast<int>(d.out), time = static_cast<int>(d.out_time()), columns = static_cast<int>(d.taps * d.in);
  const int first_col = static_cast<int>(blockIdx.x) * kBothCols;
  const Index rows = d.batch * time, begin = Index{blockIdx.y} * stretch, end = begin + stretch < rows ? begin + stretch : rows;

  const int own_row = thread / (kBothCols / kWord), own_col = thread % (kBothCols / kWord) * kWord;
  const bool used = first_col + own_col < columns;
  const Index behind = (d.time - Index{time} * d.stride) * d.in;  // numbers of a segment behind its last row
  /// Where this thread's word of x and of dx is, row t of a segment.
  struct Place {
    Index at;
    int t;
  };
  Place ahead = {0, static_cast<int>((begin + own_row) % time)};
  ahead.at = (begin + own_row) / time * (d.time * d.in) + Index{ahead.t} * columns + first_col + own_col;
  const auto load = [&](Index row, int stage) {
#pragma unroll
    for (int i = 0; i < kBothRows * kBothOuts / kWord / kBothThreads; ++i) {
      const int r = thread / (kBothOuts / kWord) + i * (kBothThreads * kWord / kBothOuts),
                k = thread % (kBothOuts / kWord) * kWord;
      const bool valid = row + r < end && k < out;
      copy_async(reinterpret_cast<Word*>(&shared.dy[stage][r][k]),
                 reinterpret_cast<const Word*>(valid ? dy + (row + r) * out + k : dy), valid);
    }
    const bool valid = row + own_row < end && used;
    copy_async(reinterpret_cast<Word*>(&shared.x[stage][own_row][own_col]),
               reinterpret_cast<const Word*>(valid ? x + ahead.at : x), valid);
    commit_copies();
  };
  const auto store = [&](Index row, int stage, Place to) {
    if (row + own_row >= end || !used) return;
    deliver_word(dx, to.at, *reinterpret_cast<const Word*>(&shared.dx[stage][own_row][own_col]));
    if (to.t == time - 1 && first_col + own_col < behind) deliver_word(dx, to.at + columns, Word{});  // no row reaches it
  };

  for (int i = thread; i < kBothOuts * kBothCols / kWord; i += kBothThreads) {
    const int k = i / (kBothCols / kWord), c = i % (kBothCols / kWord) * kWord;
    const bool valid = k < out && first_col + c < columns;
    copy_async(reinterpret_cast<Word*>(&shared.weight[k][c]),
               reinterpret_cast<const Word*>(valid ? packed + Index{k} * columns + first_col + c : packed), valid);
  }
  load(begin, 0);

  const int warp_out = warp / 4 * (16 * kBothTiles), warp_col = warp % 4 * (8 * kBothTiles);  // of dW
  const int dx_row = warp / 8 * 16, dx_col = warp % 8 * 16;
  float sum[kBothTiles][kBothTiles][4] = {};
  Place before = ahead;
  int stage = 0;
  for (Index row = begin; row < end; row += kBothRows, stage ^= 1) {
    await_copies<0>();
    __syncthreads();  // this step has arrived, dX of the one before is complete, and nobody reads the other stage any more
    const Place here = ahead;
    if (row + kBothRows < end) {
      ahead.at += Index{kBothRows} * columns;
      for (ahead.t += kBothRows; ahead.t >= time; ahead.t -= time) ahead.at += behind;
      load(row + kBothRows, stage ^ 1);
    }
    if (row > begin) store(row - kBothRows, stage ^ 1, before);
    before = here;
#pragma unroll
    for (int r = 0; r < kBothRows; r += 16) {
      FragmentB v[kBothTiles / 2];
#pragma unroll
      for (int j = 0; j < kBothTiles / 2; ++j) v[j] = load_b<true>(&shared.x[stage][r][warp_col + 16 * j], kColsPitch);
#pragma unroll
      for (int i = 0; i < kBothTiles; ++i) {
        const FragmentA u = load_a<true>(&shared.dy[stage][r][warp_out + 16 * i], kOutsPitch);
#pragma unroll
        for (int j = 0; j < kBothTiles; ++j) multiply_add(sum[i][j], u, v[j / 2].v[j % 2]);
      }
    }
    float own[2][4] = {};
#pragma unroll 4
    for (int k = 0; k < kBothOuts; k += 16) {
      const FragmentA u = load_a<false>(&shared.dy[stage][dx_row][k], kOutsPitch);
      const FragmentB v = load_b<true>(&shared.weight[k][dx_col], kColsPitch);
      multiply_add(own[0], u, v.v[0]);
      multiply_add(own[1], u, v.v[1]);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        *reinterpret_cast<unsigned*>(&shared.dx[stage][dx_row + lane / 4 + 8 * half][dx_col + 8 * j + lane % 4 * 2]) =
            pack_halves(own[j][2 * half], own[j][2 * half + 1]);
  }
  __syncthreads();
  store(begin + (end - begin - 1) / kBothRows * kBothRows, stage ^ 1, before);

  partial += Index{blockIdx.y} * out * columns + first_col;
#pragma unroll
  for (int i = 0; i < kBothTiles; ++i)
#pragma unroll
    for (int j = 0; j < kBothTiles; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int k = warp_out + 16 * i + lane / 4 + 8 * half, c = warp_col + 8 * j + lane % 4 * 2;
        if (k < out && first_col + c < columns)
          *reinterpret_cast<float2*>(partial + Index{k} * columns + c) = {sum[i][j][2 * half], sum[i][j][2 * half + 1]};
      }
}

/// Whether the kernel is for these sizes and addresses, and there are rows for all processors.
inline bool fits_both_gradients(const Exec& exec, const Conv1dDims& d, const bf16* dx, const bf16* dy, const bf16* x) {
  const auto address =
      reinterpret_cast<std::uintptr_t>(dx) | reinterpret_cast<std::uintptr_t>(dy) | reinterpret_cast<std::uintptr_t>(x);
  const Index columns = d.taps * d.in, blocks = pieces(columns, kBothCols) * (d.batch * d.out_time() / kLeastBothRows);
  return d.groups == 1 && d.padding == 0 && d.taps == d.stride && (d.in | d.out) % kWord == 0 && address % sizeof(Word) == 0 &&
         2 * columns > kBothCols && 2 * d.out > kBothOuts && d.out <= kBothOuts && blocks >= kEnoughBlocks &&
         has_shared_memory(exec, sizeof(BothShared));
}

inline void run_both_gradients(const Exec& exec, const Conv1dDims& d, Grad<bf16> dx, Grad<float> dweight, const bf16* dy,
                               const bf16* x, const float* weight) {
  const Index rows = d.batch * d.out_time(), columns = d.taps * d.in, tiles = pieces(columns, kBothCols);
  const Index stretch = pieces(pieces(rows, pieces(kEnoughBlocks, tiles)), kBothRows) * kBothRows,
              stretches = pieces(rows, stretch);
  const PackedTaps<bf16> packed(exec, d, weight);
  const WorkspaceOf<float> partial(exec, stretches * d.out * columns);
  launch(exec, "conv1d_backward_bf16", conv1d_backward_bf16_kernel,
         {.x = tiles, .y = stretches, .threads = kBothThreads, .shared = sizeof(BothShared)}, d, static_cast<int>(stretch),
         partial.data(), dx, dy, x, packed.data());
  sum_taps<float>(exec, d, stretches, dweight, partial.data());
}

}  // namespace
}  // namespace anylead::cuda_ops
