// Sums whose order depends on sizes alone: the same bits in every run. No atomics.
#pragma once

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

/// Sum over the lanes of a warp, in all of them. All lanes take part.
template <class A>
__device__ A warp_sum(A v) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xFFFFFFFFu, v, step);
  return v;
}

template <class A>
__device__ A warp_max(A v) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const A other = __shfl_xor_sync(0xFFFFFFFFu, v, step);
    v = other > v ? other : v;
  }
  return v;
}

/// Sum over the kThreads of a block, in all of them. All threads take part.
template <int kThreads, class A>
__device__ A block_sum(A v) {
  __shared__ A part[kThreads / 32];
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  A total = 0;
  for (const A p : part) total += p;
  __syncthreads();  // part is free for the next sum
  return total;
}

/// Sum over a row of f(lanes), a Quad each that is 0 outside the row; in all lanes of the warp. @see for_row
template <class T, class F>
__device__ T row_sum(Index cols, F&& f) {
  Quad<T> total = {};
  for_row(cols, [&](const Lanes& at) { total = total + f(at); });
  return warp_sum(sum(total));
}

// --- sums of the columns of a matrix: 32 columns a block, 32 rows at a time ------------------------------------------------
// Rows are cut into stretches of kStretch; their sums are the rows of a small matrix that a second launch adds up. Bound:
// bandwidth, every element is read once.

constexpr int kColumns = 32, kColumnRows = 32;
constexpr Index kStretch = 512;

/// What is summed: element (r, c) of a matrix with rows `stride` apart.
template <class T>
struct Plain {
  const T* x;
  Index stride;
  __device__ T operator()(Index r, Index c) const { return x[r * stride + c]; }
};

/// Block (i, j): columns 32 i .., rows kStretch j ... Column c goes to first[c], or to second[c - split].
template <class T, class Load>
__global__ __launch_bounds__(kColumns* kColumnRows) void column_sums_kernel(RowDims d, Index stretch, Grad<T> first,
                                                                            Grad<T> second, Index split, Load load) {
  __shared__ T part[kColumnRows][kColumns + 1];  // one word of padding: columns are read from different banks
  __shared__ T sums[kColumns];
  const Index c = Index{blockIdx.x} * kColumns + threadIdx.x, begin = blockIdx.y * stretch;
  const Index end = begin + stretch < d.rows ? begin + stretch : d.rows;
  T total = 0;
  if (c < d.cols) {
#pragma unroll 4
    for (Index r = begin + threadIdx.y; r < end; r += kColumnRows) total += load(r, c);
  }
  part[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  const T sum = warp_sum(part[threadIdx.x][threadIdx.y]);  // warp y adds the parts of column y
  if (threadIdx.x == 0) sums[threadIdx.y] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= d.cols) return;
  const Index row = blockIdx.y * d.cols;  // 0 where sums are final
  if (c < split)
    deliver(first, row + c, sums[threadIdx.x]);
  else
    deliver(second, row + c - split, sums[threadIdx.x]);
}

template <class Load>
void launch_column_sums(const Exec& exec, RowDims d, Index stretch, auto first, auto second, Index split, Load load) {
  using T = std::remove_pointer_t<decltype(first.data)>;
  launch(
      exec, "column_sums", column_sums_kernel<T, Load>,
      {.x = pieces(d.cols, kColumns), .y = d.rows > 0 ? pieces(d.rows, stretch) : 1, .threads = kColumns, .rows = kColumnRows},
      d, stretch, first, second, split, load);
}

/// sums over the rows of load(r, c), c < d.cols, called once for each: columns before `split` to first, the others to second.
/// Assigned or added.
template <class T, class Load>
void column_sums(const Exec& exec, RowDims d, Grad<T> first, Grad<T> second, Index split, Load load) {
  if (!first && !second) return;
  const Index stretches = pieces(d.rows, kStretch);
  if (stretches <= 1) {  // without rows too: the sums are 0
    launch_column_sums(exec, d, kStretch, first, second, split, load);
    return;
  }
  const WorkspaceOf<T> partial(exec, stretches * d.cols);
  launch_column_sums(exec, d, kStretch, Grad<T>{partial.data(), GradMode::overwrite}, Grad<T>{}, d.cols, load);
  launch_column_sums(exec, {stretches, d.cols}, stretches, first, second, split, Plain<T>{partial.data(), d.cols});
}

template <class T, class Load>
void column_sums(const Exec& exec, RowDims d, Grad<T> sums, Load load) {
  column_sums(exec, d, sums, Grad<T>{}, d.cols, load);
}

}  // namespace
}  // namespace anylead::cuda_ops
