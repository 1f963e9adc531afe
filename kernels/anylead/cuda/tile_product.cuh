// Products of matrices, a tile of the result per block, in plain arithmetic: float and double.
//
// 256 threads as 16 x 16 hold kSide x kSide sums in registers: 8 x 8 each of 128 x 128 (float), or 4 x 4 each of 64 x 64.
// Steps of 16 terms: both operands lie in shared memory as [term][row], in two stages, so that the copies of the next step are
// under way during the products of this one; a barrier per step. Copies move single numbers (cp.async of 4 or 8 bytes): any
// alignment, and no more instructions than a tenth of the products. Eight neighbouring terms of a row, a sector of float, come
// with four rows in a warp's copy, which makes the transposed store free of bank conflicts.
//
// Shared memory: 2 x 2 x 16 x (kSide + 4) numbers, 33.8 KB at 128 x 128 of float. A thread has 4 loads of 16 bytes for each
// term, against 64 FMA. Bound: FMA.
#pragma once

#include <anylead/cuda/async.cuh>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/frames.cuh>
#include <anylead/cuda/launch.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kProductThreads = 256;
constexpr int kDepth = 16;  // terms of a step

/// Copies 16 columns of kRows rows per call, those of the next step: the rows are rows of the tile, the columns its terms.
/// Offsets within a tile have 32 bits: a segment may have 2^30 numbers.
template <class T, int kRows, int kPitch>
class RowLoader {
 public:
  /// Rows first .. of group g; those from `end` on are 0.
  __device__ RowLoader(const Frames<T>& f, int g, Index first, Index end) : f_(f) {
    const Index first_segment = first / f.rows;
    start_ = f.group_start(g) + first_segment * f.segment_step + (first - first_segment * f.rows) * f.row_step;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const Index r = first + threadIdx.x / 8 + 32 * i;
      const Index segment = r / f.rows, t = r - segment * f.rows;
      row_[i] = static_cast<int>(f.group_start(g) + segment * f.segment_step + t * f.row_step - start_);
      frame_[i] = r < end ? static_cast<int>(t) * f.frame_stride + f.frame_offset : kOutside;
    }
    tap_ = static_cast<int>(threadIdx.x % 8) / f.group;
    channel_ = static_cast<int>(threadIdx.x % 8) % f.group;
  }

  __device__ void operator()(T* stage) {
#pragma unroll 1  // fewer registers
    for (int j = 0; j < kDepth; j += kColumnStep) {
      const T* from = start_ + (tap_ * f_.tap_step + channel_);
      T* to = stage + (threadIdx.x % 8 + j) * kPitch + threadIdx.x / 8;
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
        const bool valid = tap_ < f_.taps && f_.inside(frame_[i] + tap_);
        copy_async(to + 32 * i, valid ? from + row_[i] : f_.start, valid);
      }
      tap_ += f_.step_taps;
      channel_ += f_.step_channels;
      if (channel_ >= f_.group) {
        channel_ -= f_.group;
        ++tap_;
      }
    }
  }

 private:
  static constexpr int kOwn = kRows / 32;
  static constexpr int kOutside = -(1 << 30);

  const Frames<T>& f_;
  const T* start_;
  int row_[kOwn], frame_[kOwn], tap_, channel_;
};

/// The same for rows [width, terms] of numbers side by side, without taps and segments: fewer registers.
template <class T, int kRows, int kPitch>
class PlainLoader {
 public:
  __device__ PlainLoader(const Frames<T>& f, int g, int first)
      : f_(f),
        from_(f.group_start(g) + (first + threadIdx.x / 8) * f.row_step + threadIdx.x % 8),
        rows_(f.rows - first - static_cast<int>(threadIdx.x / 8)),
        columns_(f.group - static_cast<int>(threadIdx.x % 8)) {}

  __device__ void operator()(T* stage) {
#pragma unroll 1  // fewer registers
    for (int j = 0; j < kDepth; j += kColumnStep) {
      T* to = stage + (threadIdx.x % 8 + j) * kPitch + threadIdx.x / 8;
#pragma unroll
      for (int i = 0; i < kRows; i += 32) {
        const bool valid = i < rows_ && columns_ > 0;
        copy_async(to + i, valid ? from_ + i * f_.row_step : f_.start, valid);
      }
      from_ += kColumnStep;
      columns_ -= kColumnStep;
    }
  }

 private:
  const Frames<T>& f_;
  const T* from_;
  int rows_, columns_;
};

/// Copies 16 rows of kCols columns per call, those of the next step: the columns are rows of the tile, the rows its terms.
template <class T, int kCols, int kPitch>
class ColumnLoader {
 public:
  /// Columns first .. and rows begin .. end - 1 of group g.
  __device__ ColumnLoader(const Frames<T>& f, int g, int first, Index begin, Index end) : f_(f) {
    const int column = first + static_cast<int>(threadIdx.x % kCols), own = static_cast<int>(threadIdx.x / kCols);
    tap_ = column / f.group;
    left_ = column < f.columns() ? static_cast<int>(end - begin) - own : 0;
    const Index row = begin + own, segment = row / f.rows;
    t_ = static_cast<int>(row - segment * f.rows);
    from_ = f.group_start(g) + segment * f.segment_step + t_ * f.row_step + (tap_ * f.tap_step + column % f.group);
  }

