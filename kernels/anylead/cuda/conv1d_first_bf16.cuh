// Backward of a first block with group norm in bf16: the sums of first_block.cuh on tensor cores.
//
// Mapping: a block has 128 channels of a stretch of a segment, 32 frames at a time. Numbers of dy and z arrive in shared
// memory; the thread that has fetched them puts u and n = (z - mean) rstd in their place, rounded, and sums u n. Then a warp
// multiplies 16 channels by X, 32 columns: those of x, one of ones, whose products are the sums of u and n, and zeros. All sums
// are those of the rounded numbers, so that dz sums to 0 over a segment as it does in float; products of numbers in bf16 are
// exact, which makes an origin for X superfluous. The second launch is that of first_block.cuh. Shared memory 41 KB. Bound:
// bandwidth, of dy and z, with a slope of GELU beside each of them.
//
// Traffic, 24 segments, 12 leads of 2500 samples, 256 channels, in units of the fewest bytes: memory 1.23, asked for 1.48.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/async.cuh>
#include <anylead/cuda/conv1d_block.cuh>
#include <anylead/cuda/first_block.cuh>
#include <anylead/cuda/half_tile.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/mma.cuh>
#include <anylead/cuda/tile_mma.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kHalfFirstThreads = 256, kHalfFirstFrames = 32;
constexpr int kHalfFirstWords = kFirstLanes / kWord, kHalfFirstDepth = kHalfFirstThreads / kHalfFirstWords;
constexpr int kHalfFirstOwn = kHalfFirstFrames / kHalfFirstDepth;  // words of a thread, below each other
constexpr int kHalfFirstTiles = kFirstTerms / 8;                   // of eight columns
static_assert(kHalfFirstThreads / 32 * 16 == kFirstLanes);

struct alignas(16) HalfFirstShared {
  bf16 u[2][kHalfFirstFrames][kFirstLanes + kHalfPad];  ///< dy at first
  bf16 n[2][kHalfFirstFrames][kFirstLanes + kHalfPad];  ///< z at first
  bf16 x[2][kHalfFirstFrames][kFirstTerms + kHalfPad];
  float norm[4][kFirstLanes];  ///< mean, rstd, weight, bias
};

/// Block (j, s, b): channels 128 j .., frames stretch s .. of segment b. sums, rows as of first_block_sums_kernel<kFirstTerms>.
__global__ __launch_bounds__(kHalfFirstThreads, 2) void first_block_sums_bf16_kernel(Conv1dDims d, int stretch, float* sums,
                                                                                     float* rows, const bf16* dy, const bf16* x,
                                                                                     NormedFrames<bf16> in) {
  __shared__ HalfFirstShared shared;
  const int thread = threadIdx.x, word = thread % kHalfFirstWords * kWord, row = thread / kHalfFirstWords;
  const int terms = static_cast<int>(d.taps * d.in), step = static_cast<int>(d.stride * d.in),
            time = static_cast<int>(d.out_time()), out = static_cast<int>(d.out);
  const Index b = blockIdx.z, place = b * gridDim.y + blockIdx.y;
  const int first_channel = static_cast<int>(blockIdx.x) * kFirstLanes, k = first_channel + word;
  const int begin = static_cast<int>(blockIdx.y) * stretch, end = begin + stretch < time ? begin + stretch : time;
  const bool used = k < out;
  const bf16* own_x = x + b * d.time * d.in;
  dy += b * time * out;
  in.z += b * time * out;
  for (int i = thread; i < 4 * kFirstLanes; i += kHalfFirstThreads) {
    const int of = i / kFirstLanes, c = first_channel + i % kFirstLanes;
    const float* const from = of == 0 ? in.mean + b * out : of == 1 ? in.rstd + b * out : of == 2 ? in.weight : in.bias;
    shared.norm[of][i % kFirstLanes] = c < out ? from[c] : 0.f;
  }
  __syncthreads();
  float m[kWord], s[kWord], w[kWord], add[kWord], sum_un[kWord] = {};
#pragma unroll
  for (int e = 0; e < kWord; ++e) {
    m[e] = shared.norm[0][word + e];
    s[e] = shared.norm[1][word + e];
    w[e] = shared.norm[2][word + e];
    add[e] = shared.norm[3][word + e];
  }

  constexpr int kOwnX = kHalfFirstFrames * kFirstTerms / kHalfFirstThreads, kRowsX = kHalfFirstThreads / kFirstTerms;
  bf16 next_x[kOwnX];
  const auto fetch = [&](int first, int stage) {
#pragma unroll
    for (int i = 0; i < kHalfFirstOwn; ++i) {
      const int r = row + i * kHalfFirstDepth;
      const bool valid = used && first + r < end;
      const Index at = Index{first + r} * out + k;
      copy_async(reinterpret_cast<Word*>(&shared.u[stage][r][word]), reinterpret_cast<const Word*>(valid ? dy + at : dy),
                 valid);
      copy_async(reinterpret_cast<Word*>(&shared.n[stage][r][word]), reinterpret_cast<const Word*>(valid ? in.z + at : in.z),
                 valid);
    }
    commit_copies();
    const int column = thread % kFirstTerms;
#pragma unroll
    for (int i = 0; i < kOwnX; ++i) {
      const int t = first + thread / kFirstTerms + i * kRowsX;
      next_x[i] = t >= end || column > terms ? bf16(0.f) : column == terms ? bf16(1.f) : own_x[Index{t} * step + column];
    }
  };
  /// u and n in place of the own words
  const auto convert = [&](int first, int stage) {
#pragma unroll 1
    for (int i = 0; i < kHalfFirstOwn; ++i) {
      const int r = row + i * kHalfFirstDepth;
      Word& u = *reinterpret_cast<Word*>(&shared.u[stage][r][word]);
      Word& n = *reinterpret_cast<Word*>(&shared.n[stage][r][word]);
      Word slopes = {}, normed = {};
      if (first + r < end) {
        slopes = u;
        normed = n;
#pragma unroll
        for (int e = 0; e < kWord; ++e) {
          const float v = (float(normed.v[e]) - m[e]) * s[e];
          normed.v[e] = bf16(v);
          slopes.v[e] = bf16(float(slopes.v[e]) * gelu_slope(v * w[e] + add[e]));
          sum_un[e] += float(slopes.v[e]) * float(normed.v[e]);
        }
      }
      u = slopes;
      n = normed;
    }
    const int column = thread % kFirstTerms;
#pragma unroll
    for (int i = 0; i < kOwnX; ++i) shared.x[stage][thread / kFirstTerms + i * kRowsX][column] = next_x[i];
  };

  const int warp = thread / 32, lane = thread % 32;
  float sum[2][kHalfFirstTiles][4] = {}, row_sum = 0;  // of u, of n
  if (begin < end) fetch(begin, 0);
  for (int first = begin, stage = 0; first < end; first += kHalfFirstFrames, stage ^= 1) {
    await_copies<0>();
    convert(first, stage);
    __syncthreads();  // this step is complete, and nobody reads the other stage any more
    if (first + kHalfFirstFrames < end) fetch(first + kHalfFirstFrames, stage ^ 1);
#pragma unroll
    for (int t = 0; t < kHalfFirstFrames; t += 16) {
      const FragmentA u = load_a<true>(&shared.u[stage][t][16 * warp], kFirstLanes + kHalfPad);
      const FragmentA n = load_a<true>(&shared.n[stage][t][16 * warp], kFirstLanes + kHalfPad);
#pragma unroll
      for (int j = 0; j < kHalfFirstTiles; j += 2) {
        const FragmentB v = load_b<true>(&shared.x[stage][t][8 * j], kFirstTerms + kHalfPad);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          multiply_add(sum[0][j + half], u, v.v[half]);
          multiply_add(sum[1][j + half], n, v.v[half]);
        }
      }
    }
    if (blockIdx.x == 0 && thread < terms)
#pragma unroll 4
      for (int t = 0; t < kHalfFirstFrames; ++t) row_sum += float(shared.x[stage][t][thread]);
  }

  // (l, c) becomes (c, l)
  const auto column_of = [leads = static_cast<int>(d.in), length = static_cast<int>(d.taps)](int term) {
    return term % leads * length + term / leads;
  };
  sums += place * kFirstSums<kFirstTerms> * out + first_channel;
