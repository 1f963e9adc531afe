// The positional convolution with activations in bf16, on tensor cores. Formulas: conv_positional.cuh; types: launchers.hpp.
//
// For one tap l the sum over the channels of a group is a product of matrices: frames x channels times channels x channels,
// whose first factor is a window of x, moved by l rows. The window lies in shared memory once for all taps; a row of it is 112
// bytes, so that eight rows lie in different banks wherever the tap begins. Taps l and l + 16 are taken together: 16 frames
// moved by 16 are the next 16, so that five frame tiles of both need six fragments.
//
// Forward and dx (channels change roles, taps run backwards): a block has three tiles of 160 frames, or one, and 48 channels of
// the result, 2 x 2 warps of 80 x 24 a tile; windows of 48 channels and 64 taps, weights of two taps [48, 48] in two stages for
// all tiles. Shared memory 105 KB. Per 30 products 9 ldmatrix. Weights [L, K, C/G] of a group are asked for once per block,
// from L2. dw: a warp has taps l and l + 16 of [48, 48] weights, a block 16 taps of that kind, and goes over the frames of a
// stretch of segments, 64 at a time in two stages: dz [64, 48] and x [88, 48]. Stretches are added up in a second launch.
// Bound: tensor cores. kWide: groups of channels are whole words of 16 bytes, else numbers are copied one by one.
//
// Traffic, shapes as in conv_positional.cuh, in units of the fewest bytes: memory 1.52 forward, 1.69 backward, of which packing
// the weights is 0.78 and 0.47; asked for, from L2: 4.0 and 4.3. Packing pays: every block reads all weights of its group, and
// float ones would be twice as many bytes from L2 at any batch and be rounded again by each block. Shared memory at 1.00 of the
// ideal. No registers spilled.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/async.cuh>
#include <anylead/cuda/conv1d_kernels.cuh>
#include <anylead/cuda/conv_positional.cuh>
#include <anylead/cuda/gelu_columns.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/mma.cuh>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/tile_mma.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kPatch = 48, kPatchWords = kPatch / kWord;  // channels at a time
constexpr int kPatchPitch = kPatch + kWord;               // seven words: eight rows lie in different banks
constexpr int kTapShift = 16;                             // between the two taps of a step: the rows of a fragment

/// Copies rows of up to 48 numbers to shared memory, pitch kPatchPitch: row i from from(i), zeros where that is null and behind
/// `columns`.
template <bool kWide, int kThreads, class From>
__device__ void copy_patch(int thread, bf16* to, int rows, int columns, const bf16* readable, From&& from) {
#pragma unroll 1
  for (int i = thread; i < (rows + 7) / 8 * 8 * kPatchWords; i += kThreads) {
    const int row = i / (8 * kPatchWords) * 8 + i % 8, word = i / 8 % kPatchWords;
    if (row >= rows) continue;
    const bf16* source = from(row);
    bf16* own = to + row * kPatchPitch + word * kWord;
    if constexpr (kWide) {
      const bool valid = source && word * kWord < columns;
      copy_async(reinterpret_cast<Word*>(own), reinterpret_cast<const Word*>(valid ? source + word * kWord : readable), valid);
    } else {
      for (int k = 0; k < kWord; ++k) own[k] = source && word * kWord + k < columns ? source[word * kWord + k] : bf16(0.f);
    }
  }
}

// --- forward and dx -------------------------------------------------------------------------------------------------------

constexpr int kWindowTaps = 64;                              // that a window serves
constexpr int kWindowRows = kSlideFrames + kWindowTaps - 1;  // of a window
constexpr int kWarpTiles = 5, kWarpOuts = 3;                 // 16 frames, 8 outputs of a warp

constexpr int kSumPitch = kPatch + 8;  // numbers; rows of a quarter warp lie in different banks

template <int kTogether>
union alignas(16) PatchShared {
  struct {
    bf16 window[kTogether][kWindowRows * kPatchPitch];
    bf16 taps[2][2][kPatch * kPatchPitch];  ///< [stage][l, l + 16]
  };
  float slice[kTogether][kSlideFrames * kSumPitch];  ///< of the result
};

