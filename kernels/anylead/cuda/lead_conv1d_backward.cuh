// Backward of a first block with group norm: neither z, dz nor a masked copy of the recording is in memory, dy is read once.
//
// dz = (u w - mean(u w) - n mean(u w n)) rstd (conv1d_block.cuh) is linear in sums over the frames of a segment, and X
// [T', terms], the samples of each frame by the taps of the leads that are kept, has few columns:
//
//   dweight = sum over segments of rstd (w U - mean(u w) S - mean(u w n) N),  U = u^T X, N = n^T X, S = sum of the rows of X
//
// X is taken as difference from the segment's first row: dz sums to 0 over a segment, so that this changes nothing but the
// rounding, where a signal's mean is large. z comes from X again, without the convolution's constant, which mean loses too.
//
// Mapping: a block has 128 channels of a stretch of a segment, four threads deep in frames, each with its channel's sums in
// registers; rows of X come 64 at a time, of which a thread takes four together. A second launch adds up depth, stretches and
// segments, a block for 32 channels and a term. Shared memory 42 KB. Bound: bandwidth, of dy, and FMA: 3 terms and a slope of
// GELU beside each number of it.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kFirstTerms = 32;  // most columns of X
constexpr int kFirstLanes = 128, kFirstDepth = 4, kFirstThreads = kFirstLanes * kFirstDepth;
constexpr int kFirstFrames = 64;     // of X at a time
constexpr int kFirstTogether = 4;    // of a thread at a time
constexpr int kFirstSlice = 8;       // sums of a thread in shared memory at a time
constexpr Index kFirstBlocks = 132;  // that stretches are cut for
constexpr int kSegmentsDepth = 8;    // segments and stretches at a time in the second launch
constexpr int kSlopeSums = 3;        // of u, u n, n

/// Sums that a block leaves for each channel: U and N by terms, then kSlopeSums.
template <int kTerms>
constexpr int kFirstSums = 2 * kTerms + kSlopeSums;

/// The parameters of a block [K], weight [K, C, L], bias or null; and what its norm measured, [B, K].
struct FirstBlock {
  const float *weight, *bias, *norm_weight, *norm_bias, *mean, *rstd;
};

/// The leads of segment b that are kept, one bit for each; asked for by whole warps.
__device__ unsigned kept_leads(const Conv1dDims& d, const Flag* keep, Index b) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  return __ballot_sync(0xFFFFFFFFu, lane < d.in && (!keep || keep[b * d.in + lane]));
}

