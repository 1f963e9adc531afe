// What arrays are stored in and what sums are computed in.
#pragma once

#include <type_traits>

#include <anylead/core/bfloat16.hpp>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// float for bf16, else the type itself.
template <class T>
using sum_t = std::conditional_t<std::is_same_v<T, bf16>, float, T>;

/// One element of a gradient, added before it is rounded.
__device__ inline void deliver(Grad<bf16> to, Index i, float v) {
  if (to.mode == GradMode::skip) return;
  if (to.mode == GradMode::accumulate) v += float(to.data[i]);
  to.data[i] = bf16(v);
}

/// The elements of a thread, as numbers to compute with; zeros for those that are outside.
template <class T>
__device__ Quad<sum_t<T>> widened(const Lanes& at, const T* p) {
  Quad<sum_t<T>> q;
#pragma unroll
  for (int w = 0; w < 4; ++w) q.v[w] = at.has(w) ? sum_t<T>(p[at.first + 16 * w]) : sum_t<T>(0);
  return q;
}

/// The way back.
template <class T>
__device__ void store(const Lanes& at, T* p, Quad<sum_t<T>> q) {
#pragma unroll
  for (int w = 0; w < 4; ++w)
    if (at.has(w)) p[at.first + 16 * w] = T(q.v[w]);
}

/// What column sums read: element (r, c) of a matrix with rows `stride` apart.
template <class T>
struct Widened {
  const T* x;
  Index stride;
  __device__ sum_t<T> operator()(Index r, Index c) const { return sum_t<T>(x[r * stride + c]); }
};

}  // namespace
}  // namespace anylead::cuda_ops