/// Block (i, g outs + o): tiles kTogether i .., a row of threads each; outputs 48 o .. of group g. packed [K, L, C/G].
template <int kTogether, bool kBackwards, bool kWide, class F>
__device__ void patch_block(const SlideDims& d, const bf16* x, const bf16* packed, F&& deliver_sum) {
  auto& shared = own_shared<PatchShared<kTogether>>();
  bf16* const window = shared.window[threadIdx.y];
  const int group = d.group, length = d.taps, out_tiles = (group + kPatch - 1) / kPatch;
  const int g = static_cast<int>(blockIdx.y) / out_tiles, out = static_cast<int>(blockIdx.y) % out_tiles * kPatch;
  const auto [b, first, frames] = SlideTile(d, Index{blockIdx.x} * kTogether + threadIdx.y);
  const int before = kBackwards ? length - 1 - d.padding : d.padding;  // frames before a result's that its first tap meets
  const bf16* own = x + b * d.time * d.channels + Index{g} * group;
  packed += Index{g} * group * length * group;

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int frame_of_warp = warp / 2 * (16 * kWarpTiles), out_of_warp = warp % 2 * (8 * kWarpOuts);
  float sum[kWarpTiles][kWarpOuts][4] = {};

  for (int chunk = 0; chunk < length; chunk += kWindowTaps)
    for (int in = 0; in < group; in += kPatch) {
      const int left = length - chunk < kWindowTaps ? length - chunk : kWindowTaps;
      const int pairs = left > 2 * kTapShift ? kTapShift + (left < 3 * kTapShift ? left - 2 * kTapShift : kTapShift)
                                             : (left < kTapShift ? left : kTapShift);  // steps
      const auto load_taps = [&](int step) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int l = step / kTapShift * 2 * kTapShift + step % kTapShift + half * kTapShift;
          const int tap = kBackwards ? length - 1 - chunk - l : chunk + l;
          const int rows = kBackwards ? in : out, columns = kBackwards ? out : in;  // first of the weights' channels
          copy_patch<kWide, kSlideThreads * kTogether>(
              threadIdx.y * kSlideThreads + threadIdx.x, shared.taps[step % 2][half], kPatch, group - columns, packed,
              [&](int row) {
                return l < left && rows + row < group ? packed + (Index{rows + row} * length + tap) * group + columns : nullptr;
              });
        }
        commit_copies();
      };
      __syncthreads();  // the window before is no longer read
      copy_patch<kWide, kSlideThreads>(threadIdx.x, window, kWindowRows, group - in, x, [&](int row) {
        const int frame = first + row + chunk - before;
        return static_cast<unsigned>(frame) < static_cast<unsigned>(frames) ? own + frame * d.channels + in : nullptr;
      });
      load_taps(0);
      for (int step = 0; step < pairs; ++step) {
        await_copies<0>();
        __syncthreads();  // this step has arrived, and nobody reads the other stage any more
        if (step + 1 < pairs) load_taps(step + 1);
        const int l = step / kTapShift * 2 * kTapShift + step % kTapShift;
#pragma unroll
        for (int k = 0; k < kPatch; k += 16) {
          FragmentB v[2][(kWarpOuts + 1) / 2];
#pragma unroll
          for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int j = 0; j < kWarpOuts; j += 2) {
              const bf16* taps = shared.taps[step % 2][half];
              const int col = out_of_warp + 8 * j;
              const bf16* corner = kBackwards ? taps + k * kPatchPitch + col : taps + col * kPatchPitch + k;
              if (j + 1 < kWarpOuts)
                v[half][j / 2] = load_b<kBackwards>(corner, kPatchPitch);
              else
                v[half][j / 2] = load_half_b<kBackwards>(corner, kPatchPitch);
            }
          FragmentA u = load_a<false>(window + (frame_of_warp + l) * kPatchPitch + k, kPatchPitch);
#pragma unroll
          for (int i = 0; i < kWarpTiles; ++i) {
#pragma unroll
            for (int j = 0; j < kWarpOuts; ++j) multiply_add(sum[i][j], u, v[0][j / 2].v[j % 2]);
            u = load_a<false>(window + (frame_of_warp + 16 * (i + 1) + l) * kPatchPitch + k, kPatchPitch);
#pragma unroll
            for (int j = 0; j < kWarpOuts; ++j) multiply_add(sum[i][j], u, v[1][j / 2].v[j % 2]);
          }
        }
      }
    }

  float* const slice = shared.slice[threadIdx.y];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kWarpTiles; ++i)
