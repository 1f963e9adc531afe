// Masks of leads and frames, row picks. Contracts: core/op_table.hpp.
//
// Lead mask: a block turns a tile of 32 leads x 64 samples in shared memory, so that both sides move along rows; 32 x 66 x
// sizeof(T) bytes. Rows: a warp copies one, as in vector.cuh. Bound: bandwidth, each array moves once.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kLeadTile = 32, kTimeTile = 64, kMaskThreads = 256;
constexpr int kTileNumbers = kLeadTile * (kTimeTile + 2);

/// Block (i, j, k): samples 64 i .., leads 32 j .. of segment k.
struct LeadTile {
  Index time, lead;  ///< of the tile's corner
  int times, leads;  ///< inside the arrays

  /// Where a number lies in shared memory: in the order of samples, with room where those of one lead would meet a bank again.
  /// That is at multiples of 32 numbers, so that neither a lead's samples nor neighbours share a bank.
  __device__ int place(int c, int t) const { return t * leads + c + t * (leads & -leads) / 32; }
};

__device__ inline LeadTile lead_tile(LeadMaskDims d) {
  const Index t = Index{blockIdx.x} * kTimeTile, c = Index{blockIdx.y} * kLeadTile;
  return {t, c, static_cast<int>(d.time - t < kTimeTile ? d.time - t : kTimeTile),
          static_cast<int>(d.leads - c < kLeadTile ? d.leads - c : kLeadTile)};
}

inline Grid lead_grid(LeadMaskDims d) {
  return {.x = pieces(d.time, kTimeTile), .y = pieces(d.leads, kLeadTile), .z = d.batch, .threads = kMaskThreads};
}

/// y [B, T, C] = x [B, C, T] where keep [B, C], else 0.
template <class T>
__global__ __launch_bounds__(kMaskThreads) void lead_mask_forward_kernel(LeadMaskDims d, T* y, const T* x, const Flag* keep) {
  __shared__ T tile[kTileNumbers];
  const LeadTile at = lead_tile(d);
  const Index b = blockIdx.z;
  for (int i = threadIdx.x; i < at.leads * kTimeTile; i += kMaskThreads) {
    const int c = i / kTimeTile, t = i % kTimeTile;
    const Index row = b * d.leads + at.lead + c;
    if (t < at.times) tile[at.place(c, t)] = !keep || keep[row] ? x[row * d.time + at.time + t] : T(0);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < at.times * at.leads; i += kMaskThreads) {
    const int t = i / at.leads, c = i % at.leads;
    y[(b * d.time + at.time + t) * d.leads + at.lead + c] = tile[at.place(c, t)];
  }
}

/// dx [B, C, T] = dy [B, T, C] where keep [B, C], else 0.
template <class T>
__global__ __launch_bounds__(kMaskThreads) void lead_mask_backward_kernel(LeadMaskDims d, Grad<T> dx, const T* dy,
                                                                          const Flag* keep) {
  __shared__ T tile[kTileNumbers];
  const LeadTile at = lead_tile(d);
  const Index b = blockIdx.z;
  for (int i = threadIdx.x; i < at.times * at.leads; i += kMaskThreads) {
    const int t = i / at.leads, c = i % at.leads;
    tile[at.place(c, t)] = dy[(b * d.time + at.time + t) * d.leads + at.lead + c];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < at.leads * kTimeTile; i += kMaskThreads) {
    const int c = i / kTimeTile, t = i % kTimeTile;
    const Index row = b * d.leads + at.lead + c;
    if (t < at.times) deliver(dx, row * d.time + at.time + t, !keep || keep[row] ? tile[at.place(c, t)] : T(0));
  }
}

/// y [R, C]: row [C], or zeros, where mask [R], else x; y may be x.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void mask_rows_forward_kernel(RowDims d, T* y, const T* x, const T* row,
                                                                               const Flag* mask) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const bool masked = mask[r];
  if (!masked && y == x) return;
  for_row(d.cols, [&](const Lanes& at) { at.store(y + o, !masked ? at(x + o) : row ? at(row) : Quad<T>{}); });
}

