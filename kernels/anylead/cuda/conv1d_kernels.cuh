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
// Mapping: a block computes a tile of one group and residue, in plain arithmetic (tile_product.cuh; double always 64 x 64) or
// on tensor cores (tile_mma.cuh): 128 x 256, 128 x 128 or 64 x 64, the largest of which there are enough (with_tile). Blocks
// that share rows of x follow each other. Bound: FMA or tensor cores for some hundred terms, else the stores of the result.
//
// Traffic, 24 segments, 1250 frames, 256 channels to 256, kernel and stride 2, in units of the fewest bytes of forward: memory
// 1.02, asked for, from L2 too, 2.01: rows once, weights for every 128 rows. Of backward, whose three passes read dz twice:
// memory 1.81, 0.32 of it stretches of dw (bf16, whose sums stay float, 2.10), asked for 3.1 (3.4). Rows and columns of 128 x
// 256 sums come 1.5 times as often as those of 256 x 256, which would fill all registers of a processor. Sectors are used
// whole, shared memory at 1.00 of the ideal; no registers spilled.
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

constexpr int kTurnThreads = 256;
constexpr int kTurnNumbers = 2048;    // of a tile, which has all taps of all channels of some outputs where they fit
constexpr int kTurnTaps = 32;         // of a tile, at most
constexpr int kTurnOuts = 16;         // of so many outputs, or a multiple, a tile is whole sectors in either type
constexpr Index kEnoughBlocks = 108;  // large tiles pay where every processor of a GPU of 2020 has one
constexpr Index kStretchRows = 512;   // least stretch of a weight gradient

/// Sizes of a tile of weights: outputs, channels, taps.
struct TurnSizes {
  int outs, channels, taps;

  explicit TurnSizes(const Conv1dDims& d) {
    const Index group = d.in / d.groups;
    taps = static_cast<int>(d.taps < kTurnTaps ? d.taps : kTurnTaps);
    const Index fitting = taps > 0 ? kTurnNumbers / taps : 1;
    channels = static_cast<int>(group < fitting ? group : fitting);
    const Index whole = group * d.taps;
    outs = whole > 0 && whole <= kTurnNumbers ? static_cast<int>(kTurnNumbers / whole) : 1;
    if (outs > kTurnOuts) outs = outs / kTurnOuts * kTurnOuts;
  }
};

/// A tile: calls of for_weights go through it as it lies in [K, C/G, L], those of for_packed as in [K, L, C/G]: f(its place in
/// that array, its place in shared memory). There it lies as in [K, C/G, L], each 32 numbers in an order of their own:
/// neighbours in either order are in different banks, or nearly so.
class TurnTile {
 public:
  static constexpr int kShared = kTurnNumbers;

  __device__ TurnTile(const Conv1dDims& d, const TurnSizes& sizes) : group_(d.in / d.groups), length_(d.taps) {
    out_ = Index{blockIdx.x} * sizes.outs;
    channel_ = Index{blockIdx.y} * sizes.channels;
    tap_ = Index{blockIdx.z} * sizes.taps;
    outs_ = least(d.out - out_, sizes.outs);
    channels_ = least(group_ - channel_, sizes.channels);
    taps_ = least(length_ - tap_, sizes.taps);
  }

  template <class F>
  __device__ void for_weights(F&& f) const {
    for (int i = threadIdx.x; i < outs_ * channels_ * taps_; i += kTurnThreads) {
      const int l = i % taps_, c = i / taps_ % channels_, k = i / (taps_ * channels_);
      f(((out_ + k) * group_ + channel_ + c) * length_ + tap_ + l, place(i));
    }
  }

  template <class F>
  __device__ void for_packed(F&& f) const {
    for (int i = threadIdx.x; i < outs_ * channels_ * taps_; i += kTurnThreads) {
      const int c = i % channels_, l = i / channels_ % taps_, k = i / (channels_ * taps_);
      f(((out_ + k) * length_ + tap_ + l) * group_ + channel_ + c, place((k * channels_ + c) * taps_ + l));
    }
  }

 private:
  __device__ static int least(Index left, int size) { return left < size ? static_cast<int>(left) : size; }
  /// Line i / 32 begins 8 banks before the one above, and is turned by its own number: 12 channels of 2 taps or 48 of 32 need
  /// 1.08 times the fewest passes, 256 of 2 no more than the fewest.
  __device__ static int place(int i) { return i / 32 * 32 + ((i + i / 32 * 24) % 32 ^ i / 32 % 32); }

  Index group_, length_, out_, channel_, tap_;
  int outs_, channels_, taps_;
};

