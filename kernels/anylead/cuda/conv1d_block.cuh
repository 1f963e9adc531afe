// A block of the feature extractor: convolution, norm, GELU (Baevski et al. 2020, section 2). Contracts: core/op_table.hpp.
//
//   z = convolution of x (conv1d.cuh), n = (z - mean) rstd, y = gelu(n w + b);  without a norm y = gelu(z)
//   u = dy gelu'(n w + b);  dz = (u w - mean(u w) - n mean(u w n)) rstd;  dw = sum u n, db = sum u
//
// No norm: the product writes z and y. Group norm (a channel over time): the product's tiles also give mean and squared
// deviations of their rows of each channel, and one pass over z combines them and writes y; z moves twice, y once. Layer norm
// (a frame over channels): a warp per frame. Backward, group: a block has 32 channels of one segment, 16 threads deep in time;
// u is kept in dz between its two passes. Backward, layer: a block has 32 frames; its warps take frames for u and their means,
// then its threads columns for dz and the block's part of dw, db. Parts [.., 2, K] are added up by column sums. Bound:
// bandwidth around the products.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/moments.cuh>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kBlockLanes = 32;      // channels of a block, side by side
constexpr int kForwardDepth = 8;     // frames of a forward block at a time
constexpr int kForwardFrames = 256;  // frames of a forward block
constexpr int kBackwardDepth = 16;   // frames of a backward block at a time
constexpr int kFrameRows = 32;       // frames of a layer norm's backward block
constexpr int kFrameWarps = 8;

/// What a norm reads: z [B, T', K], statistics per channel [B, K] or frame [B, T'], weight and bias [K].
template <class T>
struct NormedFrames {
  const T *z, *mean, *rstd, *weight, *bias;
};

/// Block (i, j, b): frames 256 i .., channels 32 j .. of segment b. tile_mean, tile_squares [B, tiles, K] of tile_rows frames.
template <class T>
__global__ __launch_bounds__(kBlockLanes* kForwardDepth) void block_group_forward_kernel(Conv1dDims d, T* y, T* mean, T* rstd,
                                                                                         const T* z, const T* tile_mean,
                                                                                         const T* tile_squares, Index tile_rows,
                                                                                         const T* weight, const T* bias,
                                                                                         T eps) {
  __shared__ Moments<T> part[kForwardDepth][kBlockLanes];
  const Index k = Index{blockIdx.y} * kBlockLanes + threadIdx.x, b = blockIdx.z, time = d.out_time();
  const bool used = k < d.out;
  const Index tiles = (time + tile_rows - 1) / tile_rows;
  Moments<T> all;
  for (Index i = threadIdx.y; i < tiles && used; i += kForwardDepth) {
    const Index at = (b * tiles + i) * d.out + k, left = time - i * tile_rows;
    all.add(Moments<T>{static_cast<int>(left < tile_rows ? left : tile_rows), tile_mean[at], tile_squares[at]});
  }
  part[threadIdx.y][threadIdx.x] = all;
  __syncthreads();
  if (!used) return;
  all = {};
#pragma unroll
  for (int i = 0; i < kForwardDepth; ++i) all.add(part[i][threadIdx.x]);
  const T m = all.mean, s = T(1) / std::sqrt(at_least(T(0), all.squares) / static_cast<T>(time) + eps);
  const T w = weight[k], add = bias[k];
  if (blockIdx.x == 0 && threadIdx.y == 0) {
    mean[b * d.out + k] = m;
    rstd[b * d.out + k] = s;
  }
  const Index begin = Index{blockIdx.x} * kForwardFrames, end = begin + kForwardFrames < time ? begin + kForwardFrames : time;
#pragma unroll 4
  for (Index t = begin + threadIdx.y; t < end; t += kForwardDepth) {
    const Index i = (b * time + t) * d.out + k;
    y[i] = gelu((z[i] - m) * s * w + add);
  }
}

