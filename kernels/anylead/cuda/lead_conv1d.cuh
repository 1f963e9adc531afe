// The first convolution, from leads as they are recorded [B, C, T], with the lead mask in the same pass (Oh et al. 2022, 3.2):
//
//   masked[b, t, c] = keep[b, c] ? x[b, c, t] : 0;  z = convolution of masked, without padding and groups
//
// Leads that are masked are neither loaded nor multiplied. Mapping: a block has up to four tiles of 64 frames (double: 32) of a
// segment, as many as leave enough blocks, and 128 (64) output channels, a thread each with all frames of a tile in registers.
// Samples lie in shared memory as [channel and tap][frame], so that four frames of one product come by one load, the same for
// all threads: 4 FMA a load. Weights [channels, 32 + 1] are turned there. Shared memory 25 KB. Bound: the stores of z; FMA (12
// leads, 2 taps: 24 a number) stay just below. Mean and squared deviations of a tile are two passes over registers.
//
// Traffic of the block with group norm, whose statistics come first (conv1d_statistics.cuh), 24 segments, 12 leads of 2500
// samples, half of them masked, to 256 channels, in units of the fewest bytes: memory 1.07, asked for 1.44.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/lead_conv1d_backward.cuh>

namespace anylead::cuda_ops {
namespace {

template <class T>
constexpr int kLeadFrames = 256 / sizeof(T);
template <class T>
constexpr int kLeadThreads = 512 / sizeof(T);
constexpr int kLeadResident = 5;                    // blocks of a processor at a time, at least
constexpr Index kLeadTiles = 4, kLeadBlocks = 396;  // of a block, at most; three for each processor of an H100

/// Samples of a lead that the frames of a block reach.
__host__ __device__ constexpr Index lead_span(const Conv1dDims& d, Index frames) { return (frames - 1) * d.stride + d.taps; }

/// Tiles of frames of a segment: all, and those of a block.
template <class T>
struct LeadTiles {
  Index all, together;

