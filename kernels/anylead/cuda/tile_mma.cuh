// Products of matrices, a tile of the result per block, on tensor cores: bf16 with sums in float.
//
// 2 x 4 warps hold a square of sums, a half by a quarter of it a warp; 128 x 256 are two squares side by side, of 16 warps.
// Steps of 32 terms in two stages of shared memory; the copies of the next step are under way during the products of this one.
// An operand lies there as it lies in memory, rows of 32 terms or terms of many rows, with 16 bytes between that move each row
// to other banks, and ldmatrix turns the second form. kWide: eight numbers of both operands lie at multiples of 16 bytes, and
// come by one cp.async; else one by one.
//
// Shared memory: 41 KB at 128 x 128, 68 KB at 128 x 256. Of the warp's 32 products of a step, 2 x (4 + 2) ldmatrix feed them.
// Bound: tensor cores where K and L C/G are some hundreds, else bandwidth.
#pragma once

#include <anylead/cuda/async.cuh>
#include <anylead/cuda/frames.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/mma.cuh>
#include <anylead/cuda/tile_product.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kMmaDepth = 32;  // terms of a step
constexpr int kWord = 8;       // numbers of 16 bytes
static_assert(kMmaDepth == 4 * kWord);

/// Eight numbers that come at once.
struct alignas(16) Word {
  bf16 v[kWord];
};

/// Whether every eight columns, from the first, of every row lie side by side at a multiple of 16 bytes.
inline bool in_wide_words(const Frames<bf16>& f) {
  const Index steps = f.group_step | f.segment_step | f.row_step | (f.taps > 1 ? f.tap_step : 0) | f.group;
  return reinterpret_cast<std::uintptr_t>(f.start) % sizeof(Word) == 0 && steps % kWord == 0;
}

/// What a thread copies of 64 rows of four words: eight rows of one word are side by side in a warp, since they lie in
/// different banks; the warp's 32 words are whole sectors.
__device__ inline int row_of_thread() { return static_cast<int>(threadIdx.x / 32 * 8 + threadIdx.x % 8); }
__device__ inline int word_of_thread() { return static_cast<int>(threadIdx.x / 8 % 4); }

/// Copies 32 columns of kRows rows per call, those of the next step, to [row][term].
template <int kThreads, int kRows, bool kWide>
class MmaRowLoader {
 public:
  static constexpr bool kTransposed = false;
  static constexpr int kPitch = kMmaDepth + kWord;

  /// Rows first .. of group g; those from `end` on are 0.
  __device__ MmaRowLoader(const Frames<bf16>& f, int g, Index first, Index end) : f_(f) {
    const Index first_segment = first / f.rows;
    start_ = f.group_start(g) + first_segment * f.segment_step + (first - first_segment * f.rows) * f.row_step;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const Index r = first + row_of_thread() + kStep * i;
      const Index segment = r / f.rows, t = r - segment * f.rows;
      row_[i] = static_cast<int>(f.group_start(g) + segment * f.segment_step + t * f.row_step - start_);
      frame_[i] = r < end ? static_cast<int>(t) * f.frame_stride + f.frame_offset : kOutside;
    }
    const int column = word_of_thread() * kWord;
    tap_ = column / f.group;
    channel_ = column % f.group;
  }

  __device__ void operator()(bf16* stage) {
    bf16* to = stage + row_of_thread() * kPitch + word_of_thread() * kWord;
#pragma unroll
    for (int i = 0; i < kOwn; ++i, to += kStep * kPitch) {
      if constexpr (kWide) {
        const bool valid = tap_ < f_.taps && f_.inside(frame_[i] + tap_);
        const bf16* from = valid ? start_ + row_[i] + (tap_ * f_.tap_step + channel_) : f_.start;
        copy_async(reinterpret_cast<Word*>(to), reinterpret_cast<const Word*>(from), valid);
      } else {
        int tap = tap_, channel = channel_;
        for (int k = 0; k < kWord; ++k) {
          const bool valid = tap < f_.taps && f_.inside(frame_[i] + tap);
          to[k] = valid ? start_[row_[i] + (tap * f_.tap_step + channel)] : bf16(0.f);
          if (++channel == f_.group) channel = 0, ++tap;
        }
      }
    }
    for (channel_ += kMmaDepth; channel_ >= f_.group; channel_ -= f_.group) ++tap_;
  }

 private:
  static constexpr int kStep = kThreads / 4, kOwn = kRows / kStep;
  static constexpr int kOutside = -(1 << 30);

  const Frames<bf16>& f_;
  const bf16* start_;
  int row_[kOwn], frame_[kOwn], tap_, channel_;
};

