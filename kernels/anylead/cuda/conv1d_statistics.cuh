// Forward of a first block with group norm: the statistics of z come before z, which is written once and not read again.
//
// z[b, t, k] = bias[k] + w_k X_t, where X, the rows [T', L C] of x, has few columns, so that a channel's mean and variance over
// a segment follow from those of X:
//
//   mean z = bias + w mean(X),  var z = w^T cov(X) w
//
// Computed in double: neighbouring samples and leads are alike, and the variance of their differences is far smaller than the
// terms that it is the sum of. Sums are those of differences from the segment's first row.
//
// Mapping: a block has 256 frames of a segment, 128 at a time; thread (i, j) has columns i, i + 8, .. of X times column j, of
// the triangle. Then a block has 32 channels of a segment, eight threads each. Shared memory 34 KB. What follows is the
// product, which normalises and activates its results (conv1d_kernels.cuh).
//
// Traffic of the block, 24 segments, 12 leads of 2500 samples, 256 channels, in units of the fewest bytes: memory 1.06, asked
// for 1.23.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/first_block.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>

namespace anylead::cuda_ops {
namespace {

constexpr int kMomentColumns = kFirstTerms + 1;  // of X, and one of ones
constexpr int kMomentLanes = 32, kMomentDepth = 8, kMomentThreads = kMomentLanes * kMomentDepth;
constexpr int kMomentRows = (kMomentColumns + kMomentDepth - 1) / kMomentDepth;  // of a thread
constexpr int kMomentFrames = 256;                                               // of a block
constexpr int kMomentTile = 128;                                                 // at a time
static_assert(kFirstTerms <= kMomentLanes);

/// Place of (i, j), j <= i, in a triangle.
__host__ __device__ constexpr int triangle(int i, int j) { return i * (i + 1) / 2 + j; }
/// Numbers from one triangle of `all` rows in memory to the next: whole sectors.
__host__ __device__ constexpr int triangle_pitch(int all) { return (triangle(all, 0) + 3) / 4 * 4; }

/// Block (s, b): frames 256 s .. of segment b. moments [B, stretches, triangle_pitch of L C + 1]: sums over the frames of
/// products of two columns of X, differences from the segment's first row; the last column is 1.
template <class T>
__global__ __launch_bounds__(kMomentThreads) void first_block_moments_kernel(Conv1dDims d, double* moments, Samples<T> x) {
  __shared__ double tile[kMomentTile][kMomentColumns];
  __shared__ double origin[kFirstTerms];
  const int leads = static_cast<int>(d.in), length = static_cast<int>(d.taps), terms = leads * length, all = terms + 1,
            thread = threadIdx.y * kMomentLanes + threadIdx.x;
  const Index time = d.out_time(), begin = Index{blockIdx.x} * kMomentFrames, b = blockIdx.y;
  const int frames = static_cast<int>(time - begin < kMomentFrames ? time - begin : kMomentFrames);
  const unsigned kept = kept_leads(d, x.keep, b);
  x.x += b * d.time * d.in;
  if (thread < terms) {
    const int lead = thread / length, tap = thread % length;
    if (kept >> lead & 1) origin[thread] = double(sum_t<T>(x.x[lead * x.lead_step + tap * x.time_step]));
  }
  double sum[kMomentRows] = {};
  for (int first = 0; first < frames; first += kMomentTile) {
    const int rows = frames - first < kMomentTile ? frames - first : kMomentTile;
    __syncthreads();  // the rows before have been used, and the first one is here
    const auto fill = [&](int row, int lead, int tap) {
      const int column = lead * length + tap;
      const Index from = lead * x.lead_step + ((begin + first + row) * d.stride + tap) * x.time_step;
      tile[row][column] = kept >> lead & 1 ? double(sum_t<T>(x.x[from])) - origin[column] : 0.;
    };
    if (x.time_step == 1)  // a warp for a lead: recordings may begin within a sector
      for (int lead = threadIdx.y; lead < leads; lead += kMomentDepth)
        for_sectors<32>(threadIdx.x, x.x + lead * x.lead_step + (begin + first) * d.stride, rows * length,
                        [&](int i) { fill(i / length, lead, i % length); });
    else
      for (int i = thread; i < rows * terms; i += kMomentThreads) fill(i / terms, i % leads, i % terms / leads);
    for (int r = thread; r < rows; r += kMomentThreads) tile[r][terms] = 1;
    __syncthreads();
    const int j = threadIdx.x;
    if (j >= terms) continue;
#pragma unroll 2
    for (int r = 0; r < rows; ++r) {
      const double v = tile[r][j];
#pragma unroll
      for (int q = 0; q < kMomentRows; ++q)
        if (const int i = threadIdx.y + kMomentDepth * q; i < all && i >= j) sum[q] += tile[r][i] * v;
    }
  }
  moments += (b * gridDim.x + blockIdx.x) * triangle_pitch(all);
#pragma unroll
  for (int q = 0; q < kMomentRows; ++q)
    if (const int i = threadIdx.y + kMomentDepth * q, j = threadIdx.x; i < all && j < terms && j <= i)
      moments[triangle(i, j)] = sum[q];
}

/// Block (j, b): channels 32 j .. of segment b. mean, rstd [B, K]; weight [K, C, L], rounded as the product rounds it; leads
/// that are not kept have none.
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(kMomentThreads, 4) void first_block_statistics_kernel(Conv1dDims d, int stretches, A* mean,
                                                                                   A* rstd, const double* moments, Samples<T> x,
                                                                                   const A* weight, const A* bias, A eps) {
  __shared__ double about[triangle(kMomentColumns, 0)];  // sums over the segment
  __shared__ double part[kMomentDepth][2][kMomentLanes];
  __shared__ A weights[kMomentLanes][kMomentColumns];
  const int terms = static_cast<int>(d.taps * d.in), pairs = triangle(terms, terms),
            thread = threadIdx.y * kMomentLanes + threadIdx.x;
  const Index b = blockIdx.y, first = Index{blockIdx.x} * kMomentLanes, k = first + threadIdx.x;
  const int channels = static_cast<int>(d.out - first < kMomentLanes ? d.out - first : kMomentLanes);
  const int pitch = triangle_pitch(terms + 1);
  moments += b * stretches * pitch;
  for (int i = thread; i < pairs; i += kMomentThreads) {
    double sum = 0;
    for (int s = 0; s < stretches; ++s) sum += moments[s * pitch + i];
    about[i] = sum;
  }
  const int length = static_cast<int>(d.taps);
  const unsigned kept = kept_leads(d, x.keep, b);
  for (int i = thread; i < channels * terms; i += kMomentThreads)
    weights[i / terms][i % terms] = kept >> i % terms / length & 1 ? A(T(weight[first * terms + i])) : A(0);
  __syncthreads();
  const double share = 1 / static_cast<double>(d.out_time());
  const double* const sums = about + triangle(terms, 0);  // of the columns
  const T* const row = x.x + b * d.time * d.in;
  double along = 0, spread = 0;
  if (threadIdx.x < channels)
    for (int i = threadIdx.y; i < terms; i += kMomentDepth) {
      const double own = weights[threadIdx.x][i], middle = sums[i] * share;
      double others = 0;
      for (int j = 0; j < i; ++j)
        others += weights[threadIdx.x][j] * (about[triangle(i, j)] * share - middle * (sums[j] * share));
      const T* const origin = row + i / length * x.lead_step + i % length * x.time_step;
      if (kept >> i / length & 1) along += own * (double(sum_t<T>(*origin)) + middle);
      spread += own * (2 * others + own * (about[triangle(i, i)] * share - middle * middle));
    }
  part[threadIdx.y][0][threadIdx.x] = along;
  part[threadIdx.y][1][threadIdx.x] = spread;
  __syncthreads();
  if (threadIdx.y != 0 || threadIdx.x >= channels) return;
  along = bias ? double(bias[k]) : 0.;
  spread = 0;
  for (int i = 0; i < kMomentDepth; ++i) {
    along += part[i][0][threadIdx.x];
    spread += part[i][1][threadIdx.x];
  }
  spread += along - along;  // 0, or NaN where the mean is not finite
  mean[b * d.out + k] = A(along);
  rstd[b * d.out + k] = A(1 / std::sqrt(at_least(0., spread) + double(eps)));
}

/// mean, rstd [B, K] of z.
template <class T, class A>
void first_block_statistics(const Exec& exec, const Conv1dDims& d, A* mean, A* rstd, Samples<T> x, const A* weight,
                            const A* bias, A eps) {
  const Index time = d.out_time(), stretches = pieces(time, kMomentFrames);
  if (d.batch * time * d.out == 0) return;
  const WorkspaceOf<double> moments(exec, d.batch * stretches * triangle_pitch(static_cast<int>(d.taps * d.in) + 1));
  launch(exec, "first_block_moments", first_block_moments_kernel<T>,
         {.x = stretches, .y = d.batch, .threads = kMomentLanes, .rows = kMomentDepth}, d, moments.data(), x);
  launch(exec, "first_block_statistics", first_block_statistics_kernel<T>,
         {.x = pieces(d.out, kMomentLanes), .y = d.batch, .threads = kMomentLanes, .rows = kMomentDepth}, d,
         static_cast<int>(stretches), mean, rstd, moments.data(), x, weight, bias, eps);
}

template <class T, class A>
void first_block_forward(const Exec& exec, const Conv1dDims& d, T* y, T* z, A* mean, A* rstd, const T* x, const A* weight,
                         const A* bias, const A* norm_weight, const A* norm_bias, A eps) {
  first_block_statistics(exec, d, mean, rstd, frame_samples(d, x), weight, bias, eps);
  conv1d_normed_product(exec, d, z, y, ChannelNorm<A>{mean, rstd, norm_weight, norm_bias}, x, weight, bias);
}

}  // namespace
}  // namespace anylead::cuda_ops
