// Group norm over time (Wu and He 2018, eq. 1-3): statistics of each segment and group of channels. Contracts:
// core/op_table.hpp.
//
//   y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(var + eps) over T and the C/G channels of the group, in two passes
//   dx = (g - mean g - n mean(g n)) rstd with g = dy weight, n = (x - mean) rstd;  dweight = sum dy n, dbias = sum dy
//
// Mapping: a block has a stripe of one segment: whole groups, together at most 32 channels, or one larger group. 32 threads lie
// side by side on channels, 16 deep in time, so that rows of 128 bytes are read; a thread's channels belong to one group.
// Groups as wide as one channel, the usual case, make stripes of 32. The parts of dweight and dbias, [B, 2, C], are added up by
// column sums. Shared memory: 16 x 33 numbers. Bound: bandwidth; x comes from memory once if a stripe (T x 128 bytes) stays in
// the cache, which for T = 1250 it does in L2.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kStripe = 32, kStripeRows = 16;

/// Where a thread stands: its channels are begin, begin + 32, ... < end, its frames threadIdx.y, + 16, ...
struct StripeLane {
  Index segment;
  Index begin, end;  ///< channels of the thread
  int first, last;   ///< lanes of its group
  Index group;
  bool used;  ///< the lane has a channel
};

/// Channels of a block.
inline __host__ __device__ Index stripe_channels(GroupNormDims d) {
  const Index group = d.channels / d.groups;
  return group >= kStripe ? group : kStripe / group * group;
}

__device__ inline StripeLane stripe_lane(GroupNormDims d) {
  const Index group = d.channels / d.groups, width = stripe_channels(d), start = blockIdx.x * width;
  const Index end = start + width < d.channels ? start + width : d.channels;
  const Index own = start + threadIdx.x;
  if (group >= kStripe) return {blockIdx.y, own, end, 0, kStripe, start / group, own < end};
  const int first = static_cast<int>(threadIdx.x / group * group);
  return {blockIdx.y, own, end, first, first + static_cast<int>(group), own / group, own < end};
}

inline Grid stripe_grid(GroupNormDims d) {
  return {
      .x = d.channels > 0 ? pieces(d.channels, stripe_channels(d)) : 0, .y = d.batch, .threads = kStripe, .rows = kStripeRows};
}

/// Sum of v over the threads of each lane of the stripe, to all threads of the lane. All threads of the block take part.
template <class T>
__device__ T lane_sum(T v, T (*part)[kStripe + 1]) {
  part[threadIdx.y][threadIdx.x] = v;
  __syncthreads();
  T total = 0;
#pragma unroll
  for (int y = 0; y < kStripeRows; ++y) total += part[y][threadIdx.x];
  __syncthreads();
  return total;
}

/// Sum over the lanes of the thread's group of a number that the threads of a lane agree on.
template <class T>
__device__ T group_sum(T v, const StripeLane& lane, T (*part)[kStripe + 1]) {
  if (threadIdx.y == 0) part[0][threadIdx.x] = lane.used ? v : T(0);
  __syncthreads();
  T total = 0;
  for (int i = lane.first; i < lane.last && i < kStripe; ++i) total += part[0][i];
  __syncthreads();
  return total;
}

/// Calls f(offset of the element) for the frames of a thread in channel c.
template <class F>
__device__ void for_frames(GroupNormDims d, const StripeLane& lane, Index c, F&& f) {
  const Index end = (lane.segment + 1) * d.time * d.channels, step = kStripeRows * d.channels;
#pragma unroll 4
  for (Index i = (lane.segment * d.time + threadIdx.y) * d.channels + c; i < end; i += step) f(i);
}

/// Sum of f(offset of the element) over the frames and channels of a thread.
template <class T, class F>
__device__ T stripe_sum(GroupNormDims d, const StripeLane& lane, F&& f) {
  T total = 0;
  for (Index c = lane.begin; c < lane.end; c += kStripe) {
    T part = 0;  // of one channel: short sums, then their sum
    for_frames(d, lane, c, [&](Index i) { part += f(i); });
    total += part;
  }
  return total;
}