/// Block (j, b): channels 32 j .. of segment b. dz [B, T', K]; partial [B, 2, K]: sums over time of u n and of u.
template <class T>
__global__ __launch_bounds__(kBlockLanes* kBackwardDepth) void block_group_backward_kernel(Conv1dDims d, T* dz, T* partial,
                                                                                           const T* dy, NormedFrames<T> in) {
  __shared__ T part[2][kBackwardDepth][kBlockLanes];
  const Index k = Index{blockIdx.x} * kBlockLanes + threadIdx.x, b = blockIdx.y, time = d.out_time();
  const bool used = k < d.out;
  const T m = used ? in.mean[b * d.out + k] : T(0), s = used ? in.rstd[b * d.out + k] : T(0);
  const T w = used ? in.weight[k] : T(0), add = used ? in.bias[k] : T(0);
  T sum_u = 0, sum_un = 0;
  if (used) {
#pragma unroll 2
    for (Index t = threadIdx.y; t < time; t += kBackwardDepth) {
      const Index i = (b * time + t) * d.out + k;
      const T n = (in.z[i] - m) * s, u = dy[i] * gelu_slope(n * w + add);
      dz[i] = u;
      sum_u += u;
      sum_un += u * n;
    }
  }
  part[0][threadIdx.y][threadIdx.x] = sum_un;
  part[1][threadIdx.y][threadIdx.x] = sum_u;
  __syncthreads();
  if (!used) return;
  sum_u = sum_un = 0;
#pragma unroll
  for (int i = 0; i < kBackwardDepth; ++i) {
    sum_un += part[0][i][threadIdx.x];
    sum_u += part[1][i][threadIdx.x];
  }
  if (threadIdx.y == 0) {
    partial[b * 2 * d.out + k] = sum_un;
    partial[(b * 2 + 1) * d.out + k] = sum_u;
  }
  const T mean_g = sum_u / static_cast<T>(time), mean_gn = sum_un / static_cast<T>(time);
#pragma unroll 4
  for (Index t = threadIdx.y; t < time; t += kBackwardDepth) {
    const Index i = (b * time + t) * d.out + k;
    dz[i] = (dz[i] - mean_g - (in.z[i] - m) * s * mean_gn) * w * s;
  }
}

/// A warp per frame: y = gelu of its layer norm. z, y [R, C]; mean, rstd [R].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void block_layer_forward_kernel(RowDims d, T* y, T* mean, T* rstd, const T* z,
                                                                                 const T* weight, const T* bias, T eps) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const T m = row_sum<T>(d.cols, [&](const Lanes& at) { return at(z + o); }) / static_cast<T>(d.cols);
  const T squares = row_sum<T>(d.cols, [&](const Lanes& at) {
    const Quad<T> v = at.keep(at(z + o) - m);
    return v * v;
  });
  const T s = T(1) / std::sqrt(squares / static_cast<T>(d.cols) + eps);
  for_row(d.cols, [&](const Lanes& at) {
    at.store(y + o, map((at(z + o) - m) * s * at(weight) + at(bias), [](T v) { return gelu(v); }));
  });
  if (threadIdx.x == 0) {
    mean[r] = m;
    rstd[r] = s;
  }
}

/// Block i: frames 32 i ... dz [R, C]; partial [blocks, 2, C]: the block's sums of u n and of u.
template <class T>
__global__ __launch_bounds__(32 * kFrameWarps) void block_layer_backward_kernel(RowDims d, T* dz, T* partial, const T* dy,
                                                                                NormedFrames<T> in) {
  __shared__ T mean_g[kFrameRows], mean_gn[kFrameRows];
  const Index begin = Index{blockIdx.x} * kFrameRows, end = begin + kFrameRows < d.rows ? begin + kFrameRows : d.rows;
  for (Index r = begin + threadIdx.y; r < end; r += kFrameWarps) {
    const Index o = r * d.cols;
    const T m = in.mean[r], s = in.rstd[r];
    Quad<T> sum_g = {}, sum_gn = {};
    for_row(d.cols, [&](const Lanes& at) {
      const Quad<T> n = (at(in.z + o) - m) * s, w = at(in.weight);
      const Quad<T> u = at(dy + o) * map(n * w + at(in.bias), [](T v) { return gelu_slope(v); });
      at.store(dz + o, u);
      sum_g = sum_g + u * w;
      sum_gn = sum_gn + u * w * n;
    });
    const T g = warp_sum(sum(sum_g)) / static_cast<T>(d.cols), gn = warp_sum(sum(sum_gn)) / static_cast<T>(d.cols);
    if (threadIdx.x == 0) {
      mean_g[r - begin] = g;
      mean_gn[r - begin] = gn;
    }
  }
  __syncthreads();
  for (Index c = threadIdx.y * 32 + threadIdx.x; c < d.cols; c += 32 * kFrameWarps) {
    const T w = in.weight[c];
    T sum_u = 0, sum_un = 0;
#pragma unroll 4
    for (Index r = begin; r < end; ++r) {
      const T s = in.rstd[r], n = (in.z[r * d.cols + c] - in.mean[r]) * s, u = dz[r * d.cols + c];
      sum_u += u;
      sum_un += u * n;
      dz[r * d.cols + c] = (u * w - mean_g[r - begin] - n * mean_gn[r - begin]) * s;
    }
    partial[blockIdx.x * 2 * d.cols + c] = sum_un;
    partial[(blockIdx.x * 2 + 1) * d.cols + c] = sum_u;
  }
}

}  // namespace