#pragma unroll
    for (int j = 0; j < kWarpOuts; ++j) {
      float* to = slice + (frame_of_warp + 16 * i + lane / 4) * kSumPitch + out_of_warp + 8 * j + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = {sum[i][j][0], sum[i][j][1]};
      *reinterpret_cast<float2*>(to + 8 * kSumPitch) = {sum[i][j][2], sum[i][j][3]};
    }
  __syncthreads();
#pragma unroll 1
  for (int i = threadIdx.x; i < kSlideFrames * kPatch; i += kSlideThreads) {
    const int frame = first + i / kPatch, k = out + i % kPatch;
    if (frame < frames && k < group)
      deliver_sum((b * d.time + frame) * d.channels + g * group + k, g * group + k, slice[i / kPatch * kSumPitch + i % kPatch]);
  }
}

/// y, z, x [B, T, C]; packed [C, L, C/G]; bias [C] or null.
template <int kTogether, bool kWide>
__global__ __launch_bounds__(kSlideThreads* kTogether, kSlideBlocks<float, kTogether>) void conv_positional_forward_bf16_kernel(
    SlideDims d, bf16* y, bf16* z, const bf16* x, const bf16* packed, const float* bias) {
  patch_block<kTogether, false, kWide>(d, x, packed, [&](Index i, int k, float v) {
    const bf16 rounded(bias ? v + bias[k] : v);
    z[i] = rounded;
    y[i] = bf16(float(x[i]) + gelu(float(rounded)));
  });
}

/// dx [B, T, C] = dy + the convolution's gradient.
template <int kTogether, bool kWide>
__global__ __launch_bounds__(
    kSlideThreads* kTogether,
    kSlideBlocks<float, kTogether>) void conv_positional_backward_input_bf16_kernel(SlideDims d, Grad<bf16> dx, const bf16* dy,
                                                                                    const bf16* dz, const bf16* packed) {
  patch_block<kTogether, true, kWide>(d, dz, packed, [&](Index i, int, float v) { deliver(dx, i, float(dy[i]) + v); });
}

constexpr TileBytes kPatchBytes = {sizeof(PatchShared<1>), sizeof(PatchShared<kTilesTogether<float>>)};

/// Calls f(tiles together, wide, grid).
template <class F>
void with_patches(const Exec& exec, const Conv1dDims& d, bool wide, F&& f) {
  with_tiles_together<float>(exec, d, kPatch, kPatchBytes, [&](auto together, const Grid& grid) {
    if (wide)
      f(together, std::true_type{}, grid);
    else
      f(together, std::false_type{}, grid);
  });
}

// --- dw -------------------------------------------------------------------------------------------------------------------

constexpr int kTapWarps = 8, kTapThreads = 32 * kTapWarps;
constexpr int kBlockTaps = 2 * kTapShift;  // that two blocks share: l0 + 0 .. 7 and l0 + 16 .. 23, or 8 more
constexpr int kChunkFrames = 64, kChunkRows = kChunkFrames + kTapShift + kTapWarps - 1;
constexpr int kPatchTiles = kPatch / 16;

struct alignas(16) TapShared {
  bf16 gradients[2][kChunkFrames * kPatchPitch];
  bf16 window[2][kChunkRows * kPatchPitch];
};