inline Grid turn_grid(const Conv1dDims& d, const TurnSizes& sizes) {
  return {.x = pieces(d.out, sizes.outs),
          .y = pieces(d.in / d.groups, sizes.channels > 0 ? sizes.channels : 1),
          .z = pieces(d.taps, sizes.taps > 0 ? sizes.taps : 1),
          .threads = kTurnThreads};
}

/// packed [K, L, C/G] = weight [K, C/G, L]
template <class T>
__global__ __launch_bounds__(kTurnThreads, 8) void pack_taps_kernel(Conv1dDims d, TurnSizes sizes, T* packed,
                                                                    const sum_t<T>* weight) {
  __shared__ sum_t<T> turned[TurnTile::kShared];
  const TurnTile tile(d, sizes);
  tile.for_weights([&](Index from, int at) { turned[at] = weight[from]; });
  __syncthreads();
  tile.for_packed([&](Index to, int at) { packed[to] = T(turned[at]); });
}

/// dweight [K, C/G, L] = sum over the stretches of partial [stretches, K, L, C/G]
template <class T>
__global__ __launch_bounds__(kTurnThreads) void unpack_taps_kernel(Conv1dDims d, TurnSizes sizes, Index stretches,
                                                                   Grad<T> dweight, const T* partial) {
  __shared__ T turned[TurnTile::kShared];
  const TurnTile tile(d, sizes);
  const Index n = d.out * d.taps * (d.in / d.groups);
  tile.for_packed([&](Index from, int at) {
    T sum = 0;
#pragma unroll 4
    for (Index s = 0; s < stretches; ++s) sum += partial[s * n + from];
    turned[at] = sum;
  });
  __syncthreads();
  tile.for_weights([&](Index to, int at) { deliver(dweight, to, turned[at]); });
}

/// The shared memory of a launch.
template <class S>
__device__ S& own_shared() {
  extern __shared__ __align__(16) unsigned char memory[];
  return *reinterpret_cast<S*>(memory);
}

/// Blocks of a product.
template <class P>
Grid product_grid(Index x, Index y, Index z = 1) {
  return {.x = x, .y = y, .z = z, .threads = P::kThreads, .shared = sizeof(typename P::Shared)};
}

/// What the forward product leaves behind.
template <class T>
struct Conv1dOutput {
  T* z = nullptr;                   ///< [B, T', K]
  T* activated = nullptr;           ///< [B, T', K] = gelu(norm(z)), or null
  sum_t<T>* mean = nullptr;         ///< [tiles, K] of each tile's rows, or null; but for a segment's last, tiles are alike
  sum_t<T>* squares = nullptr;      ///< [tiles, K]: sums of squared deviations from it
  ChannelNorm<sum_t<T>> norm = {};  ///< what is activated is normalised first, unless null
  Index tiled_rows = 0;             ///< rows that are cut into tiles: all, or T', so that a tile belongs to one segment
};

