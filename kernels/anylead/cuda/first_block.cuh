// What passes of a first block with group norm share: its samples, and gradients out of sums over the frames of a segment.
//
// dz = (u w - mean(u w) - n mean(u w n)) rstd (conv1d_block.cuh) is linear in sums over the frames of a segment, and X
// [T', terms], the samples of each frame by the taps of the leads that are kept, has few columns:
//
//   dweight = sum over segments of rstd (w U - mean(u w) S - mean(u w n) N),  U = u^T X, N = n^T X, S = sum of the rows of X
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kFirstTerms = 32;  // most columns of X
constexpr int kFirstLanes = 128;
constexpr int kFirstFrames = 64;     // least stretch of a segment
constexpr Index kFirstBlocks = 132;  // that stretches are cut for
constexpr int kSegmentsDepth = 8;    // segments and stretches at a time in the second launch
constexpr int kSlopeSums = 3;        // of u, u n, n

/// Whether a block's sums have few terms.
inline bool fits_first_block(const Conv1dDims& d) {
  return d.groups == 1 && d.padding == 0 && d.taps * d.in > 0 && d.taps * d.in <= kFirstTerms;
}

/// Samples as they are recorded [B, C, T], without those that are masked; as frames [B, T, C].
template <class T>
Samples<T> recorded_samples(const Conv1dDims& d, const T* x, const Flag* keep) {
  return {x, keep, d.time, 1};
}
template <class T>
Samples<T> frame_samples(const Conv1dDims& d, const T* x) {
  return {x, nullptr, 1, d.in};
}

/// Sums that a block leaves for each channel: U and N by terms, then kSlopeSums.
template <int kTerms>
constexpr int kFirstSums = 2 * kTerms + kSlopeSums;

/// The leads of segment b that are kept, one bit for each; asked for by whole warps.
__device__ inline unsigned kept_leads(const Conv1dDims& d, const Flag* keep, Index b) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  return __ballot_sync(0xFFFFFFFFu, lane < d.in && (!keep || keep[b * d.in + lane]));
}

/// Gradients of a block's parameters, each as its mode says.
struct BlockGradients {
  Grad<float> weight, bias, norm_weight, norm_bias;
};

/// Block (j, i): channels 32 j .., term i of dweight, tap i % L of lead i / L; the blocks of term 0 have the other gradients.
template <int kTerms>
__global__ __launch_bounds__(32 * kSegmentsDepth, 2) void first_block_gradients_kernel(Conv1dDims d, int stretches,
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

/// Frames of a stretch, and stretches of a segment, so that there are enough blocks.
struct FirstStretches {
  int frames;
  Index count;

  explicit FirstStretches(const Conv1dDims& d) {
    const Index time = d.out_time(), others = d.batch * pieces(d.out, kFirstLanes);
    const Index wanted = pieces(kFirstBlocks, others > 0 ? others : 1), most = pieces(time, kFirstFrames);
    const Index cut = wanted < most ? wanted : most;
    frames = static_cast<int>(cut > 0 ? pieces(time, cut) : 1);
    count = time > 0 ? pieces(time, frames) : 1;
  }
};

/// launch_sums(sums, rows) leaves, for each segment and stretch, sums [kFirstSums, K] and rows [kTerms], sums of X.
template <int kTerms, class F>
void run_first_block_backward(const Exec& exec, const Conv1dDims& d, const FirstStretches& stretches, BlockGradients to,
                              const Flag* keep, const float* rstd, const float* norm_weight, F&& launch_sums) {
  const WorkspaceOf<float> sums(exec, d.batch * stretches.count * kFirstSums<kTerms> * d.out);
  const WorkspaceOf<float> rows(exec, d.batch * stretches.count * kTerms);
  launch_sums(sums.data(), rows.data());
  launch(exec, "first_block_gradients", first_block_gradients_kernel<kTerms>,
         {.x = pieces(d.out, 32), .y = d.taps * d.in, .threads = 32, .rows = kSegmentsDepth}, d,
         static_cast<int>(stretches.count), to, sums.data(), rows.data(), keep, rstd, norm_weight);
}

}  // namespace
}  // namespace anylead::cuda_ops
