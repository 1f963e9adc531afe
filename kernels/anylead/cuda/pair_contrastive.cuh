// Contrast between two sets of rows (Kiyasseh et al. 2021, eq. 1; Chen et al. 2020, eq. 1). Contracts: core/op_table.hpp.
//
//   u = z / max(|z|, eps), S = u_first u_second^T / temperature;  P: pairs of equal id
//   loss = sum over P of (logsum row + logsum column - 2 S) / 2 |P|
//   dS[i, j] = (positives of row i  exp(S - logsum row) + positives of column j  exp(S - logsum column) - 2 [P]) dloss / 2 |P|
//   dz = (du - [not detached] u <du, u>) / max(|z|, eps)
//
// The products are matrix products. Around them: a warp per row of S, a block per 32 columns of S (32 x 8 threads, their parts
// joined in shared memory, 7 kB), both in one pass with the largest number carried on; a warp per row of z, which looks for
// its places in first and second, so that no two add to one row. Sums over pairs in double.
// Bound: the products, compute; S, which the contract keeps, is read twice forward and four times backward: bandwidth.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/gemm.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kPairThreads = 256, kPairColumns = 32, kPairRows = kPairThreads / kPairColumns;

/// Which pairs there are.
struct PairIds {
  const Index32 *first, *second, *id;
  __device__ bool positive(Index i, Index j) const { return id[first[i]] == id[second[j]]; }
};

/// A row or column of S: sum of exp(S - largest), number of positives, and their sum.
template <class T>
struct PairLine {
  T largest = T(-HUGE_VAL), sum = 0, positives = 0;
  double positive_sum = 0;

  __device__ void take(T v, bool positive) {
    if (v > largest) {
      sum *= std::exp(largest - v);
      largest = v;
    }
    sum += std::exp(v - (largest == T(-HUGE_VAL) ? T(0) : largest));
    if (!positive) return;
    positives += T(1);
    positive_sum += double(v);
  }
  __device__ void join(const PairLine& other) {
    const T most = other.largest > largest ? other.largest : largest, shift = most == T(-HUGE_VAL) ? T(0) : most;
    sum = sum * std::exp(largest - shift) + other.sum * std::exp(other.largest - shift);
    largest = most;
    positives += other.positives;
    positive_sum += other.positive_sum;
  }
};

/// What is kept of a line.
template <class T>
struct PairTotals {
  T logsum, positives;
  double positive_sum;

  __device__ static PairTotals of(const PairLine<T>& line) {
    return {(line.largest == T(-HUGE_VAL) ? T(0) : line.largest) + std::log(line.sum), line.positives, line.positive_sum};
  }
};

/// Warp r: norm [R].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void pair_norms_kernel(RowDims d, T* norm, const T* z) {
  const Index r = own_row();
  if (r >= d.rows) return;
  const T square = row_sum<T>(d.cols, [&](const Lanes& at) {
    const Quad<T> v = at(z + r * d.cols);
    return v * v;
  });
  if (threadIdx.x == 0) norm[r] = std::sqrt(square);
}

/// Warp i: u [n + m, E] = rows first, then rows second of z, of length `length` in first and 1 in second.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void pair_units_kernel(PairDims d, T* u, const T* z, const T* norm,
                                                                        PairIds ids, T length, T eps) {
  const Index i = own_row();
  if (i >= d.first + d.second) return;
  const Index r = i < d.first ? ids.first[i] : ids.second[i - d.first];
  const T factor = (i < d.first ? length : T(1)) / at_least(eps, norm[r]);
  for_row(d.width, [&](const Lanes& at) { at.store(u + i * d.width, at(z + r * d.width) * factor); });
}

/// Warp i: totals [n] of the rows of S [n, m].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void pair_rows_kernel(PairDims d, PairTotals<T>* totals, const T* scores,
                                                                       PairIds ids) {
  const Index i = own_row();
  if (i >= d.first) return;
  const T* const row = scores + i * d.second;
  PairLine<T> line;
#pragma unroll 4
  for (Index j = threadIdx.x; j < d.second; j += 32) line.take(row[j], ids.positive(i, j));
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    PairLine<T> other;
    other.largest = __shfl_xor_sync(0xFFFFFFFFu, line.largest, step);
    other.sum = __shfl_xor_sync(0xFFFFFFFFu, line.sum, step);
    other.positives = __shfl_xor_sync(0xFFFFFFFFu, line.positives, step);
    other.positive_sum = __shfl_xor_sync(0xFFFFFFFFu, line.positive_sum, step);
    line.join(other);
  }
  if (threadIdx.x == 0) totals[i] = PairTotals<T>::of(line);
}

