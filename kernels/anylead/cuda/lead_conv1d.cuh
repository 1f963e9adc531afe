// The first convolution, from leads as they are recorded [B, C, T], with the lead mask in the same pass (Oh et al. 2022, 3.2):
//
//   masked[b, t, c] = keep[b, c] ? x[b, c, t] : 0;  z = convolution of masked, without padding and groups
//
// Leads that are masked are neither loaded nor multiplied. Mapping: a block has 64 frames (double: 32) of a segment and 128
// (64) output channels, a thread each with all frames in registers. Samples lie in shared memory as [channel and tap][frame],
// so that four frames of one product come by one load, the same for all threads: 4 FMA a load. Weights [channels, 32 + 1] are
// turned there. Shared memory 25 KB. Mean and squared deviations of a tile are two passes over registers.
//
// With group norm the products are computed twice: once for the moments of the tiles, and once for y = gelu of the norm, for
// which each thread joins its channel's moments; z is in no memory. Bound: FMA (12 leads, 2 taps: 48 a number) and GELU, of
// which there is as much as of the stores of y; writing z and reading it again would take twice the time of either.
//
// Traffic, 24 segments, 12 leads of 2500 samples to 256 channels, in units of the fewest bytes: memory 1.03, asked for 1.5.
// With half of the leads masked: half of x and of the products.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/lead_conv1d_backward.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kLeadTerms = 32;  // most products of a sum
template <class T>
constexpr int kLeadFrames = 256 / sizeof(T);
template <class T>
constexpr int kLeadThreads = 512 / sizeof(T);

/// Samples of a lead that the frames of a block reach.
__host__ __device__ constexpr Index lead_span(const Conv1dDims& d, Index frames) { return (frames - 1) * d.stride + d.taps; }

template <class T>
bool fits_lead_kernel(const Conv1dDims& d) {
  return d.groups == 1 && d.padding == 0 && d.in * d.taps <= kLeadTerms;
}

/// How activated is normalised: moments of the tiles [B, tiles, K], or null: not at all; weight, bias [K]; mean, rstd [B, K].
template <class T>
struct LeadNorm {
  const T *tile_mean, *tile_squares, *weight, *bias;
  T *mean, *rstd, eps;
};

