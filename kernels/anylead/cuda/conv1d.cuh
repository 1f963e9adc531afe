// Convolutions of [B, T, C] (contracts: core/op_table.hpp) as products of matrices that are read in place:
//
//   y[b, t, k]   = bias[k] + sum over l, c of x[b, t s + l - p, c] w[k, c, l]             rows [B T', L C/G] of x
//   dx[b, f, c]  = sum over l, k of dy[b, t, k] w[k, c, l] where t s + l - p = f          rows [B frames, taps K/G] of dy
//   dw[k, c, l]  = sum over b, t of dy[b, t, k] x[b, t s + l - p, c]                      a product over the rows
//
// The frames f that share (f + p) mod s meet the same taps, so that dx is one dense convolution of stride 1 for each residue
// and every element is written once (frames.cuh). Weights are turned to [K, L, C/G] first, where the taps of a row of x lie in
// its order. dw is summed over stretches of rows by a block each, [stretches, K, L, C/G], then over the stretches: the same
// bits in every run.
//
// Mapping: a block computes a tile of one group and residue (tile_product.cuh), 128 x 128, or 64 x 64 where that gives too few
// blocks or columns; double always 64 x 64. Blocks that share rows of x follow each other. Bound: FMA for more than about 40
// terms, else the stores of the result.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/moments.cuh>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/tile_product.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kTurnThreads = 128;
constexpr int kTurnChannels = 64, kTurnTaps = 32;  // of a tile
constexpr Index kEnoughBlocks = 108;               // large tiles pay where every processor of a GPU of 2020 has one
constexpr Index kStretchRows = 1024;                // least stretch of a weight gradient
constexpr Index kStretchBlocks = 256;              // stretches are added until there are so many blocks

/// A tile of channels and taps of one output channel, blockIdx.x.
struct TurnTile {
  Index out;
  int channel, channels, tap, taps;
};

__device__ inline TurnTile turn_tile(const Conv1dDims& d) {
  const int group = static_cast<int>(d.in / d.groups), length = static_cast<int>(d.taps);
  const int c = static_cast<int>(blockIdx.y) * kTurnChannels, l = static_cast<int>(blockIdx.z) * kTurnTaps;
  return {blockIdx.x, c, group - c < kTurnChannels ? group - c : kTurnChannels, l,
          length - l < kTurnTaps ? length - l : kTurnTaps};
}

inline Grid turn_grid(const Conv1dDims& d) {
  return {.x = d.out, .y = pieces(d.in / d.groups, kTurnChannels), .z = pieces(d.taps, kTurnTaps), .threads = kTurnThreads};
}

/// packed [K, L, C/G] = weight [K, C/G, L]
template <class T>
__global__ __launch_bounds__(kTurnThreads) void pack_taps_kernel(Conv1dDims d, T* packed, const T* weight) {
  __shared__ T tile[kTurnTaps][kTurnChannels + 1];
  const TurnTile at = turn_tile(d);
  const Index group = d.in / d.groups;
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int c = i / at.taps, l = i % at.taps;
    tile[l][c] = weight[(at.out * group + at.channel + c) * d.taps + at.tap + l];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int l = i / at.channels, c = i % at.channels;
    packed[(at.out * d.taps + at.tap + l) * group + at.channel + c] = tile[l][c];
  }
}

/// dweight [K, C/G, L] = sum over the stretches of partial [stretches, K, L, C/G]
template <class T>
__global__ __launch_bounds__(kTurnThreads) void unpack_taps_kernel(Conv1dDims d, Index stretches, Grad<T> dweight,
                                                                   const T* partial) {
  __shared__ T tile[kTurnTaps][kTurnChannels + 1];
  const TurnTile at = turn_tile(d);
  const Index group = d.in / d.groups, n = d.out * d.taps * group;
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int l = i / at.channels, c = i % at.channels;
    const T* from = partial + (at.out * d.taps + at.tap + l) * group + at.channel + c;
    T sum = 0;
    for (Index s = 0; s < stretches; ++s) sum += from[s * n];
    tile[l][c] = sum;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int c = i / at.taps, l = i % at.taps;
    deliver(dweight, (at.out * group + at.channel + c) * d.taps + at.tap + l, tile[l][c]);
  }
}

