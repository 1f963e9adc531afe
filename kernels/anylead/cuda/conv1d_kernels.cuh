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
// Mapping: a block computes a tile of one group and residue, 128 x 128, or 64 x 64 where that gives too few blocks or columns,
// in plain arithmetic (tile_product.cuh; double always 64 x 64) or on tensor cores (tile_mma.cuh). Blocks that share rows of x
// follow each other. Bound: FMA or tensor cores for some hundred terms, else the stores of the result.
//
// Traffic, 24 segments, 1250 frames, 256 channels to 256, kernel and stride 2, in units of the fewest bytes: memory 1.00
// forward and dx (packing the weights: 0.02 more), 1.16 dw (its stretches; bf16, whose sums stay float, 1.31). Asked for, from
// L2 too: 2.5 forward and 3.3 dx, since both halves of the result's channels read all rows and every 128 rows read the
// weights, 2.8 dw. A larger tile would not fit the registers. Sectors are used whole, shared memory at 1.00 of the ideal; no
// registers spilled.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/moments.cuh>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/tile_mma.cuh>
#include <anylead/cuda/tile_product.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kTurnThreads = 128;
constexpr int kTurnChannels = 64, kTurnTaps = 32;  // of a tile
constexpr Index kEnoughBlocks = 108;               // large tiles pay where every processor of a GPU of 2020 has one
constexpr Index kStretchRows = 1024;               // least stretch of a weight gradient
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
__global__ __launch_bounds__(kTurnThreads) void pack_taps_kernel(Conv1dDims d, T* packed, const sum_t<T>* weight) {
  __shared__ sum_t<T> tile[kTurnTaps][kTurnChannels + 1];
  const TurnTile at = turn_tile(d);
  const Index group = d.in / d.groups;
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int c = i / at.taps, l = i % at.taps;
    tile[l][c] = weight[(at.out * group + at.channel + c) * d.taps + at.tap + l];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < at.channels * at.taps; i += kTurnThreads) {
    const int l = i / at.channels, c = i % at.channels;
    packed[(at.out * d.taps + at.tap + l) * group + at.channel + c] = T(tile[l][c]);
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
  T* z;               ///< [B, T', K]
  T* activated;       ///< [B, T', K] = gelu(z), or null
  Index tiled_rows;   ///< rows that are cut into tiles: all, or T', so that a tile belongs to one segment
  sum_t<T>* mean;     ///< [tiles, K] of each tile's rows, or null; all tiles but a segment's last have as many rows
  sum_t<T>* squares;  ///< [tiles, K]: sums of squared deviations from it
};

/// Block (i, g): tile i / col_tiles of the rows, tile i % col_tiles of the group's output channels.
template <class P, class T, class A>
__global__ __launch_bounds__(kProductThreads, P::kBlocks) void conv1d_forward_kernel(Conv1dDims d, Conv1dOutput<T> out,
                                                                                     const __grid_constant__ Frames<T> frames,
                                                                                     const __grid_constant__ Frames<T> taps,
                                                                                     const A* bias) {
  __shared__ typename P::Shared shared;
  constexpr int kSide = P::kSide;
  const int g = static_cast<int>(blockIdx.y), width = taps.rows, col_tiles = (width + kSide - 1) / kSide;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * kSide;
  const Index tile = blockIdx.x / col_tiles, tiles = (out.tiled_rows + kSide - 1) / kSide;
  const Index first = tile / tiles * out.tiled_rows + tile % tiles * kSide;
  const Index left = (tile / tiles + 1) * out.tiled_rows - first;
  const int rows = static_cast<int>(left < kSide ? left : kSide);

  P product;
  product.multiply(shared, frames.columns(), typename P::Rows(frames, g, first, first + rows),
                   typename P::PlainRows(taps, g, col));

  const int own = col + static_cast<int>(threadIdx.x % kSide), k = g * width + own;
  const bool used = own < width;
  const A b = used && bias ? bias[k] : A(0);
  ShiftedSums<A> sums;
  product.for_each(shared, [&](int row, int, A v) {
    if (!used || row >= rows) return;
    const Index i = (first + row) * d.out + k;
    const T z(v + b);
    out.z[i] = z;
    if (out.activated) out.activated[i] = T(gelu(A(z)));
    if (out.mean) sums.add(A(z));
  });
  if (!out.mean) return;
  Moments<A>* parts = reinterpret_cast<Moments<A>*>(&shared);
  static_assert(sizeof shared >= kProductThreads * sizeof(Moments<A>));
  __syncthreads();
  Moments<A> moments = parts[threadIdx.x] = sums.moments();
  __syncthreads();
  if (threadIdx.x >= kSide || !used) return;
  for (int i = kSide; i < kProductThreads; i += kSide) moments.add(parts[threadIdx.x + i]);
  out.mean[tile * d.out + k] = moments.mean;
  out.squares[tile * d.out + k] = moments.squares;
}