/// Block (i, j, b): tile i of the frames, tile j of the output channels of segment b. z, activated [B, T', K]; mean, squares
/// [B, tiles, K]; z, activated, mean may be null. x [B, C, T], keep [B, C] or null, weight [K, C, L].
template <class T>
__global__ __launch_bounds__(kLeadThreads<T>) void lead_conv1d_kernel(Conv1dDims d, T* z, T* activated, T* mean, T* squares,
                                                                      const T* x, const Flag* keep, const T* weight,
                                                                      const T* bias, LeadNorm<T> norm) {
  constexpr int kFrames = kLeadFrames<T>, kThreads = kLeadThreads<T>;
  __shared__ alignas(16) T moved[kLeadTerms][kFrames];
  __shared__ T weights[kThreads][kLeadTerms + 1];
  const int leads = static_cast<int>(d.in), length = static_cast<int>(d.taps), stride = static_cast<int>(d.stride);
  const int time = static_cast<int>(d.time), terms = leads * length;
  const Index b = blockIdx.z, out_time = d.out_time();
  const int first = static_cast<int>(blockIdx.x) * kFrames;
  const int left = static_cast<int>(out_time) - first, frames = left < kFrames ? left : kFrames;
  const int begin = first * stride, span = static_cast<int>(lead_span(d, kFrames));

  for (int c = 0; c < leads; ++c) {
    if (keep && !keep[b * leads + c]) continue;
    for (int u = threadIdx.x; u < span; u += kThreads) {
      const T v = begin + u < time ? x[(b * leads + c) * time + begin + u] : T(0);
      for (int l = u % stride, t = u / stride; l < length && t >= 0; l += stride, --t)  // term l of frame t: t stride + l = u
        if (t < kFrames) moved[c * length + l][t] = v;
    }
  }
  const int k0 = static_cast<int>(blockIdx.y) * kThreads, k = k0 + static_cast<int>(threadIdx.x);
  const int outs = static_cast<int>(d.out) - k0 < kThreads ? static_cast<int>(d.out) - k0 : kThreads;
  for (int i = threadIdx.x; i < outs * terms; i += kThreads) weights[i / terms][i % terms] = weight[Index{k0} * terms + i];
  __syncthreads();

  if (k >= d.out) return;
  T center = 0, scale = 1, norm_weight = 1, shift = 0;
  if (norm.tile_mean) {
    const int tiles = static_cast<int>(gridDim.x);
    const Index own = b * tiles * d.out + k;
    const auto count = [&](int i) { return static_cast<T>(i + 1 < tiles ? kFrames : out_time - Index{i} * kFrames); };
    for (int i = 0; i < tiles; ++i) center += count(i) * norm.tile_mean[own + i * d.out];
    center /= static_cast<T>(out_time);
    T all = 0;
    for (int i = 0; i < tiles; ++i) {
      const T off = norm.tile_mean[own + i * d.out] - center;
      all += norm.tile_squares[own + i * d.out] + count(i) * off * off;
    }
    scale = T(1) / std::sqrt(all / static_cast<T>(out_time) + norm.eps);
    norm_weight = norm.weight[k];
    shift = norm.bias[k];
    if (blockIdx.x == 0) {
      norm.mean[b * d.out + k] = center;
      norm.rstd[b * d.out + k] = scale;
    }
  }
  T sum[kFrames] = {};
  for (int c = 0; c < leads; ++c) {
    if (keep && !keep[b * leads + c]) continue;
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
  const T add = bias ? bias[k] : T(0);
  T total = 0;
#pragma unroll
  for (int t = 0; t < kFrames; ++t) {
    sum[t] += add;
    if (t < frames) {
      const Index i = (b * out_time + first + t) * d.out + k;
      if (z) z[i] = sum[t];
      if (activated) activated[i] = gelu((sum[t] - center) * scale * norm_weight + shift);
      total += sum[t];
    }
  }
  if (!mean) return;
  const T m = total / static_cast<T>(frames);
  T deviations = 0;
#pragma unroll
  for (int t = 0; t < kFrames; ++t)
    if (t < frames) deviations += (sum[t] - m) * (sum[t] - m);
  const Index at = (b * gridDim.x + blockIdx.x) * d.out + k;
  mean[at] = m;
  squares[at] = deviations;
}

template <class T>
void launch_lead_conv1d(const Exec& exec, const Conv1dDims& d, T* z, T* activated, T* mean, T* squares, const T* x,
                        const Flag* keep, const T* weight, const T* bias, LeadNorm<T> norm) {
  launch(exec, "lead_conv1d", lead_conv1d_kernel<T>,
         {.x = pieces(d.out_time(), kLeadFrames<T>),
          .y = pieces(d.out, kLeadThreads<T>),
          .z = d.batch,
          .threads = kLeadThreads<T>},
         d, z, activated, mean, squares, x, keep, weight, bias, norm);
}

}  // namespace

template <Real T>
Index lead_conv1d_product(const Exec& exec, Conv1dDims d, T* z, T* activated, T* mean, T* squares, const T* x, const Flag* keep,
                          const T* weight, const T* bias) {
  if (d.batch * d.out == 0) return 1;
  if (!fits_lead_kernel<T>(d)) {
    const WorkspaceOf<T> masked(exec, d.batch * d.time * d.in), own(exec, z ? 0 : d.batch * d.out_time() * d.out);
    lead_mask_forward<T>(exec, {d.batch, d.in, d.time}, masked.data(), x, keep);
    return conv1d_product<T>(exec, d, z ? z : own.data(), activated, mean, squares, masked.data(), weight, bias);
  }
  launch_lead_conv1d(exec, d, z, activated, mean, squares, x, keep, weight, bias, LeadNorm<T>{});
  return kLeadFrames<T>;
}

template <Real T>
bool lead_conv1d_group_norm_gelu_forward(const Exec& exec, Conv1dDims d, T* y, T* mean, T* rstd, const T* x, const Flag* keep,
                                         const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps) {
  if (!fits_lead_kernel<T>(d)) return false;
  if (d.batch * d.out == 0) return true;
  const Index moments = d.batch * pieces(d.out_time(), kLeadFrames<T>) * d.out;
  const WorkspaceOf<T> parts(exec, 2 * moments);
  T *const tile_mean = parts.data(), *const tile_squares = tile_mean + moments, *const unwanted = nullptr;
  launch_lead_conv1d(exec, d, unwanted, unwanted, tile_mean, tile_squares, x, keep, weight, bias, LeadNorm<T>{});
  launch_lead_conv1d(exec, d, unwanted, y, unwanted, unwanted, x, keep, weight, bias,
                     LeadNorm<T>{tile_mean, tile_squares, norm_weight, norm_bias, mean, rstd, eps});
  return true;
}

}  // namespace anylead::cuda_ops
