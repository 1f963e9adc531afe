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
// bandwidth around the products. A first block with group norm, in float or bf16, has kernels of its own: forward knows the
// statistics before the product (conv1d_statistics.cuh), backward writes no dz (lead_conv1d_backward.cuh,
// conv1d_first_bf16.cuh); out of recorded leads neither keeps z (lead_conv1d.cuh).
//
// Traffic of the norm's passes, 24 segments, 1250 frames, 256 channels, in units of their fewest bytes: memory 1.02 forward,
// 1.33 backward (u is kept in dz rather than computed twice: the exponentials cost as much time as the bytes); asked for 1.1
// and 2.0.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/conv1d_statistics.cuh>
#include <anylead/cuda/gelu_columns.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/moments.cuh>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/reduce.cuh>

namespace anylead::cuda_ops {
namespace {

/// What a norm reads: z [B, T', K], statistics per channel [B, K] or frame [B, T'], weight and bias [K].
template <class T>
struct NormedFrames {
  const T* z;
  const sum_t<T>*mean, *rstd, *weight, *bias;
};

constexpr Index kLeastTileRows = 32;  // @see conv1d_product
constexpr int kBlockLanes = 32;       // channels of a block, side by side
constexpr int kForwardDepth = 8;      // frames of a forward block at a time
constexpr int kForwardFrames = 256;   // frames of a forward block
constexpr int kBackwardDepth = 16;    // frames of a backward block at a time
constexpr int kFrameRows = 32;        // frames of a layer norm's backward block
constexpr int kFrameWarps = 8;

/// Block (i, j, b): frames 256 i .., channels 32 j .. of segment b. tile_mean, tile_squares [B, tiles, K] of tile_rows frames.
template <class T, class A>
__global__ __launch_bounds__(kBlockLanes* kForwardDepth) void block_group_forward_kernel(Conv1dDims d, T* y, A* mean, A* rstd,
                                                                                         const T* z, const A* tile_mean,
                                                                                         const A* tile_squares, Index tile_rows,
                                                                                         const A* weight, const A* bias,
                                                                                         A eps) {
  __shared__ Moments<A> part[kForwardDepth][kBlockLanes];
  const Index k = Index{blockIdx.y} * kBlockLanes + threadIdx.x, b = blockIdx.z, time = d.out_time();
  const bool used = k < d.out;
  const Index tiles = (time + tile_rows - 1) / tile_rows;
  Moments<A> all;
  for (Index i = threadIdx.y; i < tiles && used; i += kForwardDepth) {
    const Index at = (b * tiles + i) * d.out + k, left = time - i * tile_rows;
    all.add(Moments<A>{static_cast<int>(left < tile_rows ? left : tile_rows), tile_mean[at], tile_squares[at]});
  }
  part[threadIdx.y][threadIdx.x] = all;
  __syncthreads();
  if (!used) return;
  all = {};
#pragma unroll
  for (int i = 0; i < kForwardDepth; ++i) all.add(part[i][threadIdx.x]);
  const A m = all.mean, s = A(1) / std::sqrt(at_least(A(0), all.squares) / static_cast<A>(time) + eps);
  const A w = weight[k], add = bias[k];
  if (blockIdx.x == 0 && threadIdx.y == 0) {
    mean[b * d.out + k] = m;
    rstd[b * d.out + k] = s;
  }
  const Index begin = Index{blockIdx.x} * kForwardFrames, end = begin + kForwardFrames < time ? begin + kForwardFrames : time;
#pragma unroll 4
  for (Index t = begin + threadIdx.y; t < end; t += kForwardDepth) {
    const Index i = (b * time + t) * d.out + k;
    y[i] = T(gelu((A(z[i]) - m) * s * w + add));
  }
}

/// Block (j, b): channels 32 j .. of segment b. dz [B, T', K]; partial [B, 2, K]: sums over time of u n and of u.
template <class T, class A>
__global__ __launch_bounds__(kBlockLanes* kBackwardDepth) void block_group_backward_kernel(Conv1dDims d, T* dz, A* partial,
                                                                                           const T* dy, NormedFrames<T> in) {
  constexpr int kTogether = sizeof(A) == 4 ? 2 : 1;  // frames of a thread at a time: registers
  __shared__ A part[2][kBackwardDepth][kBlockLanes];
  const Index k = Index{blockIdx.x} * kBlockLanes + threadIdx.x, b = blockIdx.y, time = d.out_time();
  const bool used = k < d.out;
  const A m = used ? in.mean[b * d.out + k] : A(0), s = used ? in.rstd[b * d.out + k] : A(0);
  const A w = used ? in.weight[k] : A(0), add = used ? in.bias[k] : A(0);
  A sum_u = 0, sum_un = 0;
  if (used) {
#pragma unroll(kTogether)
    for (Index t = threadIdx.y; t < time; t += kBackwardDepth) {
      const Index i = (b * time + t) * d.out + k;
      const A n = (A(in.z[i]) - m) * s, u = A(dy[i]) * gelu_slope(n * w + add);
      dz[i] = T(u);
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
  const A mean_g = sum_u / static_cast<A>(time), mean_gn = sum_un / static_cast<A>(time);
#pragma unroll(2 * kTogether)
  for (Index t = threadIdx.y; t < time; t += kBackwardDepth) {
    const Index i = (b * time + t) * d.out + k;
    dz[i] = T((A(dz[i]) - mean_g - (A(in.z[i]) - m) * s * mean_gn) * w * s);
  }
}

/// Sum over a row of f(column), in all lanes of the warp.
template <class A, class F>
__device__ A frame_sum(Index cols, F&& f) {
  A sum = 0;
#pragma unroll 4
  for (Index c = threadIdx.x; c < cols; c += 32) sum += f(c);
  return warp_sum(sum);
}

/// A warp per frame: y = gelu of its layer norm. z, y [R, C]; mean, rstd [R].
template <class T, class A>
__global__ __launch_bounds__(32 * kRowsPerBlock) void block_layer_forward_kernel(RowDims d, T* y, A* mean, A* rstd, const T* z,
                                                                                 const A* weight, const A* bias, A eps) {
  const Index r = own_row();
  if (r >= d.rows) return;
  y += r * d.cols;
  z += r * d.cols;
  const A m = frame_sum<A>(d.cols, [&](Index c) { return A(z[c]); }) / static_cast<A>(d.cols);
  const A squares = frame_sum<A>(d.cols, [&](Index c) { return (A(z[c]) - m) * (A(z[c]) - m); });
  const A s = A(1) / std::sqrt(squares / static_cast<A>(d.cols) + eps);
#pragma unroll 4
  for (Index c = threadIdx.x; c < d.cols; c += 32) y[c] = T(gelu((A(z[c]) - m) * s * weight[c] + bias[c]));
  if (threadIdx.x == 0) {
    mean[r] = m;
    rstd[r] = s;
  }
}

/// Block i: frames 32 i ... dz [R, C]; partial [blocks, 2, C]: the block's sums of u n and of u.
template <class T, class A>
__global__ __launch_bounds__(32 * kFrameWarps) void block_layer_backward_kernel(RowDims d, T* dz, A* partial, const T* dy,
                                                                                NormedFrames<T> in) {
  __shared__ A mean_g[kFrameRows], mean_gn[kFrameRows];  // 0 for rows behind the last, which may be read ahead
  const Index begin = Index{blockIdx.x} * kFrameRows, end = begin + kFrameRows < d.rows ? begin + kFrameRows : d.rows;
  for (Index r = begin + threadIdx.y; r < begin + kFrameRows; r += kFrameWarps) {
    const A m = r < end ? in.mean[r] : A(0), s = r < end ? in.rstd[r] : A(0);
    A sum_g = 0, sum_gn = 0;
#pragma unroll 2
    for (Index c = threadIdx.x; c < d.cols && r < end; c += 32) {
      const Index i = r * d.cols + c;
      const A n = (A(in.z[i]) - m) * s, u = A(dy[i]) * gelu_slope(n * in.weight[c] + in.bias[c]);
      dz[i] = T(u);
      sum_g += u * in.weight[c];
      sum_gn += u * in.weight[c] * n;
    }
    const A g = warp_sum(sum_g) / static_cast<A>(d.cols), gn = warp_sum(sum_gn) / static_cast<A>(d.cols);
    if (threadIdx.x == 0) {
      mean_g[r - begin] = g;
      mean_gn[r - begin] = gn;
    }
  }
  __syncthreads();
  for (Index c = threadIdx.y * 32 + threadIdx.x; c < d.cols; c += 32 * kFrameWarps) {
    const A w = in.weight[c];
    A sum_u = 0, sum_un = 0;
#pragma unroll 4
    for (Index r = begin; r < end; ++r) {
      const Index i = r * d.cols + c;
      const A s = in.rstd[r], n = (A(in.z[i]) - in.mean[r]) * s, u = A(dz[i]);
      sum_u += u;
      sum_un += u * n;
      dz[i] = T((u * w - mean_g[r - begin] - n * mean_gn[r - begin]) * s);
    }
    partial[blockIdx.x * 2 * d.cols + c] = sum_un;
    partial[(blockIdx.x * 2 + 1) * d.cols + c] = sum_u;
  }
}

/// product(z, activated, mean, squares): the convolution, as conv1d_product.
template <class T, class A, class Product>
void run_block_forward(const Exec& exec, const Conv1dDims& d, BlockNorm norm, T* y, T* z, A* mean, A* rstd,
                       const A* norm_weight, const A* norm_bias, A eps, Product&& product) {
  const Index time = d.out_time();
  T* const not_activated = nullptr;
  A* const no_statistics = nullptr;
  if (norm == BlockNorm::none) {
    product(z, y, no_statistics, no_statistics);
  } else if (norm == BlockNorm::group) {
    const Index most = d.batch * pieces(time, kLeastTileRows) * d.out;
    const WorkspaceOf<A> statistics(exec, 2 * most);
    A* const squares = statistics.data() + most;
    const Index rows = product(z, not_activated, statistics.data(), squares);
    launch(exec, "block_group_forward", block_group_forward_kernel<T, A>,
           {.x = pieces(time, kForwardFrames),
            .y = pieces(d.out, kBlockLanes),
            .z = d.batch,
            .threads = kBlockLanes,
            .rows = kForwardDepth},
           d, y, mean, rstd, z, statistics.data(), squares, rows, norm_weight, norm_bias, eps);
  } else {
    const RowDims rows = {d.batch * time, d.out};
    product(z, not_activated, no_statistics, no_statistics);
    launch(exec, "block_layer_forward", block_layer_forward_kernel<T, A>, row_grid(rows.rows), rows, y, mean, rstd, z,
           norm_weight, norm_bias, eps);
  }
}

/// conv1d_norm_gelu_backward without dx, where it fits. (In bf16: conv1d_first_bf16.cuh.)
inline bool first_block_of_frames(const Exec& exec, const Conv1dDims& d, BlockGradients to, const float* dy, const float* x,
                                  NormedFrames<float> in) {
  const float* const unknown = nullptr;  // what z is made of
  return first_block_backward(exec, d, to.weight, to.bias, to.norm_weight, to.norm_bias, dy, frame_samples(d, x), in.z, unknown,
                              unknown, in.weight, in.bias, in.mean, in.rstd);
}

template <class T, class A>
void run_block_backward(const Exec& exec, const Conv1dDims& d, BlockNorm norm, Grad<T> dx, Grad<A> dweight, Grad<A> dbias,
                        Grad<A> dnorm_weight, Grad<A> dnorm_bias, T* dz, const T* dy, const T* x, const T* z, const A* weight,
                        const A* norm_weight, const A* norm_bias, const A* mean, const A* rstd) {
  const RowDims rows = {d.batch * d.out_time(), d.out};
  const NormedFrames<T> in = {z, mean, rstd, norm_weight, norm_bias};
  if constexpr (!std::is_same_v<T, double>)
    if (norm == BlockNorm::group && !dx &&
        first_block_of_frames(exec, d, {dweight, dbias, dnorm_weight, dnorm_bias}, dy, x, in))
      return;
  if (norm == BlockNorm::none) {
    bool computed = false;
    if constexpr (std::is_same_v<T, float>) computed = conv1d_gelu_backward_input(exec, d, dx, dz, dy, z, weight);
    if (computed) {
      dx = {};
    } else {
      gelu_backward_sums(exec, rows, dz, dbias, dy, z);
      dbias = {};
    }
  } else {
    const bool group = norm == BlockNorm::group;
    const Index parts = group ? d.batch : pieces(rows.rows, kFrameRows);
    const WorkspaceOf<A> partial(exec, parts * 2 * d.out);
    if (group)
      launch(exec, "block_group_backward", block_group_backward_kernel<T, A>,
             {.x = pieces(d.out, kBlockLanes), .y = d.batch, .threads = kBlockLanes, .rows = kBackwardDepth}, d, dz,
             partial.data(), dy, in);
    else
      launch(exec, "block_layer_backward", block_layer_backward_kernel<T, A>, {.x = parts, .threads = 32, .rows = kFrameWarps},
             rows, dz, partial.data(), dy, in);
    column_sums(exec, {parts, 2 * d.out}, dnorm_weight, dnorm_bias, d.out, Plain<A>{partial.data(), 2 * d.out});
  }
  conv1d_backward(exec, d, dx, dweight, dbias, dz, x, weight);
}

}  // namespace

template <Real T>
void conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, T* y, T* z, T* mean, T* rstd, const T* x,
                              const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps) {
  if constexpr (std::is_same_v<T, float>)
    if (norm == BlockNorm::group && fits_first_block(d))
      return first_block_forward(exec, d, y, z, mean, rstd, x, weight, bias, norm_weight, norm_bias, eps);
  run_block_forward(exec, d, norm, y, z, mean, rstd, norm_weight, norm_bias, eps,
                    [&](auto... to) { return conv1d_product(exec, d, to..., x, weight, bias); });
}

template <Real T>
void conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<T> dx, Grad<T> dweight, Grad<T> dbias,
                               Grad<T> dnorm_weight, Grad<T> dnorm_bias, T* dz, const T* dy, const T* x, const T* z,
                               const T* weight, const T* norm_weight, const T* norm_bias, const T* mean, const T* rstd) {
  run_block_backward(exec, d, norm, dx, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy, x, z, weight, norm_weight, norm_bias,
                     mean, rstd);
}

/// z is in the place of y until its norm is known, unless that is before the product.
template <Real T>
void lead_conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, T* y, T* mean, T* rstd, const T* x,
                                   const Flag* keep, const T* weight, const T* bias, const T* norm_weight, const T* norm_bias,
                                   T eps) {
  if constexpr (std::is_same_v<T, float>)
    if (norm == BlockNorm::group && fits_first_block(d)) {
      first_block_statistics(exec, d, mean, rstd, recorded_samples(d, x, keep), weight, bias, eps);
      return lead_conv1d_normed_product(exec, d, y, {mean, rstd, norm_weight, norm_bias}, x, keep, weight, bias);
    }
  run_block_forward(
      exec, d, norm, y, y, mean, rstd, norm_weight, norm_bias, eps, [&](T* z, T* activated, T* tile_mean, T* squares) {
        return lead_conv1d_product(exec, d, activated ? nullptr : z, activated, tile_mean, squares, x, keep, weight, bias);
      });
}