/// Block k: totals [m] of columns 32 k .. of S [n, m].
template <class T>
__global__ __launch_bounds__(kPairThreads) void pair_columns_kernel(PairDims d, PairTotals<T>* totals, const T* scores,
                                                                    PairIds ids) {
  __shared__ PairLine<T> part[kPairRows][kPairColumns];
  const Index j = Index{blockIdx.x} * kPairColumns + threadIdx.x;
  PairLine<T> line;
  if (j < d.second)
#pragma unroll 4
    for (Index i = threadIdx.y; i < d.first; i += kPairRows) line.take(scores[i * d.second + j], ids.positive(i, j));
  part[threadIdx.y][threadIdx.x] = line;
  __syncthreads();
  if (threadIdx.y != 0 || j >= d.second) return;
  for (int r = 1; r < kPairRows; ++r) line.join(part[r][threadIdx.x]);
  totals[j] = PairTotals<T>::of(line);
}

/// One block: of the totals of rows [n] and columns [m], behind them. loss [1]; factor [1] = dloss / (2 |P| temperature), what
/// every dS is multiplied by; either may be null. 0 without positives.
template <class T>
__global__ __launch_bounds__(kPairThreads) void pair_loss_kernel(PairDims d, T* loss, T* factor, const T* dloss, T temperature,
                                                                 const PairTotals<T>* totals) {
  double total = 0, positives = 0;
  for (Index i = threadIdx.x; i < d.first + d.second; i += kPairThreads) {
    const PairTotals<T> line = totals[i];
    if (line.positives == T(0)) continue;
    total += double(line.logsum) * double(line.positives);
    if (i >= d.first) continue;
    total -= 2 * line.positive_sum;
    positives += double(line.positives);
  }
  total = block_sum<kPairThreads>(total);
  positives = block_sum<kPairThreads>(positives);
  if (threadIdx.x != 0) return;
  if (loss) *loss = positives > 0 ? T(total / (2 * positives)) : T(0);
  if (factor) *factor = positives > 0 ? T(double(*dloss) / (2 * positives * double(temperature))) : T(0);
}

/// Warp i: dscores [n, m].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void pair_scores_backward_kernel(PairDims d, T* dscores, const T* factor,
                                                                                  const T* scores, const PairTotals<T>* totals,
                                                                                  PairIds ids) {
  const Index i = own_row();
  if (i >= d.first) return;
  const PairTotals<T> row = totals[i];
#pragma unroll 4
  for (Index j = threadIdx.x; j < d.second; j += 32) {
    const PairTotals<T> column = totals[d.first + j];
    const T s = scores[i * d.second + j];
    dscores[i * d.second + j] = *factor * (row.positives * std::exp(s - row.logsum) +
                                           column.positives * std::exp(s - column.logsum) - T(ids.positive(i, j) ? 2 : 0));
  }
}

/// Warp r: dz [R, E] from du [n + m, E], in the order of first and second.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void pair_rows_backward_kernel(PairDims d, bool detached, Grad<T> dz,
                                                                                const T* du, const T* u, const T* norm,
                                                                                PairIds ids, T eps) {
  const Index r = own_row();
  if (r >= d.rows) return;
  Grad<T> to = advanced(dz, r * d.width);
  const T length = norm[r], inverse = T(1) / at_least(eps, length);
  for (Index first = 0; first < d.first + d.second; first += 32) {
    const Index k = first + threadIdx.x;
    const bool here = k < d.first + d.second && (k < d.first ? ids.first[k] : ids.second[k - d.first]) == r;
    for (unsigned hits = __ballot_sync(0xFFFFFFFFu, here); hits != 0; hits &= hits - 1) {
      const Index o = (first + __ffs(static_cast<int>(hits)) - 1) * d.width;
      T along = 0;
      if (!detached && length > eps) along = row_sum<T>(d.width, [&](const Lanes& at) { return at(du + o) * at(u + o); });
      for_row(d.width, [&](const Lanes& at) { at.deliver(to, (at(du + o) - at(u + o) * along) * inverse); });
      to.mode = GradMode::accumulate;
    }
  }
  if (!to.accumulates()) for_row(d.width, [&](const Lanes& at) { at.deliver(to, Quad<T>{}); });
}

