// Passes over single elements: y = value; y = factor x; y = x + dropout(a); y = x Phi(x) (Hendrycks and Gimpel 2016, eq. 1);
// mean of x^2; Gumbel numbers -log(-log u). Contracts: core/op_table.hpp.
//
// Mapping: thread t owns the four elements of Philox block t (vector.cuh), blocks of 256 threads; any n. No shared memory but
// in the sum. Bound: bandwidth, each array is read or written once; the Philox rounds and erfc stay below it on sm_80. Gumbel
// numbers are computed in double, so that they round to the CPU's.
#pragma once

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// y [n] = value
template <class T>
__global__ __launch_bounds__(kElementThreads) void fill_kernel(Index n, T* y, T value) {
  array_lanes(n).store(y, Quad<T>{{value, value, value, value}});
}

/// y [n] = factor x; y may be x.
template <class T>
__global__ __launch_bounds__(kElementThreads) void scale_kernel(Index n, Grad<T> y, const T* x, T factor) {
  const Lanes at = array_lanes(n);
  at.deliver(y, at(x) * factor);
}

/// y [n] = x + dropout(a), x may be null; y may be x or a.
template <class T>
__global__ __launch_bounds__(kElementThreads) void dropout_add_forward_kernel(Index n, T* y, const T* x, const T* a,
                                                                              Dropout dropout) {
  const Lanes at = array_lanes(n);
  Quad<T> v = at(a);
  if (dropout.p != 0) v = v * dropout_factors<T>(dropout, at);
  if (x) v = v + at(x);
  at.store(y, v);
}

/// dx [n] = dy; da [n] = dy times the factors.
template <class T>
__global__ __launch_bounds__(kElementThreads) void dropout_add_backward_kernel(Index n, Grad<T> dx, Grad<T> da, const T* dy,
                                                                               Dropout dropout) {
  const Lanes at = array_lanes(n);
  const Quad<T> v = at(dy);
  at.deliver(dx, v);
  if (da) at.deliver(da, dropout.p != 0 ? v * dropout_factors<T>(dropout, at) : v);
}

/// y [n] = x Phi(x); y may be x.
template <class T>
__global__ __launch_bounds__(kElementThreads) void gelu_forward_kernel(Index n, T* y, const T* x) {
  const Lanes at = array_lanes(n);
  at.store(y, map(at(x), [](T v) { return gelu(v); }));
}

/// dx [n] = dy (Phi(x) + x phi(x))
template <class T>
__global__ __launch_bounds__(kElementThreads) void gelu_backward_kernel(Index n, Grad<T> dx, const T* dy, const T* x) {
  const Lanes at = array_lanes(n);
  at.deliver(dx, at(dy) * map(at(x), [](T v) { return gelu_slope(v); }));
}

constexpr Index kSquareSteps = 4;       // quads of a thread, added in T before the sums in double
constexpr Index kSquarePartials = 256;  // what the second launch adds up, a number of each thread

/// partial [gridDim] = sums of squares; block i takes every gridDim-th stretch of threads.
template <class T>
__global__ __launch_bounds__(kElementThreads) void square_sums_kernel(Index n, double* partial, const T* x) {
  double total = 0;
  const Index threads = Index{gridDim.x} * kElementThreads;
  const Index own = Index{blockIdx.x} * kElementThreads + threadIdx.x;
  for (Index first = own; RandomStream::number(static_cast<std::uint64_t>(first / 16 * 16), 0) < static_cast<std::uint64_t>(n);
       first += threads * kSquareSteps) {
    Quad<T> squares = {};
#pragma unroll 4
    for (Index block = first; block < first + threads * kSquareSteps; block += threads) {
      const Lanes at = {static_cast<Index>(RandomStream::number(static_cast<std::uint64_t>(block), 0)), n, 0};
      const Quad<T> v = at(x);
      squares = squares + v * v;
    }
    total += double(sum(squares));
  }
  total = block_sum<kElementThreads>(total);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

/// y [1] = sum of partial [count] / n; 0 if n = 0. One block.
template <class T>
__global__ __launch_bounds__(kElementThreads) void mean_square_forward_kernel(Index n, Index count, T* y,
                                                                              const double* partial) {
  double total = 0;
  for (Index i = threadIdx.x; i < count; i += kElementThreads) total += partial[i];
  total = block_sum<kElementThreads>(total);
  if (threadIdx.x == 0) *y = n == 0 ? T(0) : T(total / static_cast<double>(n));
}

/// dx [n] = x 2 dy / n
template <class T>
__global__ __launch_bounds__(kElementThreads) void mean_square_backward_kernel(Index n, Grad<T> dx, const T* dy, const T* x) {
  const Lanes at = array_lanes(n);
  at.deliver(dx, at(x) * T(2 * double(*dy) / static_cast<double>(n)));
}

/// noise [n]: Gumbel numbers of the stream.
template <class T>
__global__ __launch_bounds__(kElementThreads) void gumbel_noise_kernel(Index n, T* noise, RandomStream stream) {
  const Lanes at = array_lanes(n);
  const PhiloxBlock b = stream.block(at.block);
  Quad<T> v = {};
#pragma unroll
  for (int w = 0; w < 4; ++w)
    if (at.has(w)) v.v[w] = T(RandomStream::gumbel_of(b.word[w]));
  at.store(noise, v);
}

}  // namespace

