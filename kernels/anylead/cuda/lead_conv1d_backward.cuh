// Backward of a first block with group norm, in float: dz is not in memory, nor need z or a masked copy of the recording be; dy
// is read once. Formula: first_block.cuh.
//
// X is taken as difference from the segment's first row: dz sums to 0 over a segment, so that this changes nothing but the
// rounding, where a signal's mean is large. Where z was not kept it comes from X again, without the convolution's constant,
// which mean loses too.
//
// Mapping: a block has 128 channels of a stretch of a segment, four threads deep in frames, each with its channel's sums in
// registers; rows of X come 64 at a time, of which a thread takes four together (one where they have more than 24 columns). A
// second launch adds up depth, stretches and segments, a block for 32 channels and a term. Shared memory 42 KB. Bound:
// bandwidth, of dy and a z that was kept, and FMA: 2 or 3 terms and a slope of GELU beside each number of it.
//
// Traffic, 24 segments, 12 leads of 2500 samples, 256 channels, in units of the fewest bytes: out of recorded leads, half of
// them masked, memory 1.18, asked for 1.46; where z was kept, 1.12 and 1.28.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/first_block.cuh>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kFirstDepth = 4, kFirstThreads = kFirstLanes * kFirstDepth;
template <int kTerms>
constexpr int kFirstTogether = kTerms > 24 ? 1 : 4;  // frames of a thread at a time: registers
constexpr int kFirstSlice = 8;                       // sums of a thread in shared memory at a time

/// The parameters of a block [K], weight [K, C, L], bias or null; and what its norm measured, [B, K].
struct FirstBlock {
  const float *weight, *bias, *norm_weight, *norm_bias, *mean, *rstd;
};

/// Element i of `rows` rows of X as neighbouring threads fetch them: samples side by side in memory.
struct SamplePlace {
  int row, lead, tap;

  template <class T>
  __device__ SamplePlace(const Conv1dDims& d, const Samples<T>& x, int i, int rows) {
    const int leads = static_cast<int>(d.in), length = static_cast<int>(d.taps), terms = leads * length;
    if (x.time_step == 1) {
      lead = i / (rows * length);
      row = i / length % rows;
      tap = i % length;
    } else {
      row = i / terms;
      tap = i % terms / leads;
      lead = i % leads;
    }
  }
};