template <class T>
void pair_units(const Exec& exec, PairDims d, T* u, const T* z, const T* norm, PairIds ids, T length, T eps) {
  launch(exec, "pair_units", pair_units_kernel<T>, row_grid(d.first + d.second), d, u, z, norm, ids, length, eps);
}

template <class T>
void pair_lines(const Exec& exec, PairDims d, PairTotals<T>* totals, const T* scores, PairIds ids) {
  launch(exec, "pair_rows", pair_rows_kernel<T>, row_grid(d.first), d, totals, scores, ids);
  launch(exec, "pair_columns", pair_columns_kernel<T>,
         {.x = pieces(d.second, kPairColumns), .threads = kPairColumns, .rows = kPairRows}, d, totals + d.first, scores, ids);
}

}  // namespace

template <Real T>
void pair_contrastive_forward(const Exec& exec, PairDims d, T* loss, T* scores, T* norm, const T* z, const Index32* first,
                              const Index32* second, const Index32* id, T temperature, T eps) {
  const PairIds ids = {first, second, id};
  const WorkspaceOf<T> u(exec, (d.first + d.second) * d.width);
  const WorkspaceOf<PairTotals<T>> totals(exec, d.first + d.second);
  launch(exec, "pair_norms", pair_norms_kernel<T>, row_grid(d.rows), RowDims{d.rows, d.width}, norm, z);
  pair_units(exec, d, u.data(), z, norm, ids, T(1) / temperature, eps);
  gemm(exec, Gemm<T>{.m = d.first,
                     .n = d.second,
                     .k = d.width,
                     .a = u.data(),
                     .lda = d.width,
                     .op_a = Op::none,
                     .b = u.data() + d.first * d.width,
                     .ldb = d.width,
                     .op_b = Op::transpose,
                     .c = scores,
                     .ldc = d.second});
  pair_lines<T>(exec, d, totals.data(), scores, ids);
  launch(exec, "pair_loss", pair_loss_kernel<T>, {.threads = kPairThreads}, d, loss, nullptr, nullptr, temperature,
         totals.data());
}

template <Real T>
void pair_contrastive_backward(const Exec& exec, PairDims d, bool detached, Grad<T> dz, T* dscores, const T* dloss,
                               const T* scores, const T* norm, const T* z, const Index32* first, const Index32* second,
                               const Index32* id, T temperature, T eps) {
  if (!dz) return;
  const Index n = d.first, m = d.second;
  const PairIds ids = {first, second, id};
  const WorkspaceOf<T> u(exec, (n + m) * d.width), du(exec, (n + m) * d.width), factor(exec, 1);
  const WorkspaceOf<PairTotals<T>> totals(exec, n + m);
  pair_lines(exec, d, totals.data(), scores, ids);
  launch(exec, "pair_loss", pair_loss_kernel<T>, {.threads = kPairThreads}, d, nullptr, factor.data(), dloss, temperature,
         totals.data());
  launch(exec, "pair_scores_backward", pair_scores_backward_kernel<T>, row_grid(n), d, dscores, factor.data(), scores,
         totals.data(), ids);
  pair_units(exec, d, u.data(), z, norm, ids, T(1), eps);
  gemm(exec, Gemm<T>{.m = n,
                     .n = d.width,
                     .k = m,
                     .a = dscores,
                     .lda = m,
                     .op_a = Op::none,
                     .b = u.data() + n * d.width,
                     .ldb = d.width,
                     .op_b = Op::none,
                     .c = du.data(),
                     .ldc = d.width});
  gemm(exec, Gemm<T>{.m = m,
                     .n = d.width,
                     .k = n,
                     .a = dscores,
                     .lda = m,
                     .op_a = Op::transpose,
                     .b = u.data(),
                     .ldb = d.width,
                     .op_b = Op::none,
                     .c = du.data() + n * d.width,
                     .ldc = d.width});
  launch(exec, "pair_rows_backward", pair_rows_backward_kernel<T>, row_grid(d.rows), d, detached, dz, du.data(), u.data(), norm,
         ids, eps);
}

template <Real T>
void provide_pair_contrastive(OpTable<T>& table) {
  table.pair_contrastive_forward = pair_contrastive_forward<T>;
  table.pair_contrastive_backward = pair_contrastive_backward<T>;
}

}  // namespace anylead::cuda_ops
