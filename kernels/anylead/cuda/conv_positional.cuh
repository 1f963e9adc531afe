// The positional convolution (Baevski et al. 2020, section 2): grouped, long, stride 1. Contracts: core/op_table.hpp.
//
//   z[b, t, k] = bias[k] + sum over c, l of x[b, t + l - p, c] w[k, c, l],  y = x + gelu(z)
//   dz = dy gelu'(z);  dx[b, f, c] = dy[b, f, c] + sum over k, l of dz[b, f + p - l, k] w[k, c, l];  dw = sum dz x
//
// For one pair of channels the inputs of neighbouring outputs are those of one output, moved: a thread that holds eight
// neighbouring frames of eight outputs and goes along the taps needs one new number of x per tap, from a window in registers,
// for 64 products. Forward and dx are one kernel (dx: channels change roles, taps run backwards). In dw taps and frames change
// roles: it holds eight neighbouring taps of eight outputs and goes along the frames.
//
// Mapping, forward and dx: a block has three tiles of 160 frames of a segment, or one where that gives too few blocks (double:
// always), and 48 channels of the result, 20 x 6 threads of 128 a tile. A step is one channel of the sum and 64 taps: weights
// [48, 64] as they lie in memory, double buffered, for all tiles; windows of x [8, 160 + 64] of eight channels, a sector of
// each frame, serve eight steps. Shared memory 68 KB. Bound: FMA (9 loads of 16 bytes for 256 FMA). dw: a block has 64 taps of
// 48 output channels and 8 input channels, 8 x 8 x 6 threads, and goes over a stretch of segments; stretches are added up in a
// second launch, so that every run gives the same bits.
//
// Traffic, 24 segments of 156 frames, 768 channels in 16 groups, 128 taps, in units of the fewest bytes: memory 1.00 forward,
// 1.55 backward (dz is written by a pass that also sums it, and read twice). Asked for, from L2: 4.1 and 5.1, weights once for
// three segments; more tiles need more registers than a processor has. Sectors are used whole, shared memory at 1.00 to 1.01 of
// the ideal. No registers spilled.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/async.cuh>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/gelu_columns.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kOwnMoved = 8, kOwnOuts = 8;                  // sums of a thread
constexpr int kOutLanes = 6, kOuts = kOutLanes * kOwnOuts;  // outputs of a block: out = lane + 6 j
constexpr Index kPositionalBlocks = 256;                    // of a weight gradient, at most, for few segments
constexpr Index kLeastSegments = 8;                         // of a stretch
constexpr Index kMostSegments = 32;                         // added by one thread, one after the other

template <class T>
struct Slide {
  static constexpr int kSteps = 256 / sizeof(T);    ///< taps (dw: frames) that come at a time
  static constexpr int kChannels = 32 / sizeof(T);  ///< channels of a window: a sector
  static constexpr int kPitch = kSteps + 4;         ///< of a row of factors: six rows in different banks
};

/// sum[i][j] += sum over s < steps of window[i + s] factors[6 j][s]: the window moves over the factors. Factors behind `steps`
/// up to a multiple of four are 0.
template <class T>
__device__ void slide(T (&sum)[kOwnMoved][kOwnOuts], const T* window, const T* factors, int steps) {
  T own[kOwnMoved + 4];
#pragma unroll
  for (int i = 0; i < kOwnMoved; i += 4)
#pragma unroll
    for (int u = 0; u < 4; ++u) own[i + u] = four(window + i).v[u];
  for (int s = 0; s < steps; s += 4) {
    const Four<T> next = four(window + kOwnMoved + s);
#pragma unroll
    for (int u = 0; u < 4; ++u) own[kOwnMoved + u] = next.v[u];
#pragma unroll
    for (int j = 0; j < kOwnOuts; ++j) {
      const Four<T> f = four(factors + j * kOutLanes * Slide<T>::kPitch + s);
#pragma unroll
      for (int u = 0; u < 4; ++u)
#pragma unroll
        for (int i = 0; i < kOwnMoved; ++i) sum[i][j] += own[i + u] * f.v[u];
    }
#pragma unroll
    for (int i = 0; i < kOwnMoved; ++i) own[i] = own[i + 4];
  }
}

// --- forward and dx -------------------------------------------------------------------------------------------------------

constexpr int kSlideThreads = 128, kMovedLanes = 20, kSlideFrames = kMovedLanes * kOwnMoved;
constexpr int kSliceLanes = 5, kSliceFrames = kSliceLanes * kOwnMoved;  // of the result, in shared memory at a time