/// An element of dx term by term, over the rows of dy that exist. A call, since it is rare.
template <class T>
__device__ __noinline__ sum_t<T> input_gradient(const Conv1dDims& d, const T* dy, const T* packed, int g, Index b, int frame,
                                                int c) {
  const int group_in = static_cast<int>(d.in / d.groups), group_out = static_cast<int>(d.out / d.groups);
  sum_t<T> sum = 0;
  for (Index l = (frame + d.padding) % d.stride; l < d.taps; l += d.stride) {
    const Index t = (frame + d.padding - l) / d.stride;
    if (frame + d.padding < l || t >= d.out_time()) continue;
    for (int k = g * group_out; k < (g + 1) * group_out; ++k)
      sum += sum_t<T>(dy[(b * d.out_time() + t) * d.out + k]) * sum_t<T>(packed[(k * d.taps + l) * group_in + c]);
  }
  return sum;
}

/// What a block of the input's gradient multiplies: rows of dy by taps from packed.
template <class T>
struct PhaseProduct {
  Phase phase;
  Frames<T> frames, taps;
};

constexpr int kPhases = 2;  // of a launch: strides above are rare

template <class T>
struct PhaseProducts {
  PhaseProduct<T> of[kPhases];
  int count;
};

/// Block (i, g count + p): a tile of the frames of phase p and the group's input channels.
template <class P, class T>
__global__ __launch_bounds__(kProductThreads,
                             P::kBlocks) void conv1d_backward_input_kernel(const __grid_constant__ Conv1dDims d,
                                                                           const __grid_constant__ PhaseProducts<T> products,
                                                                           Grad<T> dx, const T* dy, const T* packed) {
  __shared__ typename P::Shared shared;
  constexpr int kSide = P::kSide;
  const int g = static_cast<int>(blockIdx.y) / products.count;
  const auto& [phase, frames, taps] = products.of[static_cast<int>(blockIdx.y) % products.count];
  const int width = taps.group, col_tiles = (width + kSide - 1) / kSide;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * kSide;
  const Index first = Index{blockIdx.x} / col_tiles * kSide;
  if (first >= frames.count) return;
  const int rows = static_cast<int>(frames.count - first < kSide ? frames.count - first : kSide);

  P product;
  product.multiply(shared, frames.columns(), typename P::Rows(frames, g, first, first + rows),
                   typename P::Columns(taps, g, col, 0, taps.count));

  const int c = col + static_cast<int>(threadIdx.x % kSide);
  const Index first_segment = first / phase.frames;
  const int first_row = static_cast<int>(first - first_segment * phase.frames);
  const auto deliver_row = [&](int row, auto&& value) {
    const int segment = (first_row + row) / phase.frames, q = first_row + row - segment * phase.frames;
    const Index b = first_segment + segment;
    const int frame = phase.first + q * static_cast<int>(d.stride);
    value(q, b, frame, (b * d.time + frame) * d.in + g * width + c);
  };
  // A zero that stands for a row of dy that does not exist may have met a weight that is not finite: such sums are done again.
  constexpr int kStep = kProductThreads / kSide;
  std::uint64_t again = 0;
  product.for_each(shared, [&](int row, int, sum_t<T> v) {
    if (c >= width || row >= rows) return;
    deliver_row(row, [&](int q, Index, int, Index i) {
      const bool whole = q + phase.offset >= 0 && q + phase.offset + phase.taps <= frames.time;
      if (whole || std::isfinite(v))
        deliver(dx, i, v);
      else
        again |= std::uint64_t{1} << row / kStep;
    });
  });
  for (int row = static_cast<int>(threadIdx.x) / kSide; again != 0; row += kStep, again >>= 1)
    if (again & 1)
      deliver_row(row,
                  [&](int, Index b, int frame, Index i) { deliver(dx, i, input_gradient(d, dy, packed, g, b, frame, c)); });
}

