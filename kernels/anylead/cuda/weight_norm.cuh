// Weight normalisation (Salimans and Kingma 2016, eq. 2-3): w = g v / |v|, one norm for each index of the kept axis. Contracts:
// core/op_table.hpp.
//
//   dg = <dw, v> / |v|;  dv = g / |v| (dw - v <dw, v> / |v|^2)
//
// Mapping: v [outer, kept, inner] is a matrix [outer, kept inner] whose columns are summed (reduce.cuh: coalesced for any axis,
// also for the taps of a convolution, where inner is 1); a warp per kept index adds what belongs together. Then one pass over
// the elements. Bound: bandwidth, v and dw are read twice.
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

/// w [outer, kept, inner] = v g / norm
template <class T>
__global__ __launch_bounds__(kElementThreads) void weight_norm_forward_kernel(WeightNormDims d, T* w, const T* v, const T* g,
                                                                              const T* norm) {
  const Lanes at = array_lanes(d.outer * d.kept * d.inner);
  Quad<T> q = at(v);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (!at.has(i)) continue;
    const Index k = (at.first + 16 * i) / d.inner % d.kept;
    q.v[i] *= g[k] / norm[k];
  }
  at.store(w, q);
}

/// dv [outer, kept, inner]
template <class T>
__global__ __launch_bounds__(kElementThreads) void weight_norm_backward_kernel(WeightNormDims d, Grad<T> dv, const T* dw,
                                                                               const T* v, const T* g, const T* norm,
                                                                               const T* along) {
  const Lanes at = array_lanes(d.outer * d.kept * d.inner);
  const Quad<T> own = at(v);
  Quad<T> q = at(dw);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (!at.has(i)) continue;
    const Index k = (at.first + 16 * i) / d.inner % d.kept;
    q.v[i] = g[k] / norm[k] * (q.v[i] - own.v[i] * (along[k] / norm[k] / norm[k]));
  }
  at.deliver(dv, q);
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
  launch(exec, "weight_norm_forward", weight_norm_forward_kernel<T>, element_grid(d.outer * d.kept * d.inner), d, w, v, g,
         norm);
}

template <Real T>
void weight_norm_backward(const Exec& exec, WeightNormDims d, Grad<T> dv, Grad<T> dg, const T* dw, const T* v, const T* g,
                          const T* norm) {
  if (!dv && !dg) return;
  const WorkspaceOf<T> sums(exec, d.kept * d.inner), along(exec, d.kept);
  outer_sums(exec, d, sums.data(), dw, v);
  launch(exec, "weight_norm_along", weight_norm_along_kernel<T>, row_grid(d.kept), d, along.data(), dg, sums.data(), norm);
  if (dv)
    launch(exec, "weight_norm_backward", weight_norm_backward_kernel<T>, element_grid(d.outer * d.kept * d.inner), d, dv, dw, v,
           g, norm, along.data());
}

template <Real T>
void provide_weight_norm(OpTable<T>& table) {
  table.weight_norm_forward = weight_norm_forward<T>;
  table.weight_norm_backward = weight_norm_backward<T>;
}

}  // namespace anylead::cuda_ops