/// What the forward product leaves behind.
template <class T>
struct Conv1dOutput {
  T* z;              ///< [B, T', K]
  T* activated;      ///< [B, T', K] = gelu(z), or null
  Index tiled_rows;  ///< rows that are cut into tiles: all, or T', so that a tile belongs to one segment
  T* mean;           ///< [tiles, K] of each tile's rows, or null; all tiles but a segment's last have as many rows
  T* squares;        ///< [tiles, K]: sums of squared deviations from it
};

/// Block (i, g): tile i / col_tiles of the rows, tile i % col_tiles of the group's output channels.
template <class T, int kTM, int kTN>
__global__ __launch_bounds__(kProductThreads,
                             sizeof(T) == 4 ? 2 : 1) void conv1d_forward_kernel(Conv1dDims d, Conv1dOutput<T> out,
                                                                                const __grid_constant__ Frames<T> frames,
                                                                                const __grid_constant__ Frames<T> taps,
                                                                                const T* bias) {
  using Shape = Tile<T, kTM, kTN>;
  __shared__ alignas(16) T shared[Shape::kShared];
  const int g = static_cast<int>(blockIdx.y), width = taps.rows, col_tiles = (width + Shape::kCols - 1) / Shape::kCols;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * Shape::kCols;
  const Index tile = blockIdx.x / col_tiles, tiles = (out.tiled_rows + Shape::kRows - 1) / Shape::kRows;
  const Index first = tile / tiles * out.tiled_rows + tile % tiles * Shape::kRows;
  const Index left = (tile / tiles + 1) * out.tiled_rows - first;
  const int rows = static_cast<int>(left < Shape::kRows ? left : Shape::kRows);

  RowLoader<T, Shape::kRows, Shape::kRowPitch> load_a(frames, g, first, first + rows);
  PlainLoader<T, Shape::kCols, Shape::kColPitch> load_b(taps, g, col);
  T sum[kTM][kTN] = {};
  tile_product<T, kTM, kTN>(sum, shared, frames.columns(), load_a, load_b);

  const int own = col + static_cast<int>(threadIdx.x % Shape::kCols), k = g * width + own;
  const bool used = own < width;
  const T b = used && bias ? bias[k] : T(0);
  ShiftedSums<T> sums;
  for_each_sum<T, kTM, kTN>(sum, shared, [&](int row, int, T v) {
    if (!used || row >= rows) return;
    v += b;
    const Index i = (first + row) * d.out + k;
    out.z[i] = v;
    if (out.activated) out.activated[i] = gelu(v);
    if (out.mean) sums.add(v);
  });
  if (!out.mean) return;
  constexpr int kParts = kProductThreads / Shape::kCols;  // threads of a column
  __syncthreads();
  Moments<T>* parts = reinterpret_cast<Moments<T>*>(shared);
  Moments<T> moments = parts[threadIdx.x] = sums.moments();
  __syncthreads();
  if (threadIdx.x >= Shape::kCols || !used) return;
  for (int i = 1; i < kParts; ++i) moments.add(parts[threadIdx.x + i * Shape::kCols]);
  out.mean[tile * d.out + k] = moments.mean;
  out.squares[tile * d.out + k] = moments.squares;
}

/// An element of dx term by term, over the rows of dy that exist.
template <class T>
__device__ T input_gradient(const Conv1dDims& d, const T* dy, const T* packed, int g, Index b, int frame, int c) {
  const int group_in = static_cast<int>(d.in / d.groups), group_out = static_cast<int>(d.out / d.groups);
  T sum = 0;
  for (Index l = (frame + d.padding) % d.stride; l < d.taps; l += d.stride) {
    const Index t = (frame + d.padding - l) / d.stride;
    if (frame + d.padding < l || t >= d.out_time()) continue;
    for (int k = g * group_out; k < (g + 1) * group_out; ++k)
      sum += dy[(b * d.out_time() + t) * d.out + k] * packed[(k * d.taps + l) * group_in + c];
  }
  return sum;
}

