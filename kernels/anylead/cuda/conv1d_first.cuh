// Backward of a first block with group norm, whose input needs no gradient: dz is not written, dy and z are read once.
//
// dz = (u w - mean(u w) - n mean(u w n)) rstd (conv1d_block.cuh) is linear in sums over the frames of a segment, and X, the
// rows [T', L C] of x, has few columns:
//
//   dweight = sum over segments of rstd (w U - mean(u w) S - mean(u w n) N),  U = u^T X, N = n^T X, S = sum of the rows of X
//
// X is taken as difference from the segment's first row: dz sums to 0 over a segment, so that this changes nothing but the
// rounding, where a signal's mean is large.
//
// Mapping: a block has 128 channels of a stretch of a segment, four threads deep in frames, each with its channel's sums in
// registers; rows of X come 64 at a time. A second launch adds up depth, stretches and segments, a block for 32 channels and a
// term. Shared memory 24 KB. Bound: bandwidth, of dy and z, with 2 L C FMA and a slope of GELU beside each of them.
//
// Traffic, 24 segments, 12 leads of 2500 samples, 256 channels, in units of the fewest bytes: memory 1.12, asked for 1.28.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/numbers.cuh>

namespace anylead::cuda_ops {
namespace {

/// What a norm reads: z [B, T', K], statistics per channel [B, K] or frame [B, T'], weight and bias [K].
template <class T>
struct NormedFrames {
  const T* z;
  const sum_t<T>*mean, *rstd, *weight, *bias;
};

constexpr int kFirstTerms = 32;  // most columns of X
constexpr int kFirstLanes = 128, kFirstDepth = 4, kFirstThreads = kFirstLanes * kFirstDepth;
constexpr int kFirstFrames = 64;     // of X at a time
constexpr int kFirstSlice = 8;       // sums of a thread in shared memory at a time
constexpr Index kFirstBlocks = 132;  // that stretches are cut for
constexpr int kSegmentsDepth = 8;    // segments and stretches at a time in the second launch
constexpr int kSlopeSums = 3;        // of u, u n, n

/// Sums that a block leaves for each channel: U and N by terms, then kSlopeSums.
template <int kTerms>
constexpr int kFirstSums = 2 * kTerms + kSlopeSums;

/// Block (j, s, b): channels 128 j .., frames stretch s .. of segment b. sums [B, stretches, kFirstSums, K]; rows
/// [B, stretches, kTerms]: sums of X.
template <int kTerms>
__global__ __launch_bounds__(kFirstThreads) void first_block_sums_kernel(Conv1dDims d, int stretch, float* sums, float* rows,
                                                                         const float* dy, const float* x,
                                                                         NormedFrames<float> in) {
  constexpr int kRowsAtOnce = kFirstThreads / kTerms, kOwn = (kFirstFrames + kRowsAtOnce - 1) / kRowsAtOnce;
  __shared__ alignas(16) float tile[kFirstFrames][kTerms];
  __shared__ float part[kFirstDepth][kFirstSlice][kFirstLanes];
  const int thread = static_cast<int>(threadIdx.y) * kFirstLanes + threadIdx.x, column = thread % kTerms, row = thread / kTerms;
  const int terms = static_cast<int>(d.taps * d.in), step = static_cast<int>(d.stride * d.in),
            time = static_cast<int>(d.out_time());
  const Index b = blockIdx.z, k = Index{blockIdx.x} * kFirstLanes + threadIdx.x, place = b * gridDim.y + blockIdx.y;
  const int begin = static_cast<int>(blockIdx.y) * stretch, end = begin + stretch < time ? begin + stretch : time;
  const bool used = k < d.out, fetches = row < kRowsAtOnce && column < terms;
  const float* own_x = x + b * d.time * d.in + column;
  const float origin = fetches && time > 0 ? own_x[0] : 0.f;
  const float m = used ? in.mean[b * d.out + k] : 0.f, s = used ? in.rstd[b * d.out + k] : 0.f;
  const float w = used ? in.weight[k] : 0.f, add = used ? in.bias[k] : 0.f;

  float next[kOwn], row_sum = 0, all[(kFirstSums<kTerms> + kFirstSlice - 1) / kFirstSlice * kFirstSlice] = {};
  const auto fetch = [&](int first) {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int r = row + i * kRowsAtOnce, t = first + r;
      next[i] = fetches && r < kFirstFrames && t < end ? own_x[Index{t} * step] - origin : 0.f;
      row_sum += next[i];
    }
  };
  fetch(begin);
  for (int first = begin; first < end; first += kFirstFrames) {
    __syncthreads();  // the rows before have been used
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int r = row + i * kRowsAtOnce;
      if (row < kRowsAtOnce && r < kFirstFrames) tile[r][column] = next[i];
    }
    __syncthreads();
    fetch(first + kFirstFrames);
    if (!used) continue;
#pragma unroll 2
    for (int r = threadIdx.y; r < kFirstFrames; r += kFirstDepth) {
      if (first + r >= end) break;
      const Index i = (b * time + first + r) * d.out + k;
      const float n = (in.z[i] - m) * s, u = dy[i] * gelu_slope(n * w + add);
      all[2 * kTerms] += u;
      all[2 * kTerms + 1] += u * n;
      all[2 * kTerms + 2] += n;
#pragma unroll
      for (int c = 0; c < kTerms; c += 4) {
        const Four<float> v = four(&tile[r][c]);
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          all[c + e] += u * v.v[e];
          all[kTerms + c + e] += n * v.v[e];
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
  float* const row_sums = &part[0][0][0];
  __syncthreads();
  row_sums[thread] = row_sum;
  __syncthreads();
  if (thread >= kTerms) return;
  float total = 0;
  for (int r = 0; r < kRowsAtOnce; ++r) total += row_sums[r * kTerms + thread];
  rows[place * kTerms + thread] = total;
}

/// Gradients of a block's parameters, each as its mode says.
struct BlockGradients {
  Grad<float> weight, bias, norm_weight, norm_bias;
};

/// Block (j, i): channels 32 j .., term i of dweight; the blocks of term 0 have the other gradients as well.
template <int kTerms>
__global__ __launch_bounds__(32 * kSegmentsDepth) void first_block_gradients_kernel(Conv1dDims d, int stretches,
                                                                                    BlockGradients to, const float* sums,
                                                                                    const float* rows, const float* rstd,
                                                                                    const float* weight) {
  __shared__ float part[4][kSegmentsDepth][32];
  const Index k = Index{blockIdx.x} * 32 + threadIdx.x, out = d.out;
  const int term = static_cast<int>(blockIdx.y);
  const float frames = static_cast<float>(d.out_time()), share = frames > 0 ? 1 / frames : 0.f;
  float total[4] = {};  // of dweight, dbias, dnorm_weight, dnorm_bias
  if (k < out)
    for (Index b = threadIdx.y; b < d.batch; b += kSegmentsDepth) {
      float u = 0, un = 0, n = 0, own_u = 0, own_n = 0, row = 0;
      for (int s = 0; s < stretches; ++s) {
        const float* at = sums + (b * stretches + s) * kFirstSums<kTerms> * out + k;
        own_u += at[term * out];
        own_n += at[(kTerms + term) * out];
        u += at[2 * kTerms * out];
        un += at[(2 * kTerms + 1) * out];
        if (term == 0) n += at[(2 * kTerms + 2) * out];
        row += rows[(b * stretches + s) * kTerms + term];
      }
      const float w = weight[k], scale = rstd[b * out + k], mean_g = u * w * share, mean_gn = un * w * share;
      total[0] += scale * (w * own_u - mean_g * row - mean_gn * own_n);
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
  if (threadIdx.y == 0) deliver(to.weight, (k * d.in + term % d.in) * d.taps + term / d.in, sum);
  if (term != 0) return;
  if (threadIdx.y == 1) deliver(to.bias, k, sum);
  if (threadIdx.y == 2) deliver(to.norm_weight, k, sum);
  if (threadIdx.y == 3) deliver(to.norm_bias, k, sum);
}

/// Whether a block's rows of x are runs of few numbers.
inline bool fits_first_block(const Conv1dDims& d) {
  return d.groups == 1 && d.padding == 0 && d.taps * d.in > 0 && d.taps * d.in <= kFirstTerms;
}

/// launch_sums(stretch, stretches, sums, rows): first_block_sums_kernel<kTerms>, or another that leaves the same.
template <int kTerms, class T, class F>
void run_first_block_backward(const Exec& exec, const Conv1dDims& d, BlockGradients to, NormedFrames<T> in, F&& launch_sums) {
  const Index time = d.out_time(), others = d.batch * pieces(d.out, kFirstLanes);
  const Index wanted = pieces(kFirstBlocks, others > 0 ? others : 1), most = pieces(time, kFirstFrames);
  const Index cut = wanted < most ? wanted : most, stretch = cut > 0 ? pieces(time, cut) : 1;
  const Index stretches = time > 0 ? pieces(time, stretch) : 1;
  const WorkspaceOf<float> sums(exec, d.batch * stretches * kFirstSums<kTerms> * d.out);
  const WorkspaceOf<float> rows(exec, d.batch * stretches * kTerms);
  launch_sums(static_cast<int>(stretch), stretches, sums.data(), rows.data());
  launch(exec, "first_block_gradients", first_block_gradients_kernel<kTerms>,
         {.x = pieces(d.out, 32), .y = d.taps * d.in, .threads = 32, .rows = kSegmentsDepth}, d, static_cast<int>(stretches),
         to, sums.data(), rows.data(), in.rstd, in.weight);
}

inline bool fits_first_block_backward(const Conv1dDims& d, const float*, NormedFrames<float>) { return fits_first_block(d); }

inline void first_block_backward(const Exec& exec, const Conv1dDims& d, BlockGradients to, const float* dy, const float* x,
                                 NormedFrames<float> in) {
  const auto run = [&]<int kTerms>(std::integral_constant<int, kTerms>) {
    run_first_block_backward<kTerms>(exec, d, to, in, [&](int stretch, Index stretches, float* sums, float* rows) {
      launch(exec, "first_block_sums", first_block_sums_kernel<kTerms>,
             {.x = pieces(d.out, kFirstLanes), .y = stretches, .z = d.batch, .threads = kFirstLanes, .rows = kFirstDepth}, d,
             stretch, sums, rows, dy, x, in);
    });
  };
  const Index terms = d.taps * d.in;
  if (terms <= 8) return run(std::integral_constant<int, 8>{});
  if (terms <= 16) return run(std::integral_constant<int, 16>{});
  if (terms <= 24) return run(std::integral_constant<int, 24>{});
  run(std::integral_constant<int, kFirstTerms>{});
}

}  // namespace
}  // namespace anylead::cuda_ops
