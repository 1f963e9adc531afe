// Gradient norm and Adam (Kingma and Ba 2015, section 2; Loshchilov and Hutter 2019) over all tensors of a model at once.
// Contracts and formulas: core/op_table.hpp.
//
// The tensors are a table that is uploaded through page-locked memory, some kilobytes. Their elements are cut into chunks of
// 4096, a block each; a block finds its tensor by bisection. Norm: sums of a chunk's squares, in T for 16 elements of a thread
// and in double above, then one block adds up the chunks. Three launches a step. Bound: bandwidth, 7 numbers per element.
#pragma once

#include <cmath>
#include <vector>

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr Index kAdamChunk = 4096;
constexpr int kAdamQuads = static_cast<int>(kAdamChunk / 4 / kElementThreads);  // of a thread

/// A tensor, and how many chunks come before its own.
template <class T>
struct AdamEntry {
  AdamSegment<T> segment;
  Index first_chunk;
};

template <class T>
struct AdamTable {
  const AdamEntry<T>* entries;
  Index count, chunks;
};

/// Entries of the tensors, and the number of chunks. Zero-sized tensors have none.
template <class T>
struct AdamList {
  std::vector<AdamEntry<T>> entries;
  Index chunks = 0;

  AdamList(const AdamSegment<T>* segments, Index count) {
    for (Index i = 0; i < count; ++i) {
      if (segments[i].count > 0) entries.push_back({segments[i], chunks});
      chunks += pieces(segments[i].count, kAdamChunk);
    }
  }
  Index bytes() const { return static_cast<Index>(entries.size() * sizeof(AdamEntry<T>)); }

  /// In device memory.
  AdamTable<T> upload_to(const Exec& exec, void* memory) const {
    upload(exec, memory, entries.data(), entries.size() * sizeof(AdamEntry<T>));
    return {static_cast<const AdamEntry<T>*>(memory), static_cast<Index>(entries.size()), chunks};
  }
};

/// The tensor of this block, and its elements in it.
template <class T>
struct AdamChunk {
  AdamSegment<T> segment;
  Index begin;

  /// Quad i of this thread.
  __device__ Lanes lanes(int i) const {
    const Index block = begin / 4 + i * kElementThreads + threadIdx.x;
    return {static_cast<Index>(RandomStream::number(static_cast<std::uint64_t>(block), 0)), segment.count, 0};
  }
};

template <class T>
__device__ AdamChunk<T> own_chunk(AdamTable<T> table) {
  Index low = 0, high = table.count;  // the last entry that begins at or before this chunk
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    if (table.entries[middle].first_chunk <= blockIdx.x)
      low = middle;
    else
      high = middle;
  }
  return {table.entries[low].segment, (blockIdx.x - table.entries[low].first_chunk) * kAdamChunk};
}

/// partial [chunks] = sums of squares of the gradients.
template <class T>
__global__ __launch_bounds__(kElementThreads) void gradient_squares_kernel(AdamTable<T> table, double* partial) {
  const AdamChunk<T> own = own_chunk(table);
  Quad<T> squares = {};
#pragma unroll
  for (int i = 0; i < kAdamQuads; ++i) {
    const Quad<T> g = own.lanes(i)(own.segment.grad);
    squares = squares + g * g;
  }
  const double total = block_sum<kElementThreads>(double(sum(squares)));
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

/// total [1] = sum of partial [count]. One block.
__global__ __launch_bounds__(kElementThreads) void add_squares_kernel(Index count, double* total, const double* partial) {
  double sum = 0;
  for (Index i = threadIdx.x; i < count; i += kElementThreads) sum += partial[i];
  sum = block_sum<kElementThreads>(sum);
  if (threadIdx.x == 0) *total = sum;
}

/// The constants of a step, rounded once.
template <class T>
struct AdamConstants {
  T beta1, beta2, rest1, rest2, grad_scale, epsilon, keep, rate, root;

  explicit AdamConstants(const AdamDims& d)
      : beta1(T(d.beta1)),
        beta2(T(d.beta2)),
        rest1(T(1 - d.beta1)),
        rest2(T(1 - d.beta2)),
        grad_scale(T(d.grad_scale)),
        epsilon(T(d.epsilon)),
        keep(T(1 - d.rate * d.decay)) {
    const double correction1 = 1 - std::pow(d.beta1, static_cast<double>(d.step));
    const double correction2 = 1 - std::pow(d.beta2, static_cast<double>(d.step));
    rate = T(d.corrected_epsilon ? d.rate / correction1 : d.rate * std::sqrt(correction2) / correction1);
    root = T(d.corrected_epsilon ? 1 / std::sqrt(correction2) : 1);
  }
};

template <class T>
__global__ __launch_bounds__(kElementThreads) void adam_step_kernel(AdamTable<T> table, AdamConstants<T> k) {
  const AdamChunk<T> own = own_chunk(table);
  const AdamSegment<T>& s = own.segment;
  const T keep = s.decays ? k.keep : T(1);
#pragma unroll
  for (int i = 0; i < kAdamQuads; ++i) {
    const Lanes at = own.lanes(i);
    const Quad<T> g = at(s.grad) * k.grad_scale, value = at(s.value);
    const Quad<T> m = at(s.mean) * k.beta1 + g * k.rest1, v = at(s.square) * k.beta2 + g * g * k.rest2;
    const Quad<T> step =
        map(m, v, [&](T first, T second) { return first * k.rate / (std::sqrt(second) * k.root + k.epsilon); });
    at.store(s.mean, m);
    at.store(s.square, v);
    at.store(s.value, value * keep - step);
  }
}

}  // namespace

template <Real T>
double sum_squares(const Exec& exec, const AdamSegment<T>* segments, Index count) {
  const AdamList<T> list(segments, count);
  if (list.chunks == 0) return 0;
  const WorkspaceOf<char> memory(exec, list.bytes());
  const AdamTable<T> table = list.upload_to(exec, memory.data());
  const WorkspaceOf<double> sums(exec, table.chunks + 1);
  double* total = sums.data() + table.chunks;
  launch(exec, "gradient_squares", gradient_squares_kernel<T>, {.x = table.chunks, .threads = kElementThreads}, table,
         sums.data());
  launch(exec, "add_squares", add_squares_kernel, {.threads = kElementThreads}, table.chunks, total, sums.data());
  double on_host = 0;
  read_back(exec, &on_host, total, sizeof on_host);
  return on_host;
}

template <Real T>
void adam_step(const Exec& exec, AdamDims d, const AdamSegment<T>* segments, Index count) {
  const AdamList<T> list(segments, count);
  if (list.chunks == 0) return;
  const WorkspaceOf<char> memory(exec, list.bytes());
  const AdamTable<T> table = list.upload_to(exec, memory.data());
  launch(exec, "adam_step", adam_step_kernel<T>, {.x = table.chunks, .threads = kElementThreads}, table, AdamConstants<T>(d));
}

template <Real T>
void provide_optimizer_step(OpTable<T>& table) {
  table.sum_squares = sum_squares<T>;
  table.adam_step = adam_step<T>;
}

}  // namespace anylead::cuda_ops