/// Block (i, g): a tile of the frames of a phase and the group's input channels. frames: rows of dy, taps: from packed.
template <class T, int kTM, int kTN>
__global__ __launch_bounds__(kProductThreads,
                             sizeof(T) == 4 ? 2 : 1) void conv1d_backward_input_kernel(Conv1dDims d, Phase phase, Grad<T> dx,
                                                                                       const __grid_constant__ Frames<T> frames,
                                                                                       const __grid_constant__ Frames<T> taps,
                                                                                       const T* dy, const T* packed) {
  using Shape = Tile<T, kTM, kTN>;
  __shared__ alignas(16) T shared[Shape::kShared];
  const int g = static_cast<int>(blockIdx.y), width = taps.group, col_tiles = (width + Shape::kCols - 1) / Shape::kCols;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * Shape::kCols;
  const Index first = Index{blockIdx.x} / col_tiles * Shape::kRows;
  const int rows = static_cast<int>(frames.count - first < Shape::kRows ? frames.count - first : Shape::kRows);

  RowLoader<T, Shape::kRows, Shape::kRowPitch> load_a(frames, g, first, first + rows);
  ColumnLoader<T, Shape::kCols, Shape::kColPitch> load_b(taps, g, col, 0, taps.count);
  T sum[kTM][kTN] = {};
  tile_product<T, kTM, kTN>(sum, shared, frames.columns(), load_a, load_b);

  const int c = col + static_cast<int>(threadIdx.x % Shape::kCols);
  for_each_sum<T, kTM, kTN>(sum, shared, [&](int row, int, T v) {
    if (c >= width || row >= rows) return;
    const Index b = (first + row) / phase.frames;
    const int q = static_cast<int>(first + row - b * phase.frames), frame = phase.first + q * static_cast<int>(d.stride);
    const bool whole = q + phase.offset >= 0 && q + phase.offset + phase.taps <= frames.time;
    // A zero that stands for a row of dy that does not exist may have met a weight that is not finite.
    if (!whole && !std::isfinite(v)) v = input_gradient(d, dy, packed, g, b, frame, c);
    deliver(dx, (b * d.time + frame) * d.in + g * width + c, v);
  });
}

/// Block (i, g, s): a tile of partial [stretches, K, L, C/G], from rows s stretch .. of dy and x.
template <class T, int kTM, int kTN>
__global__ __launch_bounds__(kProductThreads, sizeof(T) == 4 ? 2 : 1) void conv1d_backward_weight_kernel(
    Conv1dDims d, Index stretch, T* partial, const __grid_constant__ Frames<T> gradients,
    const __grid_constant__ Frames<T> frames) {
  using Shape = Tile<T, kTM, kTN>;
  __shared__ alignas(16) T shared[Shape::kShared];
  const int g = static_cast<int>(blockIdx.y), width = gradients.group;
  const int columns = frames.columns(), col_tiles = (columns + Shape::kCols - 1) / Shape::kCols;
  const int row = static_cast<int>(blockIdx.x / col_tiles) * Shape::kRows;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * Shape::kCols;
  const Index begin = blockIdx.z * stretch, end = begin + stretch < frames.count ? begin + stretch : frames.count;

  ColumnLoader<T, Shape::kRows, Shape::kRowPitch> load_a(gradients, g, row, begin, end);
  ColumnLoader<T, Shape::kCols, Shape::kColPitch> load_b(frames, g, col, begin, end);
  T sum[kTM][kTN] = {};
  tile_product<T, kTM, kTN>(sum, shared, static_cast<int>(end - begin), load_a, load_b);

  T* to = partial + (blockIdx.z * d.out + g * width) * columns;
  for_each_sum<T, kTM, kTN>(sum, shared, [&](int i, int j, T v) {
    if (row + i < width && col + j < columns) to[Index{row + i} * columns + col + j] = v;
  });
}

/// Calls f(kTM, kTN as constants) with the tile for a result of so many rows and columns, times `others`.
template <class T, class F>
void with_tile(Index rows, Index cols, Index others, F&& f) {
  using Small = std::integral_constant<int, 4>;
  using Large = std::integral_constant<int, 8>;
  if constexpr (sizeof(T) == 4)
    if (cols > 64 && pieces(rows, 128) * pieces(cols, 128) * others >= kEnoughBlocks) return f(Large{});
  f(Small{});
}

/// The weights as [K, L, C/G]: packed, or `weight` itself where that is the same.
template <class T>
class PackedTaps {
 public:
  PackedTaps(const Exec& exec, const Conv1dDims& d, const T* weight)
      : same_(d.taps == 1 || d.in == d.groups), memory_(exec, same_ ? 0 : d.out * d.taps * (d.in / d.groups)), weight_(weight) {
    if (!same_) launch(exec, "pack_taps", pack_taps_kernel<T>, turn_grid(d), d, memory_.data(), weight);
  }
  const T* data() const { return same_ ? weight_ : memory_.data(); }