/// Block (j, s, b): channels 128 j .., frames stretch s .. of segment b. sums [B, stretches, kFirstSums, K]; rows
/// [B, stretches, kTerms]: sums of X. Column i L + l of X is tap l of the i-th lead that is kept.
template <int kTerms>
__global__ __launch_bounds__(kFirstThreads) void first_block_sums_kernel(Conv1dDims d, int stretch, float* sums, float* rows,
                                                                         const float* dy, const float* x, const Flag* keep,
                                                                         FirstBlock in) {
  constexpr int kPitch = kTerms + 4;  // threads of a warp store to rows: four banks apart, not eight
  constexpr int kColumnsAtOnce = kFirstThreads / kFirstFrames, kOwn = kTerms / kColumnsAtOnce;
  static_assert(kTerms % kColumnsAtOnce == 0);
  __shared__ alignas(16) float tile[kFirstFrames][kPitch];
  __shared__ float weights[kTerms][kFirstLanes];
  __shared__ float part[kFirstDepth][kFirstSlice][kFirstLanes];
  __shared__ float origin[kTerms];
  __shared__ int leads[kFirstTerms];
  const int thread = static_cast<int>(threadIdx.y) * kFirstLanes + threadIdx.x;
  const int length = static_cast<int>(d.taps), stride = static_cast<int>(d.stride), time = static_cast<int>(d.out_time());
  const Index b = blockIdx.z, first_k = Index{blockIdx.x} * kFirstLanes, k = first_k + threadIdx.x,
              place = b * gridDim.y + blockIdx.y;
  const int begin = static_cast<int>(blockIdx.y) * stretch, end = begin + stretch < time ? begin + stretch : time;
  const bool used = k < d.out;
  const unsigned kept = kept_leads(d, keep, b);
  const int terms = __popc(kept) * length;
  if (thread < 32 && kept >> thread & 1) leads[__popc(kept & ((1u << thread) - 1))] = thread;
  __syncthreads();
  const auto sample = [&](int column) { return x + (b * d.in + leads[column / length]) * d.time + column % length; };
  if (thread < kTerms) origin[thread] = thread < terms && time > 0 ? *sample(thread) : 0.f;
  for (int i = thread; i < kTerms * kFirstLanes; i += kFirstThreads) {
    const int column = i / kFirstLanes, lane = i % kFirstLanes;
    weights[column][lane] = column < terms && first_k + lane < d.out
                                ? in.weight[((first_k + lane) * d.in + leads[column / length]) * length + column % length]
                                : 0.f;
  }
  __syncthreads();
  float m = used ? in.mean[b * d.out + k] - (in.bias ? in.bias[k] : 0.f) : 0.f;
  const float s = used ? in.rstd[b * d.out + k] : 0.f;
  const float w = used ? in.norm_weight[k] : 0.f, add = used ? in.norm_bias[k] : 0.f;
  for (int c = 0; c < terms; ++c) m -= weights[c][threadIdx.x] * origin[c];

  const int column = thread / kFirstFrames, row = thread % kFirstFrames;
  float next[kOwn], row_sum[kOwn] = {}, all[(kFirstSums<kTerms> + kFirstSlice - 1) / kFirstSlice * kFirstSlice] = {};
  const auto fetch = [&](int first) {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int c = column + i * kColumnsAtOnce, t = first + row;
      next[i] = c < terms && t < end ? sample(c)[Index{t} * stride] - origin[c] : 0.f;
      row_sum[i] += next[i];
    }
  };
  fetch(begin);
  for (int first = begin; first < end; first += kFirstFrames) {
    __syncthreads();  // the rows before have been used
#pragma unroll
    for (int i = 0; i < kOwn; ++i) tile[row][column + i * kColumnsAtOnce] = next[i];
    __syncthreads();
    fetch(first + kFirstFrames);
    if (!used) continue;
    for (int r = threadIdx.y * kFirstTogether; r < kFirstFrames && first + r < end; r += kFirstDepth * kFirstTogether) {
      float slope[kFirstTogether], z[kFirstTogether] = {};
#pragma unroll
      for (int i = 0; i < kFirstTogether; ++i)
        slope[i] = first + r + i < end ? dy[(b * time + first + r + i) * d.out + k] : 0.f;
#pragma unroll
      for (int c = 0; c < kTerms; c += 4) {
        if (c >= terms) break;
#pragma unroll
        for (int i = 0; i < kFirstTogether; ++i) {
          const Four<float> v = four(&tile[r + i][c]);
#pragma unroll
          for (int e = 0; e < 4; ++e) z[i] += weights[c + e][threadIdx.x] * v.v[e];
        }
      }
#pragma unroll
      for (int i = 0; i < kFirstTogether; ++i) {
        const float n = first + r + i < end ? (z[i] - m) * s : 0.f, u = slope[i] * gelu_slope(n * w + add);
        all[2 * kTerms] += u;
        all[2 * kTerms + 1] += u * n;
        all[2 * kTerms + 2] += n;
#pragma unroll
        for (int c = 0; c < kTerms; c += 4) {
          if (c >= terms) break;
          const Four<float> v = four(&tile[r + i][c]);
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            all[c + e] += u * v.v[e];
            all[kTerms + c + e] += n * v.v[e];
          }
        }
      }
    }
  }
#pragma unroll
  for (int from = 0; from < kFirstSums<kTerms>; from += kFirstSlice) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kFirstSlice; ++i) part[threadIdx.y][i][threadIdx.x] = all[from + i];
    __syncthreads();
#pragma unroll
    for (int i = threadIdx.y; i < kFirstSlice; i += kFirstDepth) {
      if (!used || from + i >= kFirstSums<kTerms>) continue;
      float total = 0;
#pragma unroll
      for (int y = 0; y < kFirstDepth; ++y) total += part[y][i][threadIdx.x];
      sums[(place * kFirstSums<kTerms> + from + i) * d.out + k] = total;
    }
  }
  if (blockIdx.x != 0) return;
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {  // a column's rows lie in two warps
    const float half = warp_sum(row_sum[i]);
    if (row % 32 == 0) part[0][row / 32][column + i * kColumnsAtOnce] = half;
  }
  __syncthreads();
  if (thread < kTerms) rows[place * kTerms + thread] = part[0][0][thread] + part[0][1][thread];
}

/// Gradients of a block's parameters, each as its mode says.
struct BlockGradients {
  Grad<float> weight, bias, norm_weight, norm_bias;
};