/// Tiles that share the weights of a block where there are enough; T: what is summed. Registers hold three of float.
template <class T>
constexpr int kTilesTogether = sizeof(T) == 4 ? 3 : 1;
constexpr Index kEnoughPositional = 108;  // blocks: every processor of a GPU of 2020 has one

/// Which way the channels run.
struct SlideDims {
  Index batch, time, channels;  ///< of all arrays
  int group, taps, padding;
  bool backwards;  ///< the result is dx
};

/// Blocks of a processor, by registers.
template <class T, int kTogether>
constexpr int kSlideBlocks = kTilesTogether<T> / kTogether;

/// The frames of a thread: tile `index` of those of all segments; none behind the last tile.
struct SlideTile {
  Index segment;
  int first, frames;  ///< of the tile; of the segment, 0 behind the last tile

  __device__ SlideTile(const SlideDims& d, Index index) {
    const Index tiles = (d.time + kSlideFrames - 1) / kSlideFrames;
    const bool used = index < d.batch * tiles;
    segment = used ? index / tiles : 0;
    first = used ? static_cast<int>(index % tiles) * kSlideFrames : 0;
    frames = used ? static_cast<int>(d.time) : 0;
  }
};

template <class T, int kTogether>
struct SlideShared {
  static constexpr int kWindow = kSlideFrames + Slide<T>::kSteps + 4;  // eight channels of four frames in different banks
  T factors[2][kOuts][Slide<T>::kPitch];
  T window[kTogether][2][Slide<T>::kChannels][kWindow];
};

/// Block (i, g outs + o): tiles kTogether i .., a row of threads each; outputs 48 o .. of group g. Calls
/// deliver_sum(element, channel, sum).
template <int kTogether, class T, class F>
__device__ void slide_block(SlideDims d, const T* x, const T* weight, F&& deliver_sum) {
  using Shape = Slide<T>;
  extern __shared__ __align__(16) unsigned char memory[];
  auto& shared = *reinterpret_cast<SlideShared<T, kTogether>*>(memory);
  auto& own_window = shared.window[threadIdx.y];
  const int out_tiles = (d.group + kOuts - 1) / kOuts;
  const int g = static_cast<int>(blockIdx.y) / out_tiles, out = static_cast<int>(blockIdx.y) % out_tiles * kOuts;
  const auto [b, first, frames] = SlideTile(d, Index{blockIdx.x} * kTogether + threadIdx.y);
  const int before = d.backwards ? d.taps - 1 - d.padding : d.padding;  // frames before a result's that its first tap meets
  const int group = d.group, length = d.taps, tap_step = d.backwards ? -1 : 1;
  const Index out_step = d.backwards ? length : Index{group} * length, in_step = d.backwards ? Index{group} * length : length;
  x += b * d.time * d.channels + Index{g} * group;
  weight += Index{g} * group * group * length + (d.backwards ? length - 1 : 0);

  const int windows = (group + Shape::kChannels - 1) / Shape::kChannels, chunks = (length + Shape::kSteps - 1) / Shape::kSteps;
  int next_channel = 0, next_tap = 0, next_stage = 0, next_window = 0;
  const auto load = [&] {  // the next step
    if (next_channel % Shape::kChannels == 0) {
      const int lane = threadIdx.x % Shape::kChannels, c = next_channel + lane;
      for (int f = threadIdx.x / Shape::kChannels; f < kSlideFrames + Shape::kSteps; f += kSlideThreads / Shape::kChannels) {
        const int frame = first + f + next_tap - before;
        const bool valid = c < group && static_cast<unsigned>(frame) < static_cast<unsigned>(frames);
        copy_async(&own_window[next_window][lane][f], valid ? x + frame * d.channels + c : x, valid);
      }
      next_window ^= 1;
    }
#pragma unroll 4
    for (int i = threadIdx.y * kSlideThreads + threadIdx.x; i < kOuts * Shape::kSteps; i += kTogether * kSlideThreads) {
      const int row = i / Shape::kSteps, l = next_tap + i % Shape::kSteps;
      const bool valid = out + row < group && l < length;
      copy_async(&shared.factors[next_stage][row][i % Shape::kSteps],
                 valid ? weight + (out + row) * out_step + next_channel * in_step + l * tap_step : weight, valid);
    }
    next_stage ^= 1;
    if (++next_channel == group) {
      next_channel = 0;
      next_tap += Shape::kSteps;
    }
    commit_copies();
  };

  const int to = threadIdx.x % kOutLanes, tf = threadIdx.x / kOutLanes;
  T sum[kOwnMoved][kOwnOuts] = {};
  load();
  int stage = 0, window = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int left = length - chunk * Shape::kSteps, steps = left < Shape::kSteps ? left : Shape::kSteps;
    for (int w = 0; w < windows; ++w, window ^= 1) {
      const int rest = group - w * Shape::kChannels, channels = rest < Shape::kChannels ? rest : Shape::kChannels;
      for (int c = 0; c < channels; ++c, stage ^= 1) {
        await_copies<0>();
        __syncthreads();  // this step has arrived, and nobody reads the other stage any more
        if (next_tap < length) load();
        if (tf < kMovedLanes && first < frames)
          slide(sum, &own_window[window][c][tf * kOwnMoved], &shared.factors[stage][to][0], steps);
      }
    }
  }

  T* slice = &shared.factors[0][0][0] + threadIdx.y * (kSliceFrames * kOuts);  // [40, 48]
  static_assert(sizeof shared.factors >= sizeof(T) * kTogether * kSliceFrames * kOuts);
  for (int s = 0; s < kMovedLanes / kSliceLanes; ++s) {
    __syncthreads();
    if (tf / kSliceLanes == s) {
#pragma unroll
      for (int i = 0; i < kOwnMoved; ++i)
#pragma unroll
        for (int j = 0; j < kOwnOuts; ++j) slice[(tf % kSliceLanes * kOwnMoved + i) * kOuts + to + kOutLanes * j] = sum[i][j];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < kSliceFrames * kOuts; i += kSlideThreads) {
      const int frame = first + s * kSliceFrames + i / kOuts, k = out + i % kOuts;
      if (frame < frames && k < group) deliver_sum((b * d.time + frame) * d.channels + g * group + k, g * group + k, slice[i]);
    }
  }
}