template <Real T>
void fill(const Exec& exec, Index n, T* y, T value) {
  launch(exec, "fill", fill_kernel<T>, element_grid(n), n, y, value);
}

template <Real T>
void scale(const Exec& exec, Index n, Grad<T> y, const T* x, T factor) {
  if (y) launch(exec, "scale", scale_kernel<T>, element_grid(n), n, y, x, factor);
}

template <Real T>
void dropout_add_forward(const Exec& exec, Index n, T* y, const T* x, const T* a, Dropout dropout) {
  launch(exec, "dropout_add_forward", dropout_add_forward_kernel<T>, element_grid(n), n, y, x, a, dropout);
}

template <Real T>
void dropout_add_backward(const Exec& exec, Index n, Grad<T> dx, Grad<T> da, const T* dy, Dropout dropout) {
  if (dx || da) launch(exec, "dropout_add_backward", dropout_add_backward_kernel<T>, element_grid(n), n, dx, da, dy, dropout);
}

template <Real T>
void gelu_forward(const Exec& exec, Index n, T* y, const T* x) {
  launch(exec, "gelu_forward", gelu_forward_kernel<T>, element_grid(n), n, y, x);
}

template <Real T>
void gelu_backward(const Exec& exec, Index n, Grad<T> dx, const T* dy, const T* x) {
  if (dx) launch(exec, "gelu_backward", gelu_backward_kernel<T>, element_grid(n), n, dx, dy, x);
}

template <Real T>
void mean_square_forward(const Exec& exec, Index n, T* y, const T* x) {
  const Index blocks = element_grid(n).x, partials = blocks < kSquarePartials ? blocks : kSquarePartials;
  const WorkspaceOf<double> partial(exec, partials);
  launch(exec, "square_sums", square_sums_kernel<T>, {.x = partials, .threads = kElementThreads}, n, partial.data(), x);
  launch(exec, "mean_square_forward", mean_square_forward_kernel<T>, {.threads = kElementThreads}, n, partials, y,
         partial.data());
}

template <Real T>
void mean_square_backward(const Exec& exec, Index n, Grad<T> dx, const T* dy, const T* x) {
  if (dx) launch(exec, "mean_square_backward", mean_square_backward_kernel<T>, element_grid(n), n, dx, dy, x);
}

template <Real T>
void gumbel_noise(const Exec& exec, Index n, T* noise, RandomStream stream) {
  launch(exec, "gumbel_noise", gumbel_noise_kernel<T>, element_grid(n), n, noise, stream);
}

template <Real T>
void provide_elementwise(OpTable<T>& table) {
  table.fill = fill<T>;
  table.scale = scale<T>;
  table.dropout_add_forward = dropout_add_forward<T>;
  table.dropout_add_backward = dropout_add_backward<T>;
  table.gelu_forward = gelu_forward<T>;
  table.gelu_backward = gelu_backward<T>;
  table.mean_square_forward = mean_square_forward<T>;
  table.mean_square_backward = mean_square_backward<T>;
  table.gumbel_noise = gumbel_noise<T>;
}

}  // namespace anylead::cuda_ops