template <Real T>
void conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, T* y, T* z, T* mean, T* rstd, const T* x,
                              const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps) {
  const Index time = d.out_time();
  if (norm == BlockNorm::group) {
    const Index rows = conv1d_statistics_rows<T>(d), tiles = d.batch * pieces(time, rows);
    const WorkspaceOf<T> statistics(exec, 2 * tiles * d.out);
    T* const squares = statistics.data() + tiles * d.out;
    conv1d_product<T>(exec, d, z, nullptr, statistics.data(), squares, x, weight, bias);
    launch(exec, "block_group_forward", block_group_forward_kernel<T>,
           {.x = pieces(time, kForwardFrames),
            .y = pieces(d.out, kBlockLanes),
            .z = d.batch,
            .threads = kBlockLanes,
            .rows = kForwardDepth},
           d, y, mean, rstd, z, statistics.data(), squares, rows, norm_weight, norm_bias, eps);
  } else if (norm == BlockNorm::layer) {
    const RowDims rows = {d.batch * time, d.out};
    conv1d_product<T>(exec, d, z, nullptr, nullptr, nullptr, x, weight, bias);
    launch(exec, "block_layer_forward", block_layer_forward_kernel<T>, row_grid(rows.rows), rows, y, mean, rstd, z, norm_weight,
           norm_bias, eps);
  } else {
    conv1d_product<T>(exec, d, z, y, nullptr, nullptr, x, weight, bias);
  }
}

template <Real T>
void conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<T> dx, Grad<T> dweight, Grad<T> dbias,
                               Grad<T> dnorm_weight, Grad<T> dnorm_bias, T* dz, const T* dy, const T* x, const T* z,
                               const T* weight, const T* norm_weight, const T* norm_bias, const T* mean, const T* rstd) {
  const RowDims rows = {d.batch * d.out_time(), d.out};
  const NormedFrames<T> in = {z, mean, rstd, norm_weight, norm_bias};
  if (norm == BlockNorm::none) {
    gelu_backward(exec, rows.rows * rows.cols, Grad<T>{dz, GradMode::overwrite}, dy, z);
  } else {
    const bool group = norm == BlockNorm::group;
    const Index parts = group ? d.batch : pieces(rows.rows, kFrameRows);
    const WorkspaceOf<T> partial(exec, parts * 2 * d.out);
    if (group)
      launch(exec, "block_group_backward", block_group_backward_kernel<T>,
             {.x = pieces(d.out, kBlockLanes), .y = d.batch, .threads = kBlockLanes, .rows = kBackwardDepth}, d, dz,
             partial.data(), dy, in);
    else
      launch(exec, "block_layer_backward", block_layer_backward_kernel<T>, {.x = parts, .threads = 32, .rows = kFrameWarps},
             rows, dz, partial.data(), dy, in);
    column_sums(exec, {parts, 2 * d.out}, dnorm_weight, dnorm_bias, d.out, Plain<T>{partial.data(), 2 * d.out});
  }
  conv1d_backward(exec, d, dx, dweight, dbias, dz, x, weight);
}

template <Real T>
void provide_conv1d_block(OpTable<T>& table) {
  table.conv1d_norm_gelu_forward = conv1d_norm_gelu_forward<T>;
  table.conv1d_norm_gelu_backward = conv1d_norm_gelu_backward<T>;
}

}  // namespace anylead::cuda_ops