/// The same for rows [width, terms] of numbers side by side, without taps and segments: fewer registers.
template <int kThreads, int kRows, bool kWide>
class MmaPlainLoader {
 public:
  static constexpr bool kTransposed = false;
  static constexpr int kPitch = kMmaDepth + kWord;

  __device__ MmaPlainLoader(const Frames<bf16>& f, int g, int first)
      : f_(f),
        from_(f.group_start(g) + (first + row_of_thread()) * f.row_step + word_of_thread() * kWord),
        rows_(f.rows - first - row_of_thread()),
        columns_(f.group - word_of_thread() * kWord) {}

  __device__ void operator()(bf16* stage) {
    bf16* to = stage + row_of_thread() * kPitch + word_of_thread() * kWord;
#pragma unroll
    for (int i = 0; i < kRows; i += kStep, to += kStep * kPitch) {
      const bf16* from = from_ + i * f_.row_step;
      if constexpr (kWide) {
        const bool valid = i < rows_ && columns_ > 0;
        copy_async(reinterpret_cast<Word*>(to), reinterpret_cast<const Word*>(valid ? from : f_.start), valid);
      } else {
        for (int k = 0; k < kWord; ++k) to[k] = i < rows_ && k < columns_ ? from[k] : bf16(0.f);
      }
    }
    from_ += kMmaDepth;
    columns_ -= kMmaDepth;
  }

 private:
  static constexpr int kStep = kThreads / 4;

  const Frames<bf16>& f_;
  const bf16* from_;
  int rows_, columns_;
};

/// Copies 32 rows of kRows columns per call, those of the next step, to [term][row]: rows of the matrix are terms.
template <int kThreads, int kRows, bool kWide>
class MmaColumnLoader {
 public:
  static constexpr bool kTransposed = true;
  static constexpr int kPitch = kRows + kWord;

  /// Columns first .. and rows begin .. end - 1 of group g.
  __device__ MmaColumnLoader(const Frames<bf16>& f, int g, int first, Index begin, Index end) : f_(f) {
    column_ = first + static_cast<int>(threadIdx.x % kWords) * kWord;
    const int own = static_cast<int>(threadIdx.x / kWords);
    left_ = column_ < f.columns() ? static_cast<int>(end - begin) - own : 0;
    const Index row = begin + own, segment = row / f.rows;
    t_ = static_cast<int>(row - segment * f.rows);
    from_ = f.group_start(g) + segment * f.segment_step + t_ * f.row_step;
    tap_ = column_ / f.group;
    channel_ = column_ % f.group;
  }