  __device__ void operator()(T* stage) {
    T* to = stage + threadIdx.x / kCols * kPitch + threadIdx.x % kCols;
#pragma unroll
    for (int i = 0; i < kDepth; i += kStep) {
      const bool valid = left_ > 0 && f_.inside(t_ * f_.frame_stride + f_.frame_offset + tap_);
      copy_async(to + i * kPitch, valid ? from_ : f_.start, valid);
      left_ -= kStep;
      t_ += kStep;
      from_ += kStep * f_.row_step;
      while (t_ >= f_.rows && left_ > 0) {
        t_ -= f_.rows;
        from_ += f_.segment_step - f_.rows * f_.row_step;
      }
    }
  }

 private:
  static constexpr int kStep = kProductThreads / kCols;

  const Frames<T>& f_;
  const T* from_;
  int tap_, left_, t_;
};

/// The sums of a tile.
template <class T, int kSize>
class PlainTile {
 public:
  using Value = T;
  using Sum = T;
  static constexpr int kSide = kSize, kPitch = kSide + 4;  // eight terms of four rows lie in 32 banks
  static constexpr int kBlocks = sizeof(T) == 4 ? 2 : 1;   ///< of a processor at a time, at least
  using Rows = RowLoader<T, kSide, kPitch>;
  using PlainRows = PlainLoader<T, kSide, kPitch>;
  using Columns = ColumnLoader<T, kSide, kPitch>;
  struct alignas(16) Shared {
    T v[2][2][kDepth][kPitch];
  };

  /// Adds the products of `terms` terms; load_a(stage), load_b(stage) copy the next 16 of them.
  template <class LoadA, class LoadB>
  __device__ void multiply(Shared& shared, int terms, LoadA&& load_a, LoadB&& load_b) {
    const int steps = (terms + kDepth - 1) / kDepth;
    const auto load = [&](int step) {
      load_a(&shared.v[step % 2][0][0][0]);
      load_b(&shared.v[step % 2][1][0][0]);
      commit_copies();
    };
    if (steps > 0) load(0);
    for (int step = 0; step < steps; ++step) {
      await_copies<0>();
      __syncthreads();  // this step has arrived, and nobody reads the other stage any more
      if (step + 1 < steps) load(step + 1);
      const T* a = &shared.v[step % 2][0][0][threadIdx.x / 16 * 4];
      const T* b = &shared.v[step % 2][1][0][threadIdx.x % 16 * 4];
#pragma unroll
      for (int k = 0; k < kDepth; ++k) {
        Four<T> u[kOwn / 4], v[kOwn / 4];
#pragma unroll
        for (int i = 0; i < kOwn / 4; ++i) u[i] = four(a + k * kPitch + 64 * i);
#pragma unroll
        for (int j = 0; j < kOwn / 4; ++j) v[j] = four(b + k * kPitch + 64 * j);
#pragma unroll
        for (int i = 0; i < kOwn; ++i)
#pragma unroll
          for (int j = 0; j < kOwn; ++j) sum_[i][j] += u[i / 4].v[i % 4] * v[j / 4].v[j % 4];
      }
    }
  }

  /// Calls f(row, col, sum) for the whole tile: a thread keeps to column threadIdx.x % kSide, its rows rise, neighbours are in
  /// the same row. All threads of the block take part.
  template <class F>
  __device__ void for_each(Shared& shared, F&& f) const {
    T* slice = &shared.v[0][0][0][0];
    static_assert(sizeof(Shared) >= sizeof(T) * kSliceRows * kSide);
#pragma unroll
    for (int s = 0; s < kSide / kSliceRows; ++s) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < kOwn; j += 4) {
          const T* own = sum_[4 * s + i] + j;
          four(slice + (threadIdx.x / 16 * 4 + i) * kSide + threadIdx.x % 16 * 4 + 16 * j) = {{own[0], own[1], own[2], own[3]}};
        }
      __syncthreads();
#pragma unroll 1
      for (int r = threadIdx.x / kSide; r < kSliceRows; r += kProductThreads / kSide)
        f(s * kSliceRows + r, static_cast<int>(threadIdx.x % kSide), slice[r * kSide + threadIdx.x % kSide]);
    }
  }

 private:
  static constexpr int kOwn = kSide / 16;  // rows and columns of a thread
  static constexpr int kSliceRows = 64;    // of the result, in shared memory at a time

  T sum_[kOwn][kOwn] = {};
};

}  // namespace
}  // namespace anylead::cuda_ops