/// y, z, x [B, T, C]; weight [C, C/G, L]; bias [C] or null.
template <class T, int kTogether>
__global__ __launch_bounds__(kSlideThreads* kTogether,
                             kSlideBlocks<T, kTogether>) void conv_positional_forward_kernel(SlideDims d, T* y, T* z,
                                                                                             const T* x, const T* weight,
                                                                                             const T* bias) {
  slide_block<kTogether>(d, x, weight, [&](Index i, int k, T v) {
    if (bias) v += bias[k];
    z[i] = v;
    y[i] = x[i] + gelu(v);
  });
}

/// dx [B, T, C] = dy + the convolution's gradient.
template <class T, int kTogether>
__global__ __launch_bounds__(kSlideThreads* kTogether,
                             kSlideBlocks<T, kTogether>) void conv_positional_backward_input_kernel(SlideDims d, Grad<T> dx,
                                                                                                    const T* dy, const T* dz,
                                                                                                    const T* weight) {
  slide_block<kTogether>(d, dz, weight, [&](Index i, int, T v) { deliver(dx, i, dy[i] + v); });
}

inline SlideDims slide_dims(const Conv1dDims& d, bool backwards) {
  return {d.batch,  d.time, d.in, static_cast<int>(d.in / d.groups), static_cast<int>(d.taps), static_cast<int>(d.padding),
          backwards};
}

/// Bytes of shared memory of a block with one tile and with many.
struct TileBytes {
  std::size_t alone, together;
};
template <class T>
constexpr TileBytes kSlideBytes = {sizeof(SlideShared<T, 1>), sizeof(SlideShared<T, kTilesTogether<T>>)};

/// Calls f(number, grid): how many tiles share a block's weights, and the blocks, of kSlideThreads a tile and so many outputs.
template <class T, class F>
void with_tiles_together(const Exec& exec, const Conv1dDims& d, int outs, TileBytes bytes, F&& f) {
  const Index tiles = d.batch * pieces(d.time, kSlideFrames), others = d.groups * pieces(d.in / d.groups, outs);
  Grid grid = {.x = pieces(tiles, kTilesTogether<T>),
               .y = others,
               .threads = kSlideThreads,
               .rows = kTilesTogether<T>,
               .shared = bytes.together};
  if (grid.x * others >= kEnoughPositional && has_shared_memory(exec, grid.shared))
    return f(std::integral_constant<int, kTilesTogether<T>>{}, grid);
  grid = {.x = tiles, .y = others, .threads = kSlideThreads, .shared = bytes.alone};
  f(std::integral_constant<int, 1>{}, grid);
}