/// Block (j, s, b): channels 128 j .., frames stretch s .. of segment b. sums [B, stretches, kFirstSums, K]; rows
/// [B, stretches, kTerms]: sums of X. Column i L + l of X is tap l of the i-th lead that is kept. kKept: z is read.
template <int kTerms, bool kKept>
__global__ __launch_bounds__(kFirstThreads, 1) void first_block_sums_kernel(Conv1dDims d, int stretch, float* sums, float* rows,
                                                                            const float* dy, Samples<float> x,
                                                                            const float* kept_z, FirstBlock in) {
  constexpr int kPitch = kTerms + 4;  // threads of a warp store to rows: four banks apart, not eight
  constexpr int kTogether = kFirstTogether<kTerms>, kOwn = kTerms * kFirstFrames / kFirstThreads;
  static_assert(kTerms * kFirstFrames % kFirstThreads == 0);
  __shared__ alignas(16) float tile[kFirstFrames][kPitch];
  __shared__ float weights[kTerms][kFirstLanes + 1];  // rows arrive as columns
  __shared__ float part[kFirstDepth][kFirstSlice][kFirstLanes];
  __shared__ float origin[kTerms];
  __shared__ int leads[kFirstTerms];
  const int thread = static_cast<int>(threadIdx.y) * kFirstLanes + threadIdx.x;
  const int length = static_cast<int>(d.taps), stride = static_cast<int>(d.stride), time = static_cast<int>(d.out_time());
  const Index b = blockIdx.z, first_k = Index{blockIdx.x} * kFirstLanes, k = first_k + threadIdx.x,
              place = b * gridDim.y + blockIdx.y;
  const int begin = static_cast<int>(blockIdx.y) * stretch, end = begin + stretch < time ? begin + stretch : time;
  const bool used = k < d.out;
  const unsigned kept = kept_leads(d, x.keep, b);
  const int terms = __popc(kept) * length;
  if (thread < 32 && kept >> thread & 1) leads[__popc(kept & ((1u << thread) - 1))] = thread;
  __syncthreads();
  const float* const samples = x.x + b * d.time * d.in;
  if (thread < kTerms)
    origin[thread] =
        thread < terms && time > 0 ? samples[leads[thread / length] * x.lead_step + thread % length * x.time_step] : 0.f;
  if constexpr (!kKept) {
    const int all = static_cast<int>(d.in) * length;  // of a row of weights
    for (int i = thread; i < kFirstLanes * all; i += kFirstThreads) {
      const int lane = i / all, lead = i % all / length;
      if (kept >> lead & 1)
        weights[__popc(kept & ((1u << lead) - 1)) * length + i % length][lane] =
            first_k + lane < d.out ? in.weight[first_k * all + i] : 0.f;
    }
    for (int i = terms * kFirstLanes + thread; i < kTerms * kFirstLanes; i += kFirstThreads)
      weights[i / kFirstLanes][i % kFirstLanes] = 0;
  }
  __syncthreads();
  float m = used ? in.mean[b * d.out + k] - (!kKept && in.bias ? in.bias[k] : 0.f) : 0.f;
  const float s = used ? in.rstd[b * d.out + k] : 0.f;
  const float w = used ? in.norm_weight[k] : 0.f, add = used ? in.norm_bias[k] : 0.f;
  if constexpr (!kKept)
    for (int c = 0; c < terms; ++c) m -= weights[c][threadIdx.x] * origin[c];

  int to[kOwn], from[kOwn];  // places in a tile that this thread fetches, -1 for none, and in the segment
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
    const SamplePlace of(d, x, thread + i * kFirstThreads, kFirstFrames);
    const bool there = of.row < kFirstFrames && of.lead < d.in && kept >> of.lead & 1;
    to[i] = there ? of.row * kPitch + __popc(kept & ((1u << of.lead) - 1)) * length + of.tap : -1;
    from[i] = static_cast<int>(of.lead * x.lead_step + (of.row * stride + of.tap) * x.time_step);
  }
  for (int i = thread; i < kFirstFrames * kPitch; i += kFirstThreads) (&tile[0][0])[i] = 0;  // columns behind the last
  const int step = stride * static_cast<int>(x.time_step);
  float next[kOwn], row_sum = 0, all[(kFirstSums<kTerms> + kFirstSlice - 1) / kFirstSlice * kFirstSlice] = {};
  const auto fetch = [&](int first) {
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
      next[i] =
          to[i] >= 0 && first + to[i] / kPitch < end ? samples[from[i] + Index{first} * step] - origin[to[i] % kPitch] : 0.f;
  };
  fetch(begin);
  for (int first = begin; first < end; first += kFirstFrames) {
    __syncthreads();  // the rows before have been used
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
      if (to[i] >= 0) (&tile[0][0])[to[i]] = next[i];
    __syncthreads();
    fetch(first + kFirstFrames);
    if (blockIdx.x == 0 && thread < kTerms)
#pragma unroll 4
      for (int r = 0; r < kFirstFrames; ++r) row_sum += tile[r][thread];
    if (!used) continue;
    for (int r = threadIdx.y * kTogether; r < kFirstFrames && first + r < end; r += kFirstDepth * kTogether) {
      float slope[kTogether], z[kTogether] = {};
#pragma unroll
      for (int i = 0; i < kTogether; ++i) slope[i] = first + r + i < end ? dy[(b * time + first + r + i) * d.out + k] : 0.f;
      if constexpr (kKept) {
#pragma unroll
        for (int i = 0; i < kTogether; ++i)
          if (first + r + i < end) z[i] = kept_z[(b * time + first + r + i) * d.out + k];
      } else {
#pragma unroll
        for (int c = 0; c < kTerms; c += 4) {
          if (c >= terms) break;
#pragma unroll
          for (int i = 0; i < kTogether; ++i) {
            const Four<float> v = four(&tile[r + i][c]);
#pragma unroll
            for (int e = 0; e < 4; ++e) z[i] += weights[c + e][threadIdx.x] * v.v[e];
          }
        }
      }
#pragma unroll
      for (int i = 0; i < kTogether; ++i) {
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
  if (blockIdx.x == 0 && thread < kTerms) rows[place * kTerms + thread] = row_sum;
}

}  // namespace

bool first_block_backward(const Exec& exec, Conv1dDims d, Grad<float> dweight, Grad<float> dbias, Grad<float> dnorm_weight,
                          Grad<float> dnorm_bias, const float* dy, Samples<float> x, const float* z, const float* weight,
                          const float* bias, const float* norm_weight, const float* norm_bias, const float* mean,
                          const float* rstd) {
  if (!fits_first_block(d)) return false;
  const auto run = [&]<int kTerms, bool kKept>(std::integral_constant<int, kTerms>, std::bool_constant<kKept>) {
    const FirstStretches stretches(d);
    run_first_block_backward<kTerms>(exec, d, stretches, {dweight, dbias, dnorm_weight, dnorm_bias}, x.keep, rstd, norm_weight,
                                     [&](float* sums, float* rows) {
                                       launch(exec, "first_block_sums", first_block_sums_kernel<kTerms, kKept>,
                                              {.x = pieces(d.out, kFirstLanes),
                                               .y = stretches.count,
                                               .z = d.batch,
                                               .threads = kFirstLanes,
                                               .rows = kFirstDepth},
                                              d, stretches.frames, sums, rows, dy, x, z,
                                              FirstBlock{weight, bias, norm_weight, norm_bias, mean, rstd});
                                     });
  };
  const auto run_terms = [&](auto kept) {
    const Index terms = d.taps * d.in;
    if (terms <= 8) return run(std::integral_constant<int, 8>{}, kept);
    if (terms <= 16) return run(std::integral_constant<int, 16>{}, kept);
    if (terms <= 24) return run(std::integral_constant<int, 24>{}, kept);
    run(std::integral_constant<int, kFirstTerms>{}, kept);
  };
  if (z)
    run_terms(std::true_type{});
  else
    run_terms(std::false_type{});
  return true;
}

}  // namespace anylead::cuda_ops
