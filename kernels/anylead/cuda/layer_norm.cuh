// Layer norm of rows (Ba et al. 2016, eq. 3), alone and after dropout and a residual sum. Contracts: core/op_table.hpp.
//
//   y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(var + eps), variance in two passes (an ECG's mean is large)
//   dx = (g - mean g - n mean(g n)) rstd with g = dy weight, n = (x - mean) rstd;  dweight = sum dy n, dbias = sum dy
//
// Forward: a warp per row, eight rows a block; no shared memory. The row comes from memory once, for the other passes from the
// cache. Backward: a block has 32 rows. Its warps compute dx row by row; then its threads go down the columns of the same rows,
// which the cache still holds, for the block's part of dweight and dbias; the parts [blocks, 2 C] are added up by column sums.
// Bound: bandwidth, each array moves once.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// One row, by a warp: y [C], mean [1], rstd [1]. y may be x.
template <class T>
__device__ void normalize_row(Index cols, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps) {
  const T m = row_sum<T>(cols, [&](const Lanes& at) { return at(x); }) / static_cast<T>(cols);
  const T var = row_sum<T>(cols,
                           [&](const Lanes& at) {
                             const Quad<T> v = at.keep(at(x) - m);
                             return v * v;
                           }) /
                static_cast<T>(cols);
  const T s = T(1) / std::sqrt(var + eps);
  for_row(cols, [&](const Lanes& at) { at.store(y, (at(x) - m) * s * at(weight) + at(bias)); });
  if (threadIdx.x == 0) {
    *mean = m;
    *rstd = s;
  }
}

/// x, y [R, C]; mean, rstd [R]; y may be x.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void layer_norm_forward_kernel(RowDims d, T* y, T* mean, T* rstd, const T* x,
                                                                                const T* weight, const T* bias, T eps) {
  const Index r = own_row(), o = r * d.cols;
  if (r < d.rows) normalize_row(d.cols, y + o, mean + r, rstd + r, x + o, weight, bias, eps);
}

/// s = x + dropout(a), then y = layer norm of s; all [R, C]; s may be a.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void residual_norm_forward_kernel(RowDims d, T* y, T* s, T* mean, T* rstd,
                                                                                   const T* x, const T* a, Dropout dropout,
                                                                                   const T* weight, const T* bias, T eps) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  for_numbered_row(o, d.cols, [&](const Lanes& at) {
    Quad<T> v = at(a + o);
    if (dropout.p != 0) v = v * dropout_factors<T>(dropout, at);
    at.store(s + o, at(x + o) + v);
  });
  __syncwarp();  // s is read by other lanes than wrote it
  normalize_row<T>(d.cols, y + o, mean + r, rstd + r, s + o, weight, bias, eps);
}

constexpr int kNormThreads = 256;
constexpr Index kNormRows = 32;  // of a block

/// Block i: rows 32 i ... dx = the gradient of s [R, C], da = dropout of it; partial [blocks, 2, C]: its parts of dweight and
/// dbias, unless null.
template <class T>
__global__ __launch_bounds__(kNormThreads) void residual_norm_backward_kernel(RowDims d, Grad<T> dx, Grad<T> da, T* partial,
                                                                              const T* dy, const T* s, Dropout dropout,
                                                                              const T* weight, const T* mean, const T* rstd) {
  const Index begin = blockIdx.x * kNormRows, end = begin + kNormRows < d.rows ? begin + kNormRows : d.rows;
  for (Index r = begin + threadIdx.y; r < end && (dx || da); r += kRowsPerBlock) {
    const Index o = r * d.cols;
    const T m = mean[r], inverse = rstd[r];
    Quad<T> sum_g = {}, sum_gx = {};
    for_row(d.cols, [&](const Lanes& at) {
      const Quad<T> g = at(dy + o) * at(weight);
      sum_g = sum_g + g;
      sum_gx = sum_gx + g * (at(s + o) - m);
    });
    const T mean_g = warp_sum(sum(sum_g)) / static_cast<T>(d.cols);
    const T mean_gx = warp_sum(sum(sum_gx)) * inverse / static_cast<T>(d.cols);
    for_numbered_row(o, d.cols, [&](const Lanes& at) {
      const Quad<T> normal = (at(s + o) - m) * inverse;
      const Quad<T> v = (at(dy + o) * at(weight) - mean_g - normal * mean_gx) * inverse;
      at.deliver(advanced(dx, o), v);
      if (da) at.deliver(advanced(da, o), dropout.p != 0 ? v * dropout_factors<T>(dropout, at) : v);
    });
  }
  if (!partial) return;
  partial += blockIdx.x * 2 * d.cols;
  for (Index c = threadIdx.y * 32 + threadIdx.x; c < d.cols; c += kNormThreads) {
    T w = 0, b = 0;
#pragma unroll 4
    for (Index r = begin; r < end; ++r) {
      const T g = dy[r * d.cols + c];
      w += g * (s[r * d.cols + c] - mean[r]) * rstd[r];
      b += g;
    }
    partial[c] = w;
    partial[d.cols + c] = b;
  }
}

}  // namespace

template <Real T>
void layer_norm_forward(const Exec& exec, RowDims d, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                        T eps) {
  launch(exec, "layer_norm_forward", layer_norm_forward_kernel<T>, row_grid(d.rows), d, y, mean, rstd, x, weight, bias, eps);
}

template <Real T>
void residual_norm_forward(const Exec& exec, RowDims d, T* y, T* s, T* mean, T* rstd, const T* x, const T* a, Dropout dropout,
                           const T* weight, const T* bias, T eps) {
  launch(exec, "residual_norm_forward", residual_norm_forward_kernel<T>, row_grid(d.rows), d, y, s, mean, rstd, x, a, dropout,
         weight, bias, eps);
}

template <Real T>
void residual_norm_backward(const Exec& exec, RowDims d, Grad<T> dx, Grad<T> da, Grad<T> dweight, Grad<T> dbias, const T* dy,
                            const T* s, Dropout dropout, const T* weight, const T* mean, const T* rstd) {
  const bool sums = dweight || dbias;
  if (!sums && !dx && !da) return;
  const Index blocks = pieces(d.rows, kNormRows);
  const WorkspaceOf<T> partial(exec, sums ? blocks * 2 * d.cols : 0);
  launch(exec, "residual_norm_backward", residual_norm_backward_kernel<T>, {.x = blocks, .threads = 32, .rows = kRowsPerBlock},
         d, dx, da, sums ? partial.data() : nullptr, dy, s, dropout, weight, mean, rstd);
  column_sums(exec, {blocks, 2 * d.cols}, dweight, dbias, d.cols, Plain<T>{partial.data(), 2 * d.cols});
}

template <Real T>
void layer_norm_backward(const Exec& exec, RowDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                         const T* weight, const T* mean, const T* rstd) {
  residual_norm_backward(exec, d, dx, Grad<T>{}, dweight, dbias, dy, x, Dropout{}, weight, mean, rstd);
}

template <Real T>
void provide_layer_norm(OpTable<T>& table) {
  table.layer_norm_forward = layer_norm_forward<T>;
  table.layer_norm_backward = layer_norm_backward<T>;
  table.residual_norm_forward = residual_norm_forward<T>;
  table.residual_norm_backward = residual_norm_backward<T>;
}

}  // namespace anylead::cuda_ops