#pragma unroll
  for (int of = 0; of < 2; ++of)
#pragma unroll
    for (int j = 0; j < kHalfFirstTiles; ++j)
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const int term = 8 * j + lane % 4 * 2 + q % 2, channel = 16 * warp + lane / 4 + q / 2 * 8;
        const int at = term < terms ? of * kFirstTerms + column_of(term) : 2 * kFirstTerms + 2 * of;
        if (term <= terms && first_channel + channel < out) sums[at * out + channel] = sum[of][j][q];
      }
  if (blockIdx.x == 0 && thread < terms) rows[place * kFirstTerms + column_of(thread)] = row_sum;
  float* const part = reinterpret_cast<float*>(&shared);  // [16, 128]
  static_assert(sizeof shared >= sizeof(float) * kHalfFirstDepth * kFirstLanes);
  __syncthreads();
#pragma unroll
  for (int e = 0; e < kWord; ++e) part[row * kFirstLanes + word + e] = sum_un[e];
  __syncthreads();
  if (thread >= kFirstLanes || first_channel + thread >= out) return;
  float total = 0;
#pragma unroll
  for (int r = 0; r < kHalfFirstDepth; ++r) total += part[r * kFirstLanes + thread];
  sums[(2 * kFirstTerms + 1) * out + thread] = total;
}

/// As of float; rows of channels must be whole words, and the column of ones must have room.
inline bool first_block_of_frames(const Exec& exec, const Conv1dDims& d, BlockGradients to, const bf16* dy, const bf16* x,
                                  NormedFrames<bf16> in) {
  const auto address = reinterpret_cast<std::uintptr_t>(dy) | reinterpret_cast<std::uintptr_t>(in.z);
  if (!fits_first_block(d) || d.taps * d.in == kFirstTerms || d.out % kWord != 0 || address % sizeof(Word) != 0) return false;
  const FirstStretches stretches(d);
  const Flag* const all_kept = nullptr;
  run_first_block_backward<kFirstTerms>(exec, d, stretches, to, all_kept, in.rstd, in.weight, [&](float* sums, float* rows) {
    launch(exec, "first_block_sums_bf16", first_block_sums_bf16_kernel,
           {.x = pieces(d.out, kFirstLanes), .y = stretches.count, .z = d.batch, .threads = kHalfFirstThreads}, d,
           stretches.frames, sums, rows, dy, x, in);
  });
  return true;
}

}  // namespace
}  // namespace anylead::cuda_ops