/// Block (i, g, s): a tile of partial [stretches, K, L, C/G], from rows s stretch .. of dy and x.
template <class P, class T>
__global__ __launch_bounds__(kProductThreads,
                             P::kBlocks) void conv1d_backward_weight_kernel(Conv1dDims d, Index stretch, sum_t<T>* partial,
                                                                            const __grid_constant__ Frames<T> gradients,
                                                                            const __grid_constant__ Frames<T> frames) {
  __shared__ typename P::Shared shared;
  constexpr int kSide = P::kSide;
  const int g = static_cast<int>(blockIdx.y), width = gradients.group;
  const int columns = frames.columns(), col_tiles = (columns + kSide - 1) / kSide;
  const int row = static_cast<int>(blockIdx.x / col_tiles) * kSide, col = static_cast<int>(blockIdx.x % col_tiles) * kSide;
  const Index begin = blockIdx.z * stretch, end = begin + stretch < frames.count ? begin + stretch : frames.count;

  P product;
  product.multiply(shared, static_cast<int>(end - begin), typename P::Columns(gradients, g, row, begin, end),
                   typename P::Columns(frames, g, col, begin, end));

  sum_t<T>* to = partial + (blockIdx.z * d.out + g * width) * columns;
  product.for_each(shared, [&](int i, int j, sum_t<T> v) {
    if (row + i < width && col + j < columns) to[Index{row + i} * columns + col + j] = v;
  });
}

/// A tile as a value.
template <class P>
struct Use {
  using Tile = P;
};

/// Calls f(Use<tile>) with the tile for a result of so many rows and columns, times `others`, from these operands.
template <class T, class F>
void with_tile(Index rows, Index cols, Index others, const Frames<T>& a, const Frames<T>& b, F&& f) {
  const bool large = cols > 64 && pieces(rows, 128) * pieces(cols, 128) * others >= kEnoughBlocks;
  if constexpr (std::is_same_v<T, bf16>) {
    if (!in_wide_words(a) || !in_wide_words(b)) return f(Use<MmaTile<64, false>>{});
    if (large) return f(Use<MmaTile<128, true>>{});
    f(Use<MmaTile<64, true>>{});
  } else {
    if constexpr (sizeof(T) == 4)
      if (large) return f(Use<PlainTile<T, 128>>{});
    f(Use<PlainTile<T, 64>>{});
  }
}

/// The weights as [K, L, C/G], in the storage's type: packed, or `weight` itself where that is the same.
template <class T>
class PackedTaps {
 public:
  PackedTaps(const Exec& exec, const Conv1dDims& d, const sum_t<T>* weight)
      : memory_(exec, same(d) ? 0 : d.out * d.taps * (d.in / d.groups)), data_(memory_.data()) {
    if (!same(d))
      launch(exec, "pack_taps", pack_taps_kernel<T>, turn_grid(d), d, memory_.data(), weight);
    else if constexpr (std::is_same_v<T, sum_t<T>>)
      data_ = weight;
  }
  const T* data() const { return data_; }

 private:
  static bool same(const Conv1dDims& d) { return std::is_same_v<T, sum_t<T>> && (d.taps == 1 || d.in == d.groups); }

  WorkspaceOf<T> memory_;
  const T* data_;
};