/// Block (j, i): channels 32 j .., term i of dweight, tap i % L of lead i / L; the blocks of term 0 have the other gradients.
template <int kTerms>
__global__ __launch_bounds__(32 * kSegmentsDepth) void first_block_gradients_kernel(Conv1dDims d, int stretches,
                                                                                    BlockGradients to, const float* sums,
                                                                                    const float* rows, const Flag* keep,
                                                                                    const float* rstd, const float* weight) {
  __shared__ float part[4][kSegmentsDepth][32];
  const Index k = Index{blockIdx.x} * 32 + threadIdx.x, out = d.out;
  const int term = static_cast<int>(blockIdx.y), length = static_cast<int>(d.taps), lead = term / length;
  const float frames = static_cast<float>(d.out_time()), share = frames > 0 ? 1 / frames : 0.f;
  float total[4] = {};  // of dweight, dbias, dnorm_weight, dnorm_bias
  for (Index b = threadIdx.y; b < d.batch; b += kSegmentsDepth) {
    const unsigned kept = kept_leads(d, keep, b);
    if (k >= out) continue;
    const bool there = kept >> lead & 1;
    const int column = there ? __popc(kept & ((1u << lead) - 1)) * length + term % length : 0;
    float u = 0, un = 0, n = 0, own_u = 0, own_n = 0, row = 0;
    for (int s = 0; s < stretches; ++s) {
      const float* at = sums + (b * stretches + s) * kFirstSums<kTerms> * out + k;
      if (there) {
        own_u += at[column * out];
        own_n += at[(kTerms + column) * out];
        row += rows[(b * stretches + s) * kTerms + column];
      }
      u += at[2 * kTerms * out];
      un += at[(2 * kTerms + 1) * out];
      if (term == 0) n += at[(2 * kTerms + 2) * out];
    }
    const float w = weight[k], scale = rstd[b * out + k], mean_g = u * w * share, mean_gn = un * w * share;
    if (there) total[0] += scale * (w * own_u - mean_g * row - mean_gn * own_n);
    total[1] -= scale * mean_gn * n;
    total[2] += un;
    total[3] += u;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) part[i][threadIdx.y][threadIdx.x] = total[i];
  __syncthreads();
  if (threadIdx.y >= 4 || k >= out) return;
  float sum = 0;
#pragma unroll
  for (int y = 0; y < kSegmentsDepth; ++y) sum += part[threadIdx.y][y][threadIdx.x];
  if (threadIdx.y == 0) deliver(to.weight, k * d.in * d.taps + term, sum);
  if (term != 0) return;
  if (threadIdx.y == 1) deliver(to.bias, k, sum);
  if (threadIdx.y == 2) deliver(to.norm_weight, k, sum);
  if (threadIdx.y == 3) deliver(to.norm_bias, k, sum);
}

template <int kTerms>
void run_first_block_backward(const Exec& exec, const Conv1dDims& d, BlockGradients to, const float* dy, const float* x,
                              const Flag* keep, FirstBlock in) {
  const Index time = d.out_time(), others = d.batch * pieces(d.out, kFirstLanes);
  const Index wanted = pieces(kFirstBlocks, others > 0 ? others : 1), most = pieces(time, kFirstFrames);
  const Index cut = wanted < most ? wanted : most, stretch = cut > 0 ? pieces(time, cut) : 1;
  const Index stretches = time > 0 ? pieces(time, stretch) : 1;
  const WorkspaceOf<float> sums(exec, d.batch * stretches * kFirstSums<kTerms> * d.out);
  const WorkspaceOf<float> rows(exec, d.batch * stretches * kTerms);
  launch(exec, "first_block_sums", first_block_sums_kernel<kTerms>,
         {.x = pieces(d.out, kFirstLanes), .y = stretches, .z = d.batch, .threads = kFirstLanes, .rows = kFirstDepth}, d,
         static_cast<int>(stretch), sums.data(), rows.data(), dy, x, keep, in);
  launch(exec, "first_block_gradients", first_block_gradients_kernel<kTerms>,
         {.x = pieces(d.out, 32), .y = d.taps * d.in, .threads = 32, .rows = kSegmentsDepth}, d, static_cast<int>(stretches),
         to, sums.data(), rows.data(), keep, in.rstd, in.norm_weight);
}

}  // namespace

bool lead_conv1d_group_norm_gelu_backward(const Exec& exec, Conv1dDims d, Grad<float> dweight, Grad<float> dbias,
                                          Grad<float> dnorm_weight, Grad<float> dnorm_bias, const float* dy, const float* x,
                                          const Flag* keep, const float* weight, const float* bias, const float* norm_weight,
                                          const float* norm_bias, const float* mean, const float* rstd) {
  const Index terms = d.taps * d.in;
  if (terms == 0 || terms > kFirstTerms) return false;
  const auto run = terms <= 8    ? run_first_block_backward<8>
                   : terms <= 16 ? run_first_block_backward<16>
                   : terms <= 24 ? run_first_block_backward<24>
                                 : run_first_block_backward<kFirstTerms>;
  run(exec, d, {dweight, dbias, dnorm_weight, dnorm_bias}, dy, x, keep, {weight, bias, norm_weight, norm_bias, mean, rstd});
  return true;
}

}  // namespace anylead::cuda_ops
