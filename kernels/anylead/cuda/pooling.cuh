// Mean over the frames of a segment that are not padding. Contracts: core/op_table.hpp.
//
// Mapping: a block has 32 channels of a segment, 32 threads side by side on them and 16 deep in time; 2 x 16 x 33 numbers of
// shared memory. Backward: element by element. Bound: bandwidth.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kPoolChannels = 32, kPoolRows = 16;

/// y, count [B, C]; x [B, T, C]; padding [B, T] or null.
template <class T>
__global__ __launch_bounds__(kPoolChannels* kPoolRows) void mean_pool_forward_kernel(PoolDims d, bool non_zero, T* y, T* count,
                                                                                     const T* x, const Flag* padding) {
  __shared__ T sums[kPoolRows][kPoolChannels + 1], counts[kPoolRows][kPoolChannels + 1];
  const Index b = blockIdx.y, c = Index{blockIdx.x} * kPoolChannels + threadIdx.x;
  T sum = 0, n = 0;
  for (Index t = threadIdx.y; t < d.time && c < d.channels; t += kPoolRows) {
    if (padding && padding[b * d.time + t]) continue;
    const T v = x[(b * d.time + t) * d.channels + c];
    sum += v;
    n += T(!non_zero || v != T(0));
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  counts[threadIdx.y][threadIdx.x] = n;
  __syncthreads();
  if (threadIdx.y != 0 || c >= d.channels) return;
  sum = n = 0;
  for (int r = 0; r < kPoolRows; ++r) {
    sum += sums[r][threadIdx.x];
    n += counts[r][threadIdx.x];
  }
  count[b * d.channels + c] = n;
  y[b * d.channels + c] = n == T(0) ? T(0) : sum / n;
}

/// dx [B, T, C] = dy / count where neither padding nor a count of 0.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void mean_pool_backward_kernel(PoolDims d, Grad<T> dx, const T* dy,
                                                                                const T* count, const Flag* padding) {
  const Index r = own_row();
  if (r >= d.batch * d.time) return;
  const Index o = r / d.time * d.channels;
  const bool used = !padding || !padding[r];
  for_row(d.channels, [&](const Lanes& at) {
    const Quad<T> share = map(at(dy + o), at(count + o), [&](T v, T n) { return used && n != T(0) ? v / n : T(0); });
    at.deliver(advanced(dx, r * d.channels), share);
  });
}

}  // namespace

template <Real T>
void mean_pool_forward(const Exec& exec, PoolDims d, bool non_zero, T* y, T* count, const T* x, const Flag* padding) {
  launch(exec, "mean_pool_forward", mean_pool_forward_kernel<T>,
         {.x = pieces(d.channels, kPoolChannels), .y = d.batch, .threads = kPoolChannels, .rows = kPoolRows}, d, non_zero, y,
         count, x, padding);
}

template <Real T>
void mean_pool_backward(const Exec& exec, PoolDims d, Grad<T> dx, const T* dy, const T* count, const Flag* padding) {
  if (dx)
    launch(exec, "mean_pool_backward", mean_pool_backward_kernel<T>, row_grid(d.batch * d.time), d, dx, dy, count, padding);
}

template <Real T>
void provide_pooling(OpTable<T>& table) {
  table.mean_pool_forward = mean_pool_forward<T>;
  table.mean_pool_backward = mean_pool_backward<T>;
}

}  // namespace anylead::cuda_ops