  explicit LeadTiles(const Conv1dDims& d) : all(pieces(d.out_time(), kLeadFrames<T>)) {
    const Index fitting = all * pieces(d.out, kLeadThreads<T>) * d.batch / kLeadBlocks;
    together = fitting < 1 ? 1 : fitting < kLeadTiles ? fitting : kLeadTiles;
  }
};

/// Block (i, j, b): tiles i together .. of the frames, tile j of the output channels of segment b. z, activated [B, T', K];
/// mean, squares [B, tiles, K] of a tile; any of them may be null. Where there is a norm, what is activated is normed first.
/// x [B, C, T], keep [B, C] or null, weight [K, C, L].
template <class T>
__global__ __launch_bounds__(kLeadThreads<T>,
                             kLeadResident) void lead_conv1d_kernel(Conv1dDims d, LeadTiles<T> tiles, T* z, T* activated,
                                                                    T* mean, T* squares, ChannelNorm<T> norm, const T* x,
                                                                    const Flag* keep, const T* weight, const T* bias) {
  constexpr int kFrames = kLeadFrames<T>, kThreads = kLeadThreads<T>;
  __shared__ alignas(16) T moved[kFirstTerms][kFrames];
  __shared__ T weights[kThreads][kFirstTerms + 1];
  const int leads = static_cast<int>(d.in), length = static_cast<int>(d.taps), stride = static_cast<int>(d.stride);
  const int time = static_cast<int>(d.time), out_time = static_cast<int>(d.out_time()), terms = leads * length;
  const int span = static_cast<int>(lead_span(d, kFrames));
  const Index b = blockIdx.z;
  const unsigned kept = kept_leads(d, keep, b);
  const int k0 = static_cast<int>(blockIdx.y) * kThreads, k = k0 + static_cast<int>(threadIdx.x);
  const int outs = static_cast<int>(d.out) - k0 < kThreads ? static_cast<int>(d.out) - k0 : kThreads;
  const bool used = k < d.out;
  for (int i = threadIdx.x; i < outs * terms; i += kThreads) weights[i / terms][i % terms] = weight[Index{k0} * terms + i];

  const Index first_tile = blockIdx.x * tiles.together, behind = first_tile + tiles.together;
  for (Index tile = first_tile; tile < behind && tile < tiles.all; ++tile) {
    const int first = static_cast<int>(tile) * kFrames, begin = first * stride;
    const int frames = out_time - first < kFrames ? out_time - first : kFrames;
    __syncthreads();  // the samples before have been used
    for (int c = 0; c < leads; ++c) {
      if (!(kept >> c & 1)) continue;
      for (int u = threadIdx.x; u < span; u += kThreads) {
        const T v = begin + u < time ? x[(b * leads + c) * time + begin + u] : T(0);
        for (int l = u % stride, t = u / stride; l < length && t >= 0; l += stride, --t)  // term l of frame t: t stride + l = u
          if (t < kFrames) moved[c * length + l][t] = v;
      }
    }
    __syncthreads();
    if (!used) continue;

    T sum[kFrames] = {};
    for (int c = 0; c < leads; ++c) {
      if (!(kept >> c & 1)) continue;
      for (int l = 0; l < length; ++l) {
        const T w = weights[threadIdx.x][c * length + l];
#pragma unroll
        for (int t = 0; t < kFrames; t += 4) {
          const Four<T> v = four(&moved[c * length + l][t]);
#pragma unroll
          for (int i = 0; i < 4; ++i) sum[t + i] += w * v.v[i];
        }
      }
    }
    const bool normed = norm.mean;
    const T add = bias ? bias[k] : T(0);
    const T middle = normed ? norm.mean[b * d.out + k] : T(0), scale = normed ? norm.rstd[b * d.out + k] : T(1);
    const T norm_weight = normed ? norm.weight[k] : T(1), norm_bias = normed ? norm.bias[k] : T(0);
    T total = 0;
#pragma unroll
    for (int t = 0; t < kFrames; ++t) {
      sum[t] += add;
      if (t < frames) {
        const Index i = (b * out_time + first + t) * d.out + k;
        if (z) z[i] = sum[t];
        if (activated) activated[i] = gelu((sum[t] - middle) * scale * norm_weight + norm_bias);
        total += sum[t];
      }
    }
    if (!mean) continue;
    const T m = total / static_cast<T>(frames);
    T deviations = 0;
#pragma unroll
    for (int t = 0; t < kFrames; ++t)
      if (t < frames) deviations += (sum[t] - m) * (sum[t] - m);
    const Index at = (b * tiles.all + tile) * d.out + k;
    mean[at] = m;
    squares[at] = deviations;
  }
}

template <class T>
void run_lead_conv1d(const Exec& exec, const Conv1dDims& d, T* z, T* activated, T* mean, T* squares, ChannelNorm<T> norm,
                     const T* x, const Flag* keep, const T* weight, const T* bias) {
  const LeadTiles<T> tiles(d);
  launch(
      exec, "lead_conv1d", lead_conv1d_kernel<T>,
      {.x = pieces(tiles.all, tiles.together), .y = pieces(d.out, kLeadThreads<T>), .z = d.batch, .threads = kLeadThreads<T>},
      d, tiles, z, activated, mean, squares, norm, x, keep, weight, bias);
}

}  // namespace

template <Real T>
Index lead_conv1d_product(const Exec& exec, Conv1dDims d, T* z, T* activated, T* mean, T* squares, const T* x, const Flag* keep,
                          const T* weight, const T* bias) {
  if (d.batch * d.out == 0) return 1;
  if (!fits_first_block(d)) {
    const WorkspaceOf<T> masked(exec, d.batch * d.time * d.in), own(exec, z ? 0 : d.batch * d.out_time() * d.out);
    lead_mask_forward<T>(exec, {d.batch, d.in, d.time}, masked.data(), x, keep);
    return conv1d_product<T>(exec, d, z ? z : own.data(), activated, mean, squares, masked.data(), weight, bias);
  }
  run_lead_conv1d<T>(exec, d, z, activated, mean, squares, {}, x, keep, weight, bias);
  return kLeadFrames<T>;
}

void lead_conv1d_normed_product(const Exec& exec, Conv1dDims d, float* activated, ChannelNorm<float> norm, const float* x,
                                const Flag* keep, const float* weight, const float* bias) {
  float* const unwanted = nullptr;
  run_lead_conv1d(exec, d, unwanted, activated, unwanted, unwanted, norm, x, keep, weight, bias);
}

}  // namespace anylead::cuda_ops
