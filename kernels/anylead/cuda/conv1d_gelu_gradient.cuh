// The input's gradient of a feature-extractor block without norm, in float, with the gradient of its GELU on the way; rows do
// not overlap (stride and taps alike, no padding, one group). With W [K, L C] and rows dX [B T', L C]:
//
//   dZ = dY gelu'(Z),  dX = dZ W
//
// Mapping: a block has 128 rows. It computes their dZ once, writes it for the weight's gradient and keeps it in shared memory,
// as [output][row], for all columns of W; these come 8 outputs of 256 columns at a time, in two stages. Sums as of PlainTile
// (tile_product.cuh): 8 x 8 of 512 threads. Shared memory 148 KB. Bound: FMA.
//
// Traffic of the block's gradient with the weight's (conv1d_kernels.cuh), 24 segments, 1250 frames, 256 channels to 256, in
// units of the fewest bytes: memory 1.63, of which 0.30 partial sums of dW and 0.33 dZ; asked for 2.78.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/async.cuh>
#include <anylead/cuda/conv1d_kernels.cuh>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/tile_product.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kKeptRows = 128, kKeptOuts = 256, kKeptCols = 256, kKeptThreads = 512;
constexpr int kKeptDepth = 8;              // outputs of a step
constexpr int kKeptPitch = kKeptRows + 4;  // eight outputs of four rows: 32 banks
constexpr int kKeptOwn = kKeptRows / 16;   // rows and columns of a thread: four at a time, 64 apart
static_assert(kKeptThreads * 4 == kKeptDepth * kKeptCols);

struct alignas(16) KeptShared {
  float dz[kKeptOuts][kKeptPitch];
  float weight[2][kKeptDepth][kKeptCols];
};

/// Four neighbouring elements of a gradient.
__device__ inline void deliver_four(Grad<float> to, Index i, Four<float> v) {
  Four<float>& place = four(to.data + i);
  if (to.mode == GradMode::accumulate) {
    const Four<float> old = place;
#pragma unroll
    for (int e = 0; e < 4; ++e) v.v[e] += old.v[e];
  }
  place = v;
}

/// Block i: rows 128 i ... dz, dy, z [B T', K]; packed [K, L C].
__global__ __launch_bounds__(kKeptThreads, 1) void conv1d_gelu_backward_input_kernel(Conv1dDims d, Grad<float> dx, float* dz,
                                                                                     const float* dy, const float* z,
                                                                                     const float* packed) {
  auto& shared = own_shared<KeptShared>();
  const int thread = threadIdx.x, out = static_cast<int>(d.out), columns = static_cast<int>(d.taps * d.in);
  const int time = static_cast<int>(d.out_time());
  const Index first = Index{blockIdx.x} * kKeptRows, all = d.batch * time;
  const int rows = static_cast<int>(all - first < kKeptRows ? all - first : kKeptRows);

  int next_out = 0, next_col = 0, next_stage = 0;
  const auto load = [&] {
    const int k = next_out + thread / (kKeptCols / 4), c = thread % (kKeptCols / 4) * 4;
    const bool valid = k < out && next_col + c < columns;
    copy_async(&four(&shared.weight[next_stage][thread / (kKeptCols / 4)][c]),
               &four(packed + (valid ? k * columns + next_col + c : 0)), valid);
    commit_copies();
    next_stage ^= 1;
    next_out += kKeptDepth;
    if (next_out >= out) {
      next_out = 0;
      next_col += kKeptCols;
    }
  };
  load();
  dz += first * out;
  dy += first * out;
  z += first * out;
#pragma unroll 1
  for (int r = thread / 8; r < kKeptRows; r += kKeptThreads / 8)
#pragma unroll 8
    for (int k = thread % 8; k < kKeptOuts; k += 8) {
      float v = 0;
      if (r < rows && k < out) {
        const int i = r * out + k;
        v = dy[i] * gelu_slope(z[i]);
        dz[i] = v;
      }
      shared.dz[k][r] = v;
    }

  const int own_row = thread / 16 % 16 * 4, own_col = thread / kSquareThreads * kKeptRows + thread % 16 * 4;
  const Index behind = (d.time - Index{time} * d.stride) * d.in;  // numbers of a segment behind its last row
  int stage = 0;
  for (int col = 0; col < columns; col += kKeptCols) {
    float sum[kKeptOwn][kKeptOwn] = {};
    for (int k0 = 0; k0 < out; k0 += kKeptDepth, stage ^= 1) {
      await_copies<0>();
      __syncthreads();  // this step has arrived, dZ is complete, and nobody reads the other stage any more
      if (next_col < columns) load();
      multiply_fours<kKeptDepth, kKeptPitch, kKeptCols>(sum, &shared.dz[k0][own_row], &shared.weight[stage][0][own_col]);
    }
    int first_row = own_row;
    asm volatile("" : "+r"(first_row));  // places are computed here, not kept in registers during the products
#pragma unroll
    for (int i = 0; i < kKeptOwn; ++i) {
      const int row = i / 4 * 64 + first_row + i % 4;
      if (row >= rows) continue;
      const Index segment = (first + row) / time, t = first + row - segment * time;
      const Index at = segment * d.time * d.in + t * columns;
#pragma unroll
      for (int j = 0; j < kKeptOwn; j += 4) {
        const int c = col + own_col + 16 * j;
        if (c >= columns) continue;
        deliver_four(dx, at + c, {{sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]}});
        if (t == time - 1 && c < behind) deliver_four(dx, at + columns + c, {});  // frames that no row reaches
      }
    }
  }
}

}  // namespace

bool conv1d_gelu_backward_input(const Exec& exec, Conv1dDims d, Grad<float> dx, float* dz, const float* dy, const float* z,
                                const float* weight) {
  const auto whole = [](const float* p) { return reinterpret_cast<std::uintptr_t>(p) % sizeof(Four<float>) == 0; };
  const Index rows = d.batch * d.out_time(), columns = d.taps * d.in, blocks = pieces(rows, kKeptRows);
  const bool fits = dx && d.groups == 1 && d.padding == 0 && d.taps == d.stride && d.in % 4 == 0 && whole(dx.data) &&
                    whole(weight) && d.out <= kKeptOuts && 2 * d.out > kKeptOuts && 2 * columns > kKeptCols &&
                    blocks >= kEnoughBlocks && has_shared_memory(exec, sizeof(KeptShared));
  if (!fits) return false;
  const PackedTaps<float> packed(exec, d, weight);
  launch(exec, "conv1d_gelu_backward_input", conv1d_gelu_backward_input_kernel,
         {.x = blocks, .threads = kKeptThreads, .shared = sizeof(KeptShared)}, d, dx, dz, dy, z, packed.data());
  return true;
}

}  // namespace anylead::cuda_ops