/// Block (i, g, s): tile i of the group's output channels, input channels and taps; segments s stretch .. of dz and x. Delivers
/// to stretch s of dweight [stretches, C, C/G, L].
template <bool kWide>
__global__ __launch_bounds__(kTapThreads, 1) void conv_positional_backward_weight_bf16_kernel(SlideDims d, Index stretch,
                                                                                              Grad<float> dweight,
                                                                                              const bf16* dz, const bf16* x) {
  __shared__ TapShared shared;
  const int group = d.group, length = d.taps, time = static_cast<int>(d.time), g = static_cast<int>(blockIdx.y);
  const int tiles = (group + kPatch - 1) / kPatch;
  const int out = static_cast<int>(blockIdx.x) % tiles * kPatch, in = static_cast<int>(blockIdx.x) / tiles % tiles * kPatch;
  const int tap_tile = static_cast<int>(blockIdx.x) / (tiles * tiles);
  const int tap = tap_tile / 2 * kBlockTaps + tap_tile % 2 * kTapWarps;  // first of the block
  const Index begin = blockIdx.z * stretch, end = begin + stretch < d.batch ? begin + stretch : d.batch;
  const int chunks = (time + kChunkFrames - 1) / kChunkFrames;
  dz += g * group + out;
  x += g * group + in;

  Index next_segment = begin;
  int next_frame = 0, next_stage = 0;
  const auto load = [&] {
    const Index start = next_segment * d.time * d.channels;
    copy_patch<kWide, kTapThreads>(threadIdx.x, shared.gradients[next_stage], kChunkFrames, group - out, dz, [&](int row) {
      const int frame = next_frame + row;
      return frame < time ? dz + start + frame * d.channels : nullptr;
    });
    copy_patch<kWide, kTapThreads>(threadIdx.x, shared.window[next_stage], kChunkRows, group - in, x, [&](int row) {
      const int frame = next_frame + row + tap - d.padding;
      return static_cast<unsigned>(frame) < static_cast<unsigned>(time) ? x + start + frame * d.channels : nullptr;
    });
    commit_copies();
    next_stage ^= 1;
    next_frame += kChunkFrames;
    if (next_frame >= time) {
      next_frame = 0;
      ++next_segment;
    }
  };

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float sum[2][kPatchTiles][2 * kPatchTiles][4] = {};  // [l, l + 16]
  if (begin < end) load();
  int stage = 0;
  for (Index b = begin; b < end; ++b)
    for (int chunk = 0; chunk < chunks; ++chunk, stage ^= 1) {
      await_copies<0>();
      __syncthreads();  // this step has arrived, and nobody reads the other stage any more
      if (next_segment < end) load();
      const int left = time - chunk * kChunkFrames, frames = left < kChunkFrames ? left : kChunkFrames;
      const bf16* window = shared.window[stage] + warp * kPatchPitch;
      FragmentB v[kPatchTiles];
#pragma unroll
      for (int j = 0; j < kPatchTiles; ++j) v[j] = load_b<true>(window + 16 * j, kPatchPitch);
      for (int t = 0; t < frames; t += 16) {
        FragmentA u[kPatchTiles];
#pragma unroll
        for (int i = 0; i < kPatchTiles; ++i)
          u[i] = load_a<true>(shared.gradients[stage] + t * kPatchPitch + 16 * i, kPatchPitch);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
          for (int j = 0; j < kPatchTiles; ++j) {
            if (half == 1) v[j] = load_b<true>(window + (t + kTapShift) * kPatchPitch + 16 * j, kPatchPitch);
#pragma unroll
            for (int i = 0; i < kPatchTiles; ++i) {
              multiply_add(sum[half][i][2 * j], u[i], v[j].v[0]);
              multiply_add(sum[half][i][2 * j + 1], u[i], v[j].v[1]);
            }
          }
        }
      }
    }

  // Eight output channels at a time to [tap][8][48] in shared memory, and from there with taps side by side.
  constexpr int kRowPitch = kPatch + 8, kTapPitch = 8 * kRowPitch + 2;
  float* slice = reinterpret_cast<float*>(&shared);
  static_assert(sizeof shared >= sizeof(float) * 2 * kTapWarps * kTapPitch);
  dweight = advanced(dweight, (blockIdx.z * d.channels + g * group) * Index{group} * length);