 private:
  bool same_;
  WorkspaceOf<T> memory_;
  const T* weight_;
};

}  // namespace

template <Real T>
Index conv1d_statistics_rows(const Conv1dDims& d) {
  Index rows = 0;
  with_tile<T>(d.batch * d.out_time(), d.out / d.groups, d.groups, [&](auto tile) { rows = 16 * tile; });
  return rows;
}

template <Real T>
void conv1d_product(const Exec& exec, Conv1dDims d, T* z, T* activated, T* mean, T* squares, const T* x, const T* weight,
                    const T* bias) {
  const Index rows = d.batch * d.out_time(), width = d.out / d.groups;
  if (rows * width == 0) return;
  const Index columns = d.taps * (d.in / d.groups);
  const PackedTaps<T> packed(exec, d, weight);
  with_tile<T>(rows, width, d.groups, [&](auto tile) {
    constexpr int kSide = tile;
    const Index tiled = mean ? d.out_time() : rows, tiles = rows / tiled * pieces(tiled, 16 * kSide);
    launch(exec, "conv1d_forward", conv1d_forward_kernel<T, kSide, kSide>,
           {.x = tiles * pieces(width, 16 * kSide), .y = d.groups, .threads = kProductThreads}, d,
           Conv1dOutput<T>{z, activated, tiled, mean, squares}, input_frames(d, x),
           plain_matrix(packed.data(), width, columns, columns, width * columns), bias);
  });
}

template <Real T>
void conv1d_forward(const Exec& exec, Conv1dDims d, T* y, const T* x, const T* weight, const T* bias) {
  conv1d_product<T>(exec, d, y, nullptr, nullptr, nullptr, x, weight, bias);
}

template <Real T>
void conv1d_backward(const Exec& exec, Conv1dDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight) {
  const Index rows = d.batch * d.out_time(), group_in = d.in / d.groups, group_out = d.out / d.groups;
  column_sums(exec, {rows, d.out}, dbias, Plain<T>{dy, d.out});
  if (dx && d.batch * d.time * d.in > 0) {
    const PackedTaps<T> packed(exec, d, weight);
    for (int r = 0; r < d.stride; ++r) {
      const Phase phase(d, r);
      const Frames<T> frames = gradient_frames(d, dy, phase), taps = gradient_taps(d, packed.data(), phase);
      with_tile<T>(frames.count, group_in, d.groups, [&](auto tile) {
        constexpr int kSide = tile;
        launch(
            exec, "conv1d_backward_input", conv1d_backward_input_kernel<T, kSide, kSide>,
            {.x = pieces(frames.count, 16 * kSide) * pieces(group_in, 16 * kSide), .y = d.groups, .threads = kProductThreads},
            d, phase, dx, frames, taps, dy, packed.data());
      });
    }
  }
  if (!dweight) return;
  const Index columns = d.taps * group_in;
  with_tile<T>(group_out, columns, kEnoughBlocks, [&](auto tile) {
    constexpr int kSide = tile;
    const Index blocks = pieces(group_out, 16 * kSide) * pieces(columns, 16 * kSide), all = blocks * d.groups;
    const Index most = pieces(rows, kStretchRows), wanted = pieces(kStretchBlocks, all > 0 ? all : 1);
    const Index stretch = rows > 0 ? pieces(rows, most < wanted ? most : wanted) : 1, stretches = pieces(rows, stretch);
    const WorkspaceOf<T> partial(exec, stretches * d.out * columns);
    launch(exec, "conv1d_backward_weight", conv1d_backward_weight_kernel<T, kSide, kSide>,
           {.x = blocks, .y = d.groups, .z = stretches, .threads = kProductThreads}, d, stretch, partial.data(),
           plain_matrix(dy, rows, group_out, d.out, group_out), input_frames(d, x));
    launch(exec, "unpack_taps", unpack_taps_kernel<T>, turn_grid(d), d, stretches, dweight, partial.data());
  });
}

template <Real T>
void provide_conv1d(OpTable<T>& table) {
  table.conv1d_forward = conv1d_forward<T>;
  table.conv1d_backward = conv1d_backward<T>;
}

}  // namespace anylead::cuda_ops