// --- dw -------------------------------------------------------------------------------------------------------------------

constexpr int kTapLanes = 8, kTileTaps = kTapLanes * kOwnMoved, kInThreads = kTapLanes * kOutLanes;
template <class T>
constexpr int kTileIns = 32 / sizeof(T);  // input channels of a block: a sector
template <class T>
constexpr int kWeightThreads = kTileIns<T>* kInThreads;

template <class T>
struct WeightShared {
  static constexpr int kWindow = kTileTaps + Slide<T>::kSteps + 4;  // eight channels of four frames in different banks
  T factors[2][kOuts][Slide<T>::kPitch];
  T window[2][kTileIns<T>][kWindow];
};

/// Block (i, g, s): tile i of the group's output channels, input channels and taps; segments s stretch .. of dz and x.
/// Delivers to stretch s of dweight [stretches, C, C/G, L].
template <class T>
__global__ __launch_bounds__(kWeightThreads<T>, 1) void conv_positional_backward_weight_kernel(SlideDims d, Index stretch,
                                                                                               Grad<T> dweight, const T* dz,
                                                                                               const T* x) {
  using Shape = Slide<T>;
  __shared__ alignas(16) WeightShared<T> shared;
  const int group = d.group, length = d.taps, time = static_cast<int>(d.time), g = static_cast<int>(blockIdx.y);
  const int out_tiles = (group + kOuts - 1) / kOuts, in_tiles = (group + kTileIns<T> - 1) / kTileIns<T>;
  const int out = static_cast<int>(blockIdx.x) % out_tiles * kOuts;
  const int in = static_cast<int>(blockIdx.x) / out_tiles % in_tiles * kTileIns<T>;
  const int tap = static_cast<int>(blockIdx.x) / (out_tiles * in_tiles) * kTileTaps;
  const Index begin = blockIdx.z * stretch, end = begin + stretch < d.batch ? begin + stretch : d.batch;
  const int chunks = (time + Shape::kSteps - 1) / Shape::kSteps;
  dz += g * group;
  x += g * group;

  Index next_segment = begin;
  int next_frame = 0, next_stage = 0;
  const auto load = [&] {
    constexpr int kLanes = 8;  // neighbouring channels of dz: a sector of float
    const T* from = dz + next_segment * d.time * d.channels;
    for (int i = threadIdx.x; i < kOuts * Shape::kSteps; i += kWeightThreads<T>) {
      const int k = i % kLanes + i / (kLanes * Shape::kSteps) * kLanes, t = i / kLanes % Shape::kSteps;
      const bool valid = out + k < group && next_frame + t < time;
      copy_async(&shared.factors[next_stage][k][t], valid ? from + (next_frame + t) * d.channels + out + k : dz, valid);
    }
    from = x + next_segment * d.time * d.channels;
    for (int i = threadIdx.x; i < kTileIns<T> * (kTileTaps + Shape::kSteps); i += kWeightThreads<T>) {
      const int c = i % kTileIns<T>, f = i / kTileIns<T>, frame = next_frame + tap + f - d.padding;
      const bool valid = in + c < group && static_cast<unsigned>(frame) < static_cast<unsigned>(time);
      copy_async(&shared.window[next_stage][c][f], valid ? from + frame * d.channels + in + c : x, valid);
    }
    next_stage ^= 1;
    next_frame += Shape::kSteps;
    if (next_frame >= time) {
      next_frame = 0;
      ++next_segment;
    }
    commit_copies();
  };

  const int own = threadIdx.x / kInThreads, lane = threadIdx.x % kInThreads, to = lane % kOutLanes, tl = lane / kOutLanes;
  T sum[kOwnMoved][kOwnOuts] = {};
  if (begin < end) load();
  int stage = 0;
  for (Index b = begin; b < end; ++b)
    for (int chunk = 0; chunk < chunks; ++chunk, stage ^= 1) {
      await_copies<0>();
      __syncthreads();
      if (next_segment < end) load();
      const int left = time - chunk * Shape::kSteps;
      slide(sum, &shared.window[stage][own][tl * kOwnMoved], &shared.factors[stage][to][0],
            left < Shape::kSteps ? left : Shape::kSteps);
    }

  T(*slice)[kOutLanes][kTileTaps] = reinterpret_cast<T(*)[kOutLanes][kTileTaps]>(&shared.factors[0][0][0]);
  static_assert(sizeof shared.factors >= sizeof(T) * kTileIns<T> * kOutLanes * kTileTaps);
  dweight = advanced(dweight, (blockIdx.z * d.channels + g * group) * group * length);
#pragma unroll
  for (int j = 0; j < kOwnOuts; ++j) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOwnMoved; i += 4)
      four(&slice[own][to][tl * kOwnMoved + i]) = {{sum[i][j], sum[i + 1][j], sum[i + 2][j], sum[i + 3][j]}};
    __syncthreads();
    for (int i = threadIdx.x; i < kTileIns<T> * kOutLanes * kTileTaps; i += kWeightThreads<T>) {
      const int l = tap + i % kTileTaps, k = out + i / kTileTaps % kOutLanes + kOutLanes * j;
      const int c = in + i / (kTileTaps * kOutLanes);
      if (l < length && k < group && c < group) deliver(dweight, (Index{k} * group + c) * length + l, (&slice[0][0][0])[i]);
    }
  }
}

