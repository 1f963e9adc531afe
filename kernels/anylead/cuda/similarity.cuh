// Log-softmax of rows and cosines between rows. Contracts: core/op_table.hpp.
//
// Mapping: a warp per row, eight rows a block; sums by shuffles, no shared memory. A row is read once from memory and again
// from the cache for each pass over it (largest value, sum, result). Bound: bandwidth.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// The largest number of a row, -infinity in an empty one; NaN is passed over.
template <class T>
__device__ T row_max(Index cols, const T* x) {
  T best = T(-HUGE_VAL);  // std::numeric_limits is the host's
  for_row(cols, [&](const Lanes& at) {
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (at.has(w)) {
        const T v = x[at.first + 16 * w];
        best = v > best ? v : best;
      }
  });
  return warp_max(best);
}

/// y [R, C] = (x - max) - log sum exp(x - max)
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void log_softmax_forward_kernel(RowDims d, T* y, const T* x) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const T most = row_max(d.cols, x + o);
  const T total =
      row_sum<T>(d.cols, [&](const Lanes& at) { return at.keep(map(at(x + o), [&](T v) { return std::exp(v - most); })); });
  const T logsum = most + std::log(total);
  for_row(d.cols, [&](const Lanes& at) { at.store(y + o, at(x + o) - logsum); });
}

/// dx [R, C] = dy - exp(y) sum dy
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void log_softmax_backward_kernel(RowDims d, Grad<T> dx, const T* dy,
                                                                                  const T* y) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  const T total = row_sum<T>(d.cols, [&](const Lanes& at) { return at(dy + o); });
  for_row(d.cols, [&](const Lanes& at) {
    at.deliver(advanced(dx, o), at(dy + o) - map(at(y + o), [](T v) { return std::exp(v); }) * total);
  });
}

/// Squared lengths and product of row r of a and row s R + r of b.
template <class T>
struct Products {
  T aa, bb, ab;
};

template <class T>
__device__ Products<T> products(Index cols, const T* a, const T* b) {
  Products<Quad<T>> p = {};
  for_row(cols, [&](const Lanes& at) {
    const Quad<T> u = at(a), v = at(b);
    p = {p.aa + u * u, p.bb + v * v, p.ab + u * v};
  });
  return {warp_sum(sum(p.aa)), warp_sum(sum(p.bb)), warp_sum(sum(p.ab))};
}

/// y [S R]; warp i: row i % R of a [R, C], row i of b [S R, C].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void cosine_forward_kernel(RowDims d, Index repeats, T* y, const T* a,
                                                                            const T* b, T eps) {
  const Index i = own_row();
  if (i >= d.rows * repeats) return;
  const Products<T> p = products(d.cols, a + i % d.rows * d.cols, b + i * d.cols);
  const T cosine = p.ab / (at_least(eps, std::sqrt(p.aa)) * at_least(eps, std::sqrt(p.bb)));
  if (threadIdx.x == 0) y[i] = cosine;
}

/// With g = dy / (max(|a|, eps) max(|b|, eps)): da += b g - a dy y / |a|^2 (only the first term below eps), db likewise. Warp r
/// goes through the S rows of b that row r of a met, in order.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void cosine_backward_kernel(RowDims d, Index repeats, Grad<T> da, Grad<T> db,
                                                                             const T* dy, const T* y, const T* a, const T* b,
                                                                             T eps) {
  const Index r = own_row(), o = r * d.cols;
  if (r >= d.rows) return;
  for (Index s = 0; s < repeats; ++s) {
    const Index i = s * d.rows + r;
    const Products<T> p = products(d.cols, a + o, b + i * d.cols);
    const T la = std::sqrt(p.aa), lb = std::sqrt(p.bb);
    const T cross = dy[i] / (at_least(eps, la) * at_least(eps, lb));
    const T own_a = la > eps ? dy[i] * y[i] / p.aa : T(0), own_b = lb > eps ? dy[i] * y[i] / p.bb : T(0);
    for_row(d.cols, [&](const Lanes& at) {
      const Quad<T> u = at(a + o), v = at(b + i * d.cols);
      Grad<T> to = advanced(da, o);
      if (to && s > 0) to.mode = GradMode::accumulate;
      at.deliver(to, v * cross - u * own_a);
      at.deliver(advanced(db, i * d.cols), u * cross - v * own_b);
    });
  }
}

}  // namespace

template <Real T>
void log_softmax_forward(const Exec& exec, RowDims d, T* y, const T* x) {
  launch(exec, "log_softmax_forward", log_softmax_forward_kernel<T>, row_grid(d.rows), d, y, x);
}

template <Real T>
void log_softmax_backward(const Exec& exec, RowDims d, Grad<T> dx, const T* dy, const T* y) {
  if (dx) launch(exec, "log_softmax_backward", log_softmax_backward_kernel<T>, row_grid(d.rows), d, dx, dy, y);
}

template <Real T>
void cosine_forward(const Exec& exec, RowDims d, Index repeats, T* y, const T* a, const T* b, T eps) {
  launch(exec, "cosine_forward", cosine_forward_kernel<T>, row_grid(d.rows * repeats), d, repeats, y, a, b, eps);
}

template <Real T>
void cosine_backward(const Exec& exec, RowDims d, Index repeats, Grad<T> da, Grad<T> db, const T* dy, const T* y, const T* a,
                     const T* b, T eps) {
  if (da || db)
    launch(exec, "cosine_backward", cosine_backward_kernel<T>, row_grid(d.rows), d, repeats, da, db, dy, y, a, b, eps);
}

template <Real T>
void provide_similarity(OpTable<T>& table) {
  table.log_softmax_forward = log_softmax_forward<T>;
  table.log_softmax_backward = log_softmax_backward<T>;
  table.cosine_forward = cosine_forward<T>;
  table.cosine_backward = cosine_backward<T>;
}

}  // namespace anylead::cuda_ops
