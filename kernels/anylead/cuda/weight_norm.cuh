// Weight normalisation (Salimans and Kingma 2016, eq. 2-3): w = g v / |v|, one norm for each index of the kept axis. Contracts:
// core/op_table.hpp.
//
//   dg = <dw, v> / |v|;  dv = g / |v| (dw - v <dw, v> / |v|^2)
//
// Mapping: v [outer, kept, inner] is a matrix [outer, kept inner] whose columns are summed (reduce.cuh: coalesced for any axis,
// also for the taps of a convolution, where inner is 1); a warp per kept index adds what belongs together. Then one pass over
// the same columns, whose factors a thread needs once. Bound: bandwidth, v and dw are read twice.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// Products of two arrays, element by element.
template <class T>
struct ProductColumns {
  const T *a, *b;
  Index stride;
  __device__ T operator()(Index r, Index c) const { return a[r * stride + c] * b[r * stride + c]; }
};

/// norm [kept] = sqrt of the sums [kept, inner] of squares.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void weight_norm_lengths_kernel(WeightNormDims d, T* norm, const T* sums) {
  const Index k = own_row();
  if (k >= d.kept) return;
  const T square = row_sum<T>(d.inner, [&](const Lanes& at) { return at(sums + k * d.inner); });
  if (threadIdx.x == 0) norm[k] = std::sqrt(square);
}

/// along [kept] = sums [kept, inner] of dw v; dg [kept] = along / norm.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void weight_norm_along_kernel(WeightNormDims d, T* along, Grad<T> dg,
                                                                               const T* sums, const T* norm) {
  const Index k = own_row();
  if (k >= d.kept) return;
  const T total = row_sum<T>(d.inner, [&](const Lanes& at) { return at(sums + k * d.inner); });
  if (threadIdx.x != 0) return;
  along[k] = total;
  deliver(dg, k, total / norm[k]);
}

constexpr int kPassColumns = 32, kPassRows = 8;
constexpr Index kPassStretch = 256;  // rows of a block

/// Calls f(element) for the elements of a thread in column c of the matrix [outer, kept inner].
template <class F>
__device__ void for_column(WeightNormDims d, Index c, F&& f) {
  const Index cols = d.kept * d.inner, begin = blockIdx.y * kPassStretch;
  const Index end = begin + kPassStretch < d.outer ? begin + kPassStretch : d.outer;
#pragma unroll 4
  for (Index r = begin + threadIdx.y; r < end; r += kPassRows) f(r * cols + c);
}

/// w [outer, kept, inner] = v g / norm. Block (i, j): columns 32 i .., rows 256 j ..
template <class T>
__global__ __launch_bounds__(kPassColumns* kPassRows) void weight_norm_forward_kernel(WeightNormDims d, T* w, const T* v,
                                                                                      const T* g, const T* norm) {
  const Index c = Index{blockIdx.x} * kPassColumns + threadIdx.x, k = c / d.inner;
  if (k >= d.kept) return;
  const T factor = g[k] / norm[k];
  for_column(d, c, [&](Index i) { w[i] = v[i] * factor; });
}

/// dv [outer, kept, inner]; the same blocks.
template <class T>
__global__ __launch_bounds__(kPassColumns* kPassRows) void weight_norm_backward_kernel(WeightNormDims d, Grad<T> dv,
                                                                                       const T* dw, const T* v, const T* g,
                                                                                       const T* norm, const T* along) {
  const Index c = Index{blockIdx.x} * kPassColumns + threadIdx.x, k = c / d.inner;
  if (k >= d.kept) return;
  const T factor = g[k] / norm[k], back = along[k] / norm[k] / norm[k];
  for_column(d, c, [&](Index i) { deliver(dv, i, factor * (dw[i] - v[i] * back)); });
}

inline Grid pass_grid(WeightNormDims d) {
  return {.x = pieces(d.kept * d.inner, kPassColumns),
          .y = pieces(d.outer, kPassStretch),
          .threads = kPassColumns,
          .rows = kPassRows};
}

/// sums [kept, inner] over the outer axis of a b
template <class T>
void outer_sums(const Exec& exec, WeightNormDims d, T* sums, const T* a, const T* b) {
  const Index cols = d.kept * d.inner;
  column_sums(exec, {d.outer, cols}, Grad<T>{sums, GradMode::overwrite}, ProductColumns<T>{a, b, cols});
}

}  // namespace

template <Real T>
void weight_norm_forward(const Exec& exec, WeightNormDims d, T* w, T* norm, const T* v, const T* g) {
  const WorkspaceOf<T> sums(exec, d.kept * d.inner);
  outer_sums(exec, d, sums.data(), v, v);
  launch(exec, "weight_norm_lengths", weight_norm_lengths_kernel<T>, row_grid(d.kept), d, norm, sums.data());
  launch(exec, "weight_norm_forward", weight_norm_forward_kernel<T>, pass_grid(d), d, w, v, g, norm);
}

template <Real T>
void weight_norm_backward(const Exec& exec, WeightNormDims d, Grad<T> dv, Grad<T> dg, const T* dw, const T* v, const T* g,
                          const T* norm) {
  if (!dv && !dg) return;
  const WorkspaceOf<T> sums(exec, d.kept * d.inner), along(exec, d.kept);
  outer_sums(exec, d, sums.data(), dw, v);
  launch(exec, "weight_norm_along", weight_norm_along_kernel<T>, row_grid(d.kept), d, along.data(), dg, sums.data(), norm);
  if (dv)
    launch(exec, "weight_norm_backward", weight_norm_backward_kernel<T>, pass_grid(d), d, dv, dw, v, g, norm, along.data());
}

template <Real T>
void provide_weight_norm(OpTable<T>& table) {
  table.weight_norm_forward = weight_norm_forward<T>;
  table.weight_norm_backward = weight_norm_backward<T>;
}

}  // namespace anylead::cuda_ops