/// In float with group norm and few terms in one pass, else by the block's parts in working memory.
template <Real T>
void lead_conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<T> dweight, Grad<T> dbias,
                                    Grad<T> dnorm_weight, Grad<T> dnorm_bias, const T* dy, const T* x, const Flag* keep,
                                    const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, const T* mean,
                                    const T* rstd) {
  if constexpr (std::is_same_v<T, float>)
    if (norm == BlockNorm::group &&
        first_block_backward(exec, d, dweight, dbias, dnorm_weight, dnorm_bias, dy, recorded_samples(d, x, keep), nullptr,
                             weight, bias, norm_weight, norm_bias, mean, rstd))
      return;
  const Index frames = d.batch * d.out_time() * d.out;
  const WorkspaceOf<T> masked(exec, d.batch * d.time * d.in), own(exec, 2 * frames);
  T *const z = own.data(), *const dz = z + frames, *const unwanted = nullptr;
  lead_mask_forward<T>(exec, {d.batch, d.in, d.time}, masked.data(), x, keep);
  conv1d_product<T>(exec, d, z, unwanted, unwanted, unwanted, masked.data(), weight, bias);
  run_block_backward<T, T>(exec, d, norm, {}, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy, masked.data(), z, weight,
                           norm_weight, norm_bias, mean, rstd);
}

template <Real T>
void provide_conv1d_block(OpTable<T>& table) {
  table.conv1d_norm_gelu_forward = conv1d_norm_gelu_forward<T>;
  table.conv1d_norm_gelu_backward = conv1d_norm_gelu_backward<T>;
  table.lead_conv1d_norm_gelu_forward = lead_conv1d_norm_gelu_forward<T>;
  table.lead_conv1d_norm_gelu_backward = lead_conv1d_norm_gelu_backward<T>;
}

}  // namespace anylead::cuda_ops