/// Block (i, g): tile i / col_tiles of the rows, tile i % col_tiles of the group's output channels. kNormed: with a
/// norm, and without the tiles' statistics.
template <class P, class T, class A, bool kNormed>
__global__ __launch_bounds__(P::kThreads, P::kBlocks) void conv1d_forward_kernel(Conv1dDims d, Conv1dOutput<T> out,
                                                                                 const __grid_constant__ Frames<T> frames,
                                                                                 const __grid_constant__ Frames<T> taps,
                                                                                 const A* bias) {
  auto& shared = own_shared<typename P::Shared>();
  const int g = static_cast<int>(blockIdx.y), width = taps.rows, col_tiles = (width + P::kCols - 1) / P::kCols;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * P::kCols;
  const int tile = static_cast<int>(blockIdx.x) / col_tiles,
            tiles = static_cast<int>((out.tiled_rows + P::kRows - 1) / P::kRows), segment = tile / tiles;
  const Index first = segment * out.tiled_rows + Index{tile % tiles} * P::kRows;
  const Index left = (segment + 1) * out.tiled_rows - first;
  const int rows = static_cast<int>(left < P::kRows ? left : P::kRows);

  P product;
  product.multiply(shared, frames.columns(), typename P::Rows(frames, g, first, first + rows),
                   typename P::PlainRows(taps, g, col));

  const int own = col + static_cast<int>(threadIdx.x % P::kCols), k = g * width + own;
  const bool used = own < width;
  const A b = used && bias ? bias[k] : A(0);
  if constexpr (kNormed) {
    const Index channel = segment * d.out + k;
    const A m = used ? out.norm.mean[channel] : A(0), add = used ? out.norm.bias[k] : A(0);
    const A by = used ? out.norm.rstd[channel] * out.norm.weight[k] : A(0);
    product.for_each(shared, [&](int row, int, A v) {
      if (!used || row >= rows) return;
      const Index i = (first + row) * d.out + k;
      const T z(v + b);
      out.z[i] = z;
      out.activated[i] = T(gelu((A(z) - m) * by + add));
    });
    return;
  }
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
  static_assert(sizeof shared >= P::kThreads * sizeof(Moments<A>));
  __syncthreads();
  Moments<A> moments = parts[threadIdx.x] = sums.moments();
  __syncthreads();
  if (threadIdx.x >= P::kCols || !used) return;
  for (int i = P::kCols; i < P::kThreads; i += P::kCols) moments.add(parts[threadIdx.x + i]);
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
__global__ __launch_bounds__(P::kThreads,
                             P::kBlocks) void conv1d_backward_input_kernel(const __grid_constant__ Conv1dDims d,
                                                                           const __grid_constant__ PhaseProducts<T> products,
                                                                           Grad<T> dx, const T* dy, const T* packed) {
  auto& shared = own_shared<typename P::Shared>();
  const int g = static_cast<int>(blockIdx.y) / products.count;
  const auto& [phase, frames, taps] = products.of[static_cast<int>(blockIdx.y) % products.count];
  const int width = taps.group, col_tiles = (width + P::kCols - 1) / P::kCols;
  const int col = static_cast<int>(blockIdx.x % col_tiles) * P::kCols;
  const Index first = Index{blockIdx.x} / col_tiles * P::kRows;
  if (first >= frames.count) return;
  const int rows = static_cast<int>(frames.count - first < P::kRows ? frames.count - first : P::kRows);

  P product;
  product.multiply(shared, frames.columns(), typename P::Rows(frames, g, first, first + rows),
                   typename P::Columns(taps, g, col, 0, taps.count));

  const int c = col + static_cast<int>(threadIdx.x % P::kCols);
  const Index first_segment = first / phase.frames;
  const int first_row = static_cast<int>(first - first_segment * phase.frames);
  const auto deliver_row = [&](int row, auto&& value) {
    const int segment = (first_row + row) / phase.frames, q = first_row + row - segment * phase.frames;
    const Index b = first_segment + segment;
    const int frame = phase.first + q * static_cast<int>(d.stride);
    value(q, b, frame, (b * d.time + frame) * d.in + g * width + c);
  };
  // A zero that stands for a row of dy that does not exist may have met a weight that is not finite: such sums are done again.
  constexpr int kStep = P::kThreads / P::kCols;
  static_assert(P::kRows / kStep <= 64);
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
  for (int row = static_cast<int>(threadIdx.x) / P::kCols; again != 0; row += kStep, again >>= 1)
    if (again & 1)
      deliver_row(row,
                  [&](int, Index b, int frame, Index i) { deliver(dx, i, input_gradient(d, dy, packed, g, b, frame, c)); });
}

/// Block (i, g, s): a tile of partial [stretches, K, L, C/G], from rows s stretch .. of dy and x.
template <class P, class T>
__global__ __launch_bounds__(P::kThreads,
                             P::kBlocks) void conv1d_backward_weight_kernel(Conv1dDims d, Index stretch, sum_t<T>* partial,
                                                                            const __grid_constant__ Frames<T> gradients,
                                                                            const __grid_constant__ Frames<T> frames) {
  auto& shared = own_shared<typename P::Shared>();
  const int g = static_cast<int>(blockIdx.y), width = gradients.group;
  const int columns = frames.columns(), col_tiles = (columns + P::kCols - 1) / P::kCols;
  const int row = static_cast<int>(blockIdx.x / col_tiles) * P::kRows,
            col = static_cast<int>(blockIdx.x % col_tiles) * P::kCols;
  const Index begin = blockIdx.z * stretch, end = begin + stretch < frames.count ? begin + stretch : frames.count;

  P product;
  product.multiply(shared, static_cast<int>(end - begin), typename P::RowColumns(gradients, g, row, begin, end),
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

/// Calls f(Use<tile>) with the tile for a result of so many rows and columns, times `others`, from these operands: the largest
/// that still gives kEnoughBlocks, and is not twice as wide as the result.
template <class T, class F>
void with_tile(Index rows, Index cols, Index others, const Frames<T>& a, const Frames<T>& b, F&& f) {
  const auto pays = [&](Index r, Index c) {
    return 2 * cols > c && pieces(rows, r) * pieces(cols, c) * others >= kEnoughBlocks;
  };
  if constexpr (std::is_same_v<T, bf16>) {
    if (!in_wide_words(a) || !in_wide_words(b)) return f(Use<MmaTile<64, 64, false>>{});
    if (pays(128, 256)) return f(Use<MmaTile<128, 256, true>>{});
    if (pays(128, 128)) return f(Use<MmaTile<128, 128, true>>{});
    f(Use<MmaTile<64, 64, true>>{});
  } else {
    if constexpr (sizeof(T) == 4) {
      if (pays(128, 256)) return f(Use<PlainTile<T, 128, 256>>{});
      if (pays(128, 128)) return f(Use<PlainTile<T, 128, 128>>{});
    }
    f(Use<PlainTile<T, 64, 64>>{});
  }
}

/// The weights as [K, L, C/G], in the storage's type: packed, or `weight` itself where that is the same.
template <class T>
class PackedTaps {
 public:
  PackedTaps(const Exec& exec, const Conv1dDims& d, const sum_t<T>* weight)
      : memory_(exec, same(d) ? 0 : d.out * d.taps * (d.in / d.groups)), data_(memory_.data()) {
    if (const TurnSizes sizes(d); !same(d))
      launch(exec, "pack_taps", pack_taps_kernel<T>, turn_grid(d, sizes), d, sizes, memory_.data(), weight);
    else if constexpr (std::is_same_v<T, sum_t<T>>)
      data_ = weight;
  }
  const T* data() const { return data_; }

 private:
  static bool same(const Conv1dDims& d) { return std::is_same_v<T, sum_t<T>> && (d.taps == 1 || d.in == d.groups); }

  WorkspaceOf<T> memory_;
  const T* data_;
};

/// dweight = sum of the stretches of partial [stretches, K, L, C/G].
template <class A>
void sum_taps(const Exec& exec, const Conv1dDims& d, Index stretches, Grad<A> dweight, const A* partial) {
  const TurnSizes sizes(d);
  launch(exec, "unpack_taps", unpack_taps_kernel<A>, turn_grid(d, sizes), d, sizes, stretches, dweight, partial);
}

/// out as in Conv1dOutput, but for its tiled_rows: with mean or norm, tiles belong to one segment. Returns the rows of a tile.
template <class T, class A, bool kNormed = false>
Index run_conv1d_forward(const Exec& exec, const Conv1dDims& d, Conv1dOutput<T> out, const T* x, const A* weight,
                         const A* bias) {
  const Index rows = d.batch * d.out_time(), width = d.out / d.groups, columns = d.taps * (d.in / d.groups);
  if (rows * width == 0) return 1;
  const PackedTaps<T> packed(exec, d, weight);
  const Frames<T> frames = input_frames(d, x), taps = plain_matrix(packed.data(), width, columns, columns, width * columns);
  Index tile_rows = 0;
  with_tile<T>(rows, width, d.groups, frames, taps, [&](auto use) {
    using P = typename decltype(use)::Tile;
    tile_rows = P::kRows;
    out.tiled_rows = out.mean || kNormed ? d.out_time() : rows;
    const Index tiles = rows / out.tiled_rows * pieces(out.tiled_rows, tile_rows);
    launch(exec, "conv1d_forward", conv1d_forward_kernel<P, T, A, kNormed>,
           product_grid<P>(tiles * pieces(width, P::kCols), d.groups), d, out, frames, taps, bias);
  });
  return tile_rows;
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
               product_grid<P>(pieces(most, P::kRows) * pieces(group_in, P::kCols), d.groups * products.count), d, products, dx,
               dy, packed.data());
      });
    }
  }
  if (!dweight) return;
  const Index columns = d.taps * group_in;
  const Frames<T> gradients = plain_matrix(dy, rows, group_out, d.out, group_out), frames = input_frames(d, x);
  with_tile<T>(group_out, columns, kEnoughBlocks, gradients, frames, [&](auto use) {
    using P = typename decltype(use)::Tile;
    const Index blocks = pieces(group_out, P::kRows) * pieces(columns, P::kCols), all = blocks * d.groups;
    const Index most = pieces(rows, kStretchRows), wanted = pieces(P::kBlocks * kEnoughBlocks, all > 0 ? all : 1);
    const Index stretch = rows > 0 ? pieces(rows, most < wanted ? most : wanted) : 1, stretches = pieces(rows, stretch);
    const WorkspaceOf<A> partial(exec, stretches * d.out * columns);
    launch(exec, "conv1d_backward_weight", conv1d_backward_weight_kernel<P, T>, product_grid<P>(blocks, d.groups, stretches), d,
           stretch, partial.data(), gradients, frames);
    sum_taps<A>(exec, d, stretches, dweight, partial.data());
  });
}

}  // namespace
}  // namespace anylead::cuda_ops