/// x, y [B, T, C]; mean, rstd [B, G].
template <class T>
__global__ __launch_bounds__(kStripe* kStripeRows) void group_norm_forward_kernel(GroupNormDims d, T* y, T* mean, T* rstd,
                                                                                  const T* x, const T* weight, const T* bias,
                                                                                  T eps) {
  __shared__ T part[kStripeRows][kStripe + 1];
  const StripeLane lane = stripe_lane(d);
  const T count = static_cast<T>(d.time * (d.channels / d.groups));
  const T sum = lane_sum(stripe_sum<T>(d, lane, [&](Index i) { return x[i]; }), part);
  const T m = group_sum(sum, lane, part) / count;
  const T squares = lane_sum(stripe_sum<T>(d, lane, [&](Index i) { return (x[i] - m) * (x[i] - m); }), part);
  const T s = T(1) / std::sqrt(group_sum(squares, lane, part) / count + eps);
  for (Index c = lane.begin; c < lane.end; c += kStripe)
    for_frames(d, lane, c, [&](Index i) { y[i] = (x[i] - m) * s * weight[c] + bias[c]; });
  if (lane.used && threadIdx.y == 0 && threadIdx.x == static_cast<unsigned>(lane.first)) {
    mean[lane.segment * d.groups + lane.group] = m;
    rstd[lane.segment * d.groups + lane.group] = s;
  }
}

/// dx [B, T, C]; partial [B, 2, C]: sums over time of dy n and of dy.
template <class T>
__global__ __launch_bounds__(kStripe* kStripeRows) void group_norm_backward_kernel(GroupNormDims d, Grad<T> dx, T* partial,
                                                                                   const T* dy, const T* x, const T* weight,
                                                                                   const T* mean, const T* rstd) {
  __shared__ T part[kStripeRows][kStripe + 1];
  const StripeLane lane = stripe_lane(d);
  const Index statistic = lane.segment * d.groups + lane.group;
  const T m = lane.used ? mean[statistic] : T(0), s = lane.used ? rstd[statistic] : T(0);
  T sum_g = 0, sum_gn = 0;
  const Index width = stripe_channels(d);
  for (Index step = 0; step < width; step += kStripe) {  // as often for all threads: they meet in the sums
    const Index c = lane.begin + step;
    T b = 0, w = 0;
    if (c < lane.end)
      for_frames(d, lane, c, [&](Index i) {
        b += dy[i];
        w += dy[i] * (x[i] - m);
      });
    b = lane_sum(b, part);
    w = lane_sum(w, part) * s;
    if (c >= lane.end) continue;
    sum_g += b * weight[c];
    sum_gn += w * weight[c];
    if (threadIdx.y == 0) {
      partial[lane.segment * 2 * d.channels + c] = w;
      partial[(lane.segment * 2 + 1) * d.channels + c] = b;
    }
  }
  if (!dx) return;
  const T count = static_cast<T>(d.time * (d.channels / d.groups));
  const T mean_g = group_sum(sum_g, lane, part) / count, mean_gn = group_sum(sum_gn, lane, part) / count;
  for (Index c = lane.begin; c < lane.end; c += kStripe)
    for_frames(d, lane, c, [&](Index i) { deliver(dx, i, (dy[i] * weight[c] - mean_g - (x[i] - m) * s * mean_gn) * s); });
}

}  // namespace

template <Real T>
void group_norm_forward(const Exec& exec, GroupNormDims d, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                        T eps) {
  launch(exec, "group_norm_forward", group_norm_forward_kernel<T>, stripe_grid(d), d, y, mean, rstd, x, weight, bias, eps);
}

template <Real T>
void group_norm_backward(const Exec& exec, GroupNormDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                         const T* weight, const T* mean, const T* rstd) {
  if (!dx && !dweight && !dbias) return;
  const WorkspaceOf<T> partial(exec, d.batch * 2 * d.channels);
  launch(exec, "group_norm_backward", group_norm_backward_kernel<T>, stripe_grid(d), d, dx, partial.data(), dy, x, weight, mean,
         rstd);
  column_sums(exec, {d.batch, 2 * d.channels}, dweight, dbias, d.channels, Plain<T>{partial.data(), 2 * d.channels});
}

template <Real T>
void provide_group_norm(OpTable<T>& table) {
  table.group_norm_forward = group_norm_forward<T>;
  table.group_norm_backward = group_norm_backward<T>;
}

}  // namespace anylead::cuda_ops