/// z, activated, mean, squares as in Conv1dOutput; with mean, tiles belong to one segment. Returns the rows of a tile.
template <class T, class A>
Index run_conv1d_forward(const Exec& exec, const Conv1dDims& d, T* z, T* activated, A* mean, A* squares, const T* x,
                         const A* weight, const A* bias) {
  const Index rows = d.batch * d.out_time(), width = d.out / d.groups, columns = d.taps * (d.in / d.groups);
  if (rows * width == 0) return 1;
  const PackedTaps<T> packed(exec, d, weight);
  const Frames<T> frames = input_frames(d, x), taps = plain_matrix(packed.data(), width, columns, columns, width * columns);
  Index side = 0;
  with_tile<T>(rows, width, d.groups, frames, taps, [&](auto use) {
    using P = typename decltype(use)::Tile;
    side = P::kSide;
    const Index tiled = mean ? d.out_time() : rows, tiles = rows / tiled * pieces(tiled, side);
    launch(exec, "conv1d_forward", conv1d_forward_kernel<P, T, A>,
           {.x = tiles * pieces(width, side), .y = d.groups, .threads = kProductThreads}, d,
           Conv1dOutput<T>{z, activated, tiled, mean, squares}, frames, taps, bias);
  });
  return side;
}

template <class T, class A>
void run_conv1d_backward(const Exec& exec, const Conv1dDims& d, Grad<T> dx, Grad<A> dweight, Grad<A> dbias, const T* dy,
                         const T* x, const A* weight) {
  const Index rows = d.batch * d.out_time(), group_in = d.in / d.groups, group_out = d.out / d.groups;
  column_sums<A>(exec, {rows, d.out}, dbias, Widened<T>{dy, d.out});
  if (dx && d.batch * d.time * d.in > 0) {
    const PackedTaps<T> packed(exec, d, weight);
    const auto product_of = [&](Index r) {
      const Phase phase(d, static_cast<int>(r < d.stride ? r : 0));
      return PhaseProduct<T>{phase, gradient_frames(d, dy, phase), gradient_taps(d, packed.data(), phase)};
    };
    for (Index r = 0; r < d.stride; r += kPhases) {
      const PhaseProducts<T> products = {{product_of(r), product_of(r + 1)},
                                         static_cast<int>(d.stride - r < kPhases ? d.stride - r : kPhases)};
      const Frames<T>& frames = products.of[0].frames;
      const Index most = d.batch * pieces(d.time, d.stride);  // rows of a phase
      with_tile<T>(most, group_in, d.groups * products.count, frames, products.of[0].taps, [&](auto use) {
        using P = typename decltype(use)::Tile;
        launch(exec, "conv1d_backward_input", conv1d_backward_input_kernel<P, T>,
               {.x = pieces(most, P::kSide) * pieces(group_in, P::kSide),
                .y = d.groups * products.count,
                .threads = kProductThreads},
               d, products, dx, dy, packed.data());
      });
    }
  }
  if (!dweight) return;
  const Index columns = d.taps * group_in;
  const Frames<T> gradients = plain_matrix(dy, rows, group_out, d.out, group_out), frames = input_frames(d, x);
  with_tile<T>(group_out, columns, kEnoughBlocks, gradients, frames, [&](auto use) {
    using P = typename decltype(use)::Tile;
    const Index blocks = pieces(group_out, P::kSide) * pieces(columns, P::kSide), all = blocks * d.groups;
    const Index most = pieces(rows, kStretchRows), wanted = pieces(kStretchBlocks, all > 0 ? all : 1);
    const Index stretch = rows > 0 ? pieces(rows, most < wanted ? most : wanted) : 1, stretches = pieces(rows, stretch);
    const WorkspaceOf<A> partial(exec, stretches * d.out * columns);
    launch(exec, "conv1d_backward_weight", conv1d_backward_weight_kernel<P, T>,
           {.x = blocks, .y = d.groups, .z = stretches, .threads = kProductThreads}, d, stretch, partial.data(), gradients,
           frames);
    launch(exec, "unpack_taps", unpack_taps_kernel<A>, turn_grid(d), d, stretches, dweight, partial.data());
  });
}

}  // namespace
}  // namespace anylead::cuda_ops