/// dx [R, C]: 0 where mask [R], else dy.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void mask_rows_backward_kernel(RowDims d, Grad<T> dx, const T* dy,
                                                                                const Flag* mask) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const bool masked = mask[r];
  for_row(d.cols, [&](const Lanes& at) { at.deliver(advanced(dx, o), masked ? Quad<T>{} : at(dy + o)); });
}

/// What reaches the masked rows: 0 in the others.
template <class T>
struct MaskedRows {
  const T* dy;
  const Flag* mask;
  Index cols;
  __device__ T operator()(Index r, Index c) const { return mask[r] ? dy[r * cols + c] : T(0); }
};

/// Row i of y [n, C] = row index [i] of x.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void gather_rows_forward_kernel(RowDims d, T* y, const T* x,
                                                                                 const Index32* index) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const T* from = x + index[r] * d.cols;
  for_row(d.cols, [&](const Lanes& at) { at.store(y + o, at(from)); });
}

/// Row index [i] of dx += row i of dy [n, C]. No two rows meet.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void gather_rows_backward_kernel(RowDims d, T* dx, const T* dy,
                                                                                  const Index32* index) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const Grad<T> to = {dx + index[r] * d.cols, GradMode::accumulate};
  for_row(d.cols, [&](const Lanes& at) { at.deliver(to, at(dy + o)); });
}

}  // namespace

template <Real T>
void lead_mask_forward(const Exec& exec, LeadMaskDims d, T* y, const T* x, const Flag* keep) {
  launch(exec, "lead_mask_forward", lead_mask_forward_kernel<T>, lead_grid(d), d, y, x, keep);
}

template <Real T>
void lead_mask_backward(const Exec& exec, LeadMaskDims d, Grad<T> dx, const T* dy, const Flag* keep) {
  if (dx) launch(exec, "lead_mask_backward", lead_mask_backward_kernel<T>, lead_grid(d), d, dx, dy, keep);
}

template <Real T>
void mask_rows_forward(const Exec& exec, RowDims d, T* y, const T* x, const T* row, const Flag* mask) {
  launch(exec, "mask_rows_forward", mask_rows_forward_kernel<T>, row_grid(d.rows), d, y, x, row, mask);
}

template <Real T>
void mask_rows_backward(const Exec& exec, RowDims d, Grad<T> dx, Grad<T> drow, const T* dy, const Flag* mask) {
  if (dx) launch(exec, "mask_rows_backward", mask_rows_backward_kernel<T>, row_grid(d.rows), d, dx, dy, mask);
  column_sums(exec, d, drow, MaskedRows<T>{dy, mask, d.cols});
}

template <Real T>
void gather_rows_forward(const Exec& exec, RowDims d, Index n, T* y, const T* x, const Index32* index) {
  launch(exec, "gather_rows_forward", gather_rows_forward_kernel<T>, row_grid(n), RowDims{n, d.cols}, y, x, index);
}

template <Real T>
void gather_rows_backward(const Exec& exec, RowDims d, Index n, Grad<T> dx, const T* dy, const Index32* index) {
  if (!dx) return;
  if (!dx.accumulates()) fill(exec, d.rows * d.cols, dx.data, T(0));
  launch(exec, "gather_rows_backward", gather_rows_backward_kernel<T>, row_grid(n), RowDims{n, d.cols}, dx.data, dy, index);
}

template <Real T>
void provide_masking(OpTable<T>& table) {
  table.lead_mask_forward = lead_mask_forward<T>;
  table.lead_mask_backward = lead_mask_backward<T>;
  table.mask_rows_forward = mask_rows_forward<T>;
  table.mask_rows_backward = mask_rows_backward<T>;
  table.gather_rows_forward = gather_rows_forward<T>;
  table.gather_rows_backward = gather_rows_backward<T>;
}

}  // namespace anylead::cuda_ops
