// Products of matrices, a tile of the result per block, in plain arithmetic: float and double.
//
// 16 x 16 threads hold a square of sums in registers: 8 x 8 each of 128 x 128 (float), or 4 x 4 each of 64 x 64; 128 x 256 are
// two squares side by side, of 512 threads. Steps of 16 terms: both operands lie in shared memory as [term][row], in two
// stages, so that the copies of the next step are under way during the products of this one; a barrier per step. Copies move
// single numbers (cp.async of 4 or 8 bytes): any alignment, and no more instructions than a tenth of the products. Eight
// neighbouring terms of a row, a sector of float, come with four rows in a warp's copy, which makes the transposed store free
// of bank conflicts.
//
// Shared memory: 2 x 16 x (kRows + kCols + 8) numbers, 34 KB at 128 x 128 of float; 64 KB at 128 x 256, for the sums on their
// way out. A thread has 4 loads of 16 bytes for each term, against 64 FMA. Bound: FMA.
#pragma once

#include <anylead/cuda/async.cuh>
#include <anylead/cuda/four.cuh>
#include <anylead/cuda/frames.cuh>
#include <anylead/cuda/launch.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kSquareThreads = 256;  // that compute a square of sums
constexpr int kDepth = 16;           // terms of a step

/// Tiles of results: kRows x kCols, squares side by side.
template <int kRows, int kCols>
constexpr int kTileThreadsOf = kSquareThreads*(kCols / kRows);

/// Copies 16 columns of kRows rows per call, those of the next step: the rows are rows of the tile, the columns its terms.
/// Offsets within a tile have 32 bits: a segment may have 2^30 numbers.
template <class T, int kThreads, int kRows, int kPitch>
class RowLoader {
 public:
  /// Rows first .. of group g; those from `end` on are 0.
  __device__ RowLoader(const Frames<T>& f, int g, Index first, Index end) : f_(f) {
    const Index first_segment = first / f.rows;
    start_ = f.group_start(g) + first_segment * f.segment_step + (first - first_segment * f.rows) * f.row_step;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const Index r = first + threadIdx.x / 8 + kStep * i;
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
        copy_async(to + kStep * i, valid ? from + row_[i] : f_.start, valid);
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
  static constexpr int kStep = kThreads / 8, kOwn = kRows / kStep;
  static constexpr int kOutside = -(1 << 30);

  const Frames<T>& f_;
  const T* start_;
  int row_[kOwn], frame_[kOwn], tap_, channel_;
};

/// The same for rows [width, terms] of numbers side by side, without taps and segments: fewer registers.
template <class T, int kThreads, int kRows, int kPitch>
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
      for (int i = 0; i < kRows; i += kThreads / 8) {
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
template <class T, int kThreads, int kCols, int kPitch>
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
  static constexpr int kStep = kThreads / kCols;

  const Frames<T>& f_;
  const T* from_;
  int tap_, left_, t_;
};

/// Adds the products of kTerms terms to a thread's sums; a and b are its first row and column in shared memory, whose terms are
/// kPitchA and kPitchB apart. It has rows and columns four at a time, 64 apart.
template <int kTerms, int kPitchA, int kPitchB, class T, int kOwn>
__device__ inline void multiply_fours(T (&sum)[kOwn][kOwn], const T* a, const T* b) {
#pragma unroll
  for (int k = 0; k < kTerms; ++k) {
    Four<T> u[kOwn / 4], v[kOwn / 4];
#pragma unroll
    for (int i = 0; i < kOwn / 4; ++i) u[i] = four(a + k * kPitchA + 64 * i);
#pragma unroll
    for (int j = 0; j < kOwn / 4; ++j) v[j] = four(b + k * kPitchB + 64 * j);
#pragma unroll
    for (int i = 0; i < kOwn; ++i)
#pragma unroll
      for (int j = 0; j < kOwn; ++j) sum[i][j] += u[i / 4].v[i % 4] * v[j / 4].v[j % 4];
  }
}

/// The sums of a tile.
template <class T, int kTileRows, int kTileCols>
class PlainTile {
 public:
  using Value = T;
  using Sum = T;
  static constexpr int kRows = kTileRows, kCols = kTileCols, kThreads = kTileThreadsOf<kRows, kCols>;
  static constexpr int kPitchA = kRows + 4, kPitchB = kCols + 4;                      // eight terms of four rows: 32 banks
  static constexpr int kBlocks = sizeof(T) == 4 ? 2 * kSquareThreads / kThreads : 1;  ///< of a processor at a time, at least
  using Rows = RowLoader<T, kThreads, kRows, kPitchA>;
  using RowColumns = ColumnLoader<T, kThreads, kRows, kPitchA>;
  using PlainRows = PlainLoader<T, kThreads, kCols, kPitchB>;
  using Columns = ColumnLoader<T, kThreads, kCols, kPitchB>;
  union alignas(16) Shared {
    struct {
      T a[2][kDepth][kPitchA], b[2][kDepth][kPitchB];
    };
    T slice[64][kCols];  ///< of the result
  };

  /// Adds the products of `terms` terms; load_a(stage), load_b(stage) copy the next 16 of them.
  template <class LoadA, class LoadB>
  __device__ void multiply(Shared& shared, int terms, LoadA&& load_a, LoadB&& load_b) {
    const int steps = (terms + kDepth - 1) / kDepth;
    const auto load = [&](int step) {
      load_a(&shared.a[step % 2][0][0]);
      load_b(&shared.b[step % 2][0][0]);
      commit_copies();
    };
    if (steps > 0) load(0);
    for (int step = 0; step < steps; ++step) {
      await_copies<0>();
      __syncthreads();  // this step has arrived, and nobody reads the other stage any more
      if (step + 1 < steps) load(step + 1);
      multiply_fours<kDepth, kPitchA, kPitchB>(sum_, &shared.a[step % 2][0][own_row()], &shared.b[step % 2][0][own_col()]);
    }
  }

  /// Calls f(row, col, sum) for the whole tile: a thread keeps to column threadIdx.x % kCols, its rows rise, neighbours are in
  /// the same row. All threads of the block take part.
  template <class F>
  __device__ void for_each(Shared& shared, F&& f) const {
#pragma unroll
    for (int s = 0; s < kRows / 64; ++s) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < kOwn; j += 4) {
          const T* own = sum_[4 * s + i] + j;
          four(&shared.slice[own_row() + i][own_col() + 16 * j]) = {{own[0], own[1], own[2], own[3]}};
        }
      __syncthreads();
#pragma unroll 1
      for (int r = threadIdx.x / kCols; r < 64; r += kThreads / kCols)
        f(64 * s + r, static_cast<int>(threadIdx.x % kCols), shared.slice[r][threadIdx.x % kCols]);
    }
  }

 private:
  static constexpr int kOwn = kRows / 16;  // rows and columns of a thread: four at a time, 64 apart

  __device__ static int own_row() { return static_cast<int>(threadIdx.x) / 16 % 16 * 4; }
  __device__ static int own_col() { return static_cast<int>(threadIdx.x) / kSquareThreads * kRows + threadIdx.x % 16 * 4; }

  T sum_[kOwn][kOwn] = {};
};

}  // namespace
}  // namespace anylead::cuda_ops