/// Segments of a stretch, where one makes so many blocks a group: enough blocks, unless stretches would be so short that adding
/// them up costs more, and no sum of very many.
inline Index positional_stretch(const Conv1dDims& d, Index blocks) {
  const Index all = blocks * d.groups, wanted = all > 0 ? kPositionalBlocks / all : 1;
  const Index most = d.batch / kLeastSegments, fewest = pieces(d.batch, kMostSegments);
  const Index count = wanted < most ? wanted : most;
  return pieces(d.batch, fewest > count ? fewest : count > 0 ? count : 1);
}

/// dweight [n] = sum of the stretches of partial [stretches, n].
template <class T>
__global__ __launch_bounds__(kElementThreads) void sum_stretches_kernel(Index n, Index stretches, Grad<T> dweight,
                                                                        const T* partial) {
  const Lanes at = array_lanes(n);
  Quad<T> sum = {};
  for (Index s = 0; s < stretches; ++s) sum = sum + at(partial + s * n);
  at.deliver(dweight, sum);
}

template <class T>
void sum_stretches(const Exec& exec, Index n, Index stretches, Grad<T> dweight, const T* partial) {
  launch(exec, "sum_stretches", sum_stretches_kernel<T>, element_grid(n), n, stretches, dweight, partial);
}

}  // namespace

template <Real T>
void conv_positional_forward(const Exec& exec, Conv1dDims d, T* y, T* z, const T* x, const T* weight, const T* bias) {
  if (d.batch * d.time * d.in == 0) return;
  with_tiles_together<T>(exec, d, kOuts, kSlideBytes<T>, [&](auto together, const Grid& grid) {
    launch(exec, "conv_positional_forward", conv_positional_forward_kernel<T, together>, grid, slide_dims(d, false), y, z, x,
           weight, bias);
  });
}

template <Real T>
void conv_positional_backward(const Exec& exec, Conv1dDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, T* dz, const T* dy,
                              const T* x, const T* z, const T* weight) {
  gelu_backward_sums(exec, {d.batch * d.time, d.out}, dz, dbias, dy, z);
  if (dx && d.batch * d.time * d.in > 0)
    with_tiles_together<T>(exec, d, kOuts, kSlideBytes<T>, [&](auto together, const Grid& grid) {
      launch(exec, "conv_positional_backward_input", conv_positional_backward_input_kernel<T, together>, grid,
             slide_dims(d, true), dx, dy, dz, weight);
    });
  if (!dweight) return;
  const Index group = d.in / d.groups, n = d.out * group * d.taps;
  const Index blocks = pieces(group, kOuts) * pieces(group, kTileIns<T>) * pieces(d.taps, kTileTaps);
  const Index stretch = positional_stretch(d, blocks);
  const Index stretches = stretch > 0 ? pieces(d.batch, stretch) : 1;
  const WorkspaceOf<T> partial(exec, stretches > 1 ? stretches * n : 0);
  launch(exec, "conv_positional_backward_weight", conv_positional_backward_weight_kernel<T>,
         {.x = blocks, .y = d.groups, .z = stretches, .threads = kWeightThreads<T>}, slide_dims(d, false), stretch,
         stretches > 1 ? Grad<T>{partial.data(), GradMode::overwrite} : dweight, dz, x);
  if (stretches > 1) sum_stretches<T>(exec, n, stretches, dweight, partial.data());
}

template <Real T>
void provide_conv_positional(OpTable<T>& table) {
  table.conv_positional_forward = conv_positional_forward<T>;
  table.conv_positional_backward = conv_positional_backward<T>;
}

}  // namespace anylead::cuda_ops