#pragma unroll
  for (int part = 0; part < 2 * kPatchTiles; ++part) {
    __syncthreads();
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int j = 0; j < 2 * kPatchTiles; ++j) {
        const float* own = sum[half][part / 2][j] + part % 2 * 2;
        float* to = slice + (half * kTapWarps + warp) * kTapPitch + lane / 4 * kRowPitch + 8 * j + lane % 4 * 2;
        *reinterpret_cast<float2*>(to) = {own[0], own[1]};
      }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < 2 * kTapWarps * 8 * kPatch; i += kTapThreads) {
      const int t = i % (2 * kTapWarps), c = i / (2 * kTapWarps) % kPatch, k = i / (2 * kTapWarps * kPatch);
      const int l = tap + t % kTapWarps + t / kTapWarps * kTapShift;
      if (l < length && in + c < group && out + part * 8 + k < group)
        deliver(dweight, (Index{out + part * 8 + k} * group + in + c) * length + l, slice[t * kTapPitch + k * kRowPitch + c]);
    }
  }
}

/// Whether a group's channels are whole words of 16 bytes.
inline bool in_wide_words(const Conv1dDims& d, const bf16* a, const bf16* b) {
  const auto address = reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b);
  return address % sizeof(Word) == 0 && d.in / d.groups % kWord == 0;
}

}  // namespace

void conv_positional_forward(const Exec& exec, Conv1dDims d, bf16* y, bf16* z, const bf16* x, const float* weight,
                             const float* bias) {
  if (d.batch * d.time * d.in == 0) return;
  const PackedTaps<bf16> packed(exec, d, weight);
  with_patches(exec, d, in_wide_words(d, x, x), [&](auto together, auto wide, const Grid& grid) {
    launch(exec, "conv_positional_forward_bf16", conv_positional_forward_bf16_kernel<together, wide>, grid,
           slide_dims(d, false), y, z, x, packed.data(), bias);
  });
}

void conv_positional_backward(const Exec& exec, Conv1dDims d, Grad<bf16> dx, Grad<float> dweight, Grad<float> dbias, bf16* dz,
                              const bf16* dy, const bf16* x, const bf16* z, const float* weight) {
  gelu_backward_sums(exec, {d.batch * d.time, d.out}, dz, dbias, dy, z);
  const bool wide = in_wide_words(d, x, dz);
  if (dx && d.batch * d.time * d.in > 0) {
    const PackedTaps<bf16> packed(exec, d, weight);
    with_patches(exec, d, wide, [&](auto together, auto whole_words, const Grid& grid) {
      launch(exec, "conv_positional_backward_input_bf16", conv_positional_backward_input_bf16_kernel<together, whole_words>,
             grid, slide_dims(d, true), dx, dy, dz, packed.data());
    });
  }
  if (!dweight) return;
  const Index group = d.in / d.groups, n = d.out * group * d.taps, tiles = pieces(group, kPatch);
  const Index blocks = tiles * tiles * pieces(d.taps, kBlockTaps) * 2;
  const Index stretch = positional_stretch(d, 2 * blocks);  // a block has a processor to itself
  const Index stretches = stretch > 0 ? pieces(d.batch, stretch) : 1;
  const Grid grid = {.x = blocks, .y = d.groups, .z = stretches, .threads = kTapThreads};
  const WorkspaceOf<float> partial(exec, stretches > 1 ? stretches * n : 0);
  const Grad<float> to = stretches > 1 ? Grad<float>{partial.data(), GradMode::overwrite} : dweight;
  if (wide)
    launch(exec, "conv_positional_backward_weight_bf16", conv_positional_backward_weight_bf16_kernel<true>, grid,
           slide_dims(d, false), stretch, to, dz, x);
  else
    launch(exec, "conv_positional_backward_weight_bf16", conv_positional_backward_weight_bf16_kernel<false>, grid,
           slide_dims(d, false), stretch, to, dz, x);
  if (stretches > 1) sum_stretches<float>(exec, n, stretches, dweight, partial.data());
}

}  // namespace anylead::cuda_ops