  __device__ void operator()(bf16* stage) {
    bf16* to = stage + threadIdx.x / kWords * kPitch + threadIdx.x % kWords * kWord;
#pragma unroll
    for (int i = 0; i < kMmaDepth; i += kStep, to += kStep * kPitch) {
      const int frame = t_ * f_.frame_stride + f_.frame_offset;
      if constexpr (kWide) {
        const bool valid = left_ > 0 && f_.inside(frame + tap_);
        const bf16* from = valid ? from_ + (tap_ * f_.tap_step + channel_) : f_.start;
        copy_async(reinterpret_cast<Word*>(to), reinterpret_cast<const Word*>(from), valid);
      } else {
        int tap = tap_, channel = channel_;
        for (int k = 0; k < kWord; ++k) {
          const bool valid = left_ > 0 && tap < f_.taps && f_.inside(frame + tap);
          to[k] = valid ? from_[tap * f_.tap_step + channel] : bf16(0.f);
          if (++channel == f_.group) channel = 0, ++tap;
        }
      }
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
  static constexpr int kWords = kRows / kWord, kStep = kThreads / kWords;

  const Frames<bf16>& f_;
  const bf16* from_;
  int column_, tap_, channel_, left_, t_;
};

/// The sums of a tile.
template <int kTileRows, int kTileCols, bool kWide>
class MmaTile {
 public:
  using Value = bf16;
  using Sum = float;
  static constexpr int kRows = kTileRows, kCols = kTileCols, kThreads = kTileThreadsOf<kRows, kCols>;
  static constexpr int kBlocks = 2 * kSquareThreads / kThreads;  ///< of a processor at a time, at least
  using Rows = MmaRowLoader<kThreads, kRows, kWide>;
  using RowColumns = MmaColumnLoader<kThreads, kRows, kWide>;
  using PlainRows = MmaPlainLoader<kThreads, kCols, kWide>;
  using Columns = MmaColumnLoader<kThreads, kCols, kWide>;
  static constexpr int kSlicePitch = kCols + 8;  // rows of a quarter warp lie in different banks
  union alignas(16) Shared {
    struct {
      bf16 a[2][kRows * Rows::kPitch], b[2][kCols * PlainRows::kPitch];
    };
    float slice[64 * kSlicePitch];  ///< of the result
  };
  static_assert(kMmaDepth * RowColumns::kPitch <= kRows * Rows::kPitch);
  static_assert(kMmaDepth * Columns::kPitch <= kCols * PlainRows::kPitch);

  /// Adds the products of `terms` terms; first(stage), second(stage) copy the next 32 of them.
  template <class LoadA, class LoadB>
  __device__ void multiply(Shared& shared, int terms, LoadA&& first, LoadB&& second) {
    using A = std::remove_reference_t<LoadA>;
    using B = std::remove_reference_t<LoadB>;
    const int steps = (terms + kMmaDepth - 1) / kMmaDepth;
    const auto load = [&](int step) {
      first(shared.a[step % 2]);
      second(shared.b[step % 2]);
      commit_copies();
    };
    if (steps > 0) load(0);
    for (int step = 0; step < steps; ++step) {
      await_copies<0>();
      __syncthreads();  // this step has arrived, and nobody reads the other stage any more
      if (step + 1 < steps) load(step + 1);
      const bf16 *a = shared.a[step % 2], *b = shared.b[step % 2];
#pragma unroll
      for (int k = 0; k < kMmaDepth; k += 16) {
        FragmentA u[kTiles];
        FragmentB v[kTiles / 2];
#pragma unroll
        for (int i = 0; i < kTiles; ++i) {
          const int row = warp_row() + 16 * i;
          u[i] = load_a<A::kTransposed>(A::kTransposed ? a + k * A::kPitch + row : a + row * A::kPitch + k, A::kPitch);
        }
#pragma unroll
        for (int j = 0; j < kTiles / 2; ++j) {
          const int col = warp_col() + 16 * j;
          v[j] = load_b<B::kTransposed>(B::kTransposed ? b + k * B::kPitch + col : b + col * B::kPitch + k, B::kPitch);
        }
#pragma unroll
        for (int i = 0; i < kTiles; ++i)
#pragma unroll
          for (int j = 0; j < kTiles; ++j) multiply_add(sum_[i][j], u[i], v[j / 2].v[j % 2]);
      }
    }
  }

  /// As of PlainTile.
  template <class F>
  __device__ void for_each(Shared& shared, F&& f) const {
    const int lane = threadIdx.x % 32, low = lane / 4, pair = lane % 4 * 2;
#pragma unroll
    for (int s = 0; s < kRows / 64; ++s) {
      __syncthreads();
      if (warp_row() / 64 == s) {
#pragma unroll
        for (int i = 0; i < kTiles; ++i)
#pragma unroll
          for (int j = 0; j < kTiles; ++j) {
            float* to = shared.slice + (warp_row() % 64 + 16 * i + low) * kSlicePitch + warp_col() + 8 * j + pair;
            *reinterpret_cast<float2*>(to) = {sum_[i][j][0], sum_[i][j][1]};
            *reinterpret_cast<float2*>(to + 8 * kSlicePitch) = {sum_[i][j][2], sum_[i][j][3]};
          }
      }
      __syncthreads();
#pragma unroll 1
      for (int r = threadIdx.x / kCols; r < 64; r += kThreads / kCols)
        f(64 * s + r, static_cast<int>(threadIdx.x % kCols), shared.slice[r * kSlicePitch + threadIdx.x % kCols]);
    }
  }

 private:
  static constexpr int kTiles = kRows / 32;  // 16 rows, 8 columns of a warp

  __device__ static int warp_row() { return static_cast<int>(threadIdx.x) / 128 % 2 * (kRows / 2); }
  __device__ static int warp_col() {
    return static_cast<int>(threadIdx.x) / kSquareThreads * kRows + static_cast<int>(threadIdx.x) / 32 % 4 * (kRows / 4);
  }

  float sum_[kTiles][kTiles][4] = {};
};

}  // namespace
}  // namespace anylead::cuda_ops
