// Contrast between two sets of rows (Kiyasseh et al. 2021, eq. 1; Chen et al. 2020, eq. 1). Contracts: core/op_table.hpp; with
// rows in bf16, products on tensor cores: launchers.hpp.
//
//   u = z / max(|z|, eps), S = u_first u_second^T / temperature;  P: pairs of equal id
//   loss = sum over P of (logsum row + logsum column - 2 S) / 2 |P|
//   dS[i, j] = (positives of row i  exp(S - logsum row) + positives of column j  exp(S - logsum column) - 2 [P]) dloss / 2 |P|
//   dz[i] = sum over j of W[i, j] z[j] - [not detached] z[i] <dz[i], z[i]> / |z[i]|^2, W = dS / (temperature |z[i]| |z[j]|)
//
// Forward: a block has a tile of S, 64 x 192 (double 32 x 96), or 64 x 64 where that gives too few blocks, measures its vectors
// on the way and leaves what its rows and columns add up to; these parts are joined by a thread per line, in order. S is never
// in memory. Backward: the same tiles become W, a strip of rows of at most 4 million numbers at a time, which a second launch
// multiplies by the rows of both sets, 64 rows and 256 columns a block; the second set's sums are carried from strip to strip.
// What <dz, z> needs are sums of W S over lines, which the tiles leave too.
//
// Shared memory, float: 22 kB (large tiles 56 kB), gradient 67 kB. Bound: the products, compute; bf16 at many pairs, what tiles
// read from L2. At 512 pairs of 768 numbers memory moves 1.07 times the fewest bytes forward and 1.83 backward (z is read
// twice, dz written once). Requested are 8 and 11 times as many, since every tile reads its vectors: a product of 512 x 512
// vectors would need tiles of 341 x 341 to ask for 1.5 times.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/score_tile.cuh>
#include <anylead/cuda/slope_tile.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kPairThreads = 256;
constexpr Index kEnoughPairTiles = 108;          // large tiles pay where every processor of a GPU of 2020 has one
constexpr Index kStripNumbers = Index{1} << 22;  // of W, in working memory
constexpr int kStripPitch = 8;                   // rows of W begin at multiples of so many numbers, whole pieces of 16 bytes

/// Which rows there are, and which pairs.
struct PairIds {
  const Index32 *first, *second, *id;
};

/// What the tiles are made of.
template <class T>
struct PairFactors {
  const T* z;
  PairIds ids;
  sum_t<T> inverse_temperature, eps;
};

/// A row or column of S, or a part of it: sum of exp(S - largest), number of positives.
template <class A>
struct PairLine {
  A largest = A(-HUGE_VAL), sum = 0, positives = 0;

  __device__ A shift() const { return largest == A(-HUGE_VAL) ? A(0) : largest; }
  __device__ void take(A v, bool positive) {
    if (v > largest) {
      sum *= std::exp(largest - v);
      largest = v;
    }
    sum += std::exp(v - shift());
    positives += A(positive);
  }
  __device__ void join(const PairLine& other) {
    const A most = other.largest > largest ? other.largest : largest, to = most == A(-HUGE_VAL) ? A(0) : most;
    sum = sum * std::exp(largest - to) + other.sum * std::exp(other.largest - to);
    largest = most;
    positives += other.positives;
  }
};

/// Parts of lines in memory, number by number, so that neighbouring lines lie side by side.
template <class A>
struct PairParts {
  A* data;  ///< [3, count]
  Index count;

  __device__ void store(Index i, const PairLine<A>& line) const {
    data[i] = line.largest;
    data[count + i] = line.sum;
    data[2 * count + i] = line.positives;
  }
  __device__ PairLine<A> load(Index i) const { return {data[i], data[count + i], data[2 * count + i]}; }
};

/// A tile of S by a block: rows first_row .. of the first set, columns first_col .. of the second.
template <class T, int kColsOf>
class PairTile {
 public:
  using A = sum_t<T>;
  using Tile = ScoreTile<T, kColsOf>;
  static constexpr int kRows = Tile::kRows, kCols = Tile::kCols, kLines = kRows + kCols;
  static constexpr std::size_t kOperandBytes = kOperandNumbers<Tile> * sizeof(T);
  static constexpr std::size_t kScoreBytes = kRows * Tile::kScoreStride * sizeof(A);
  static constexpr std::size_t kBytes = kOperandBytes > kScoreBytes ? kOperandBytes : kScoreBytes;  // dynamic shared memory

  int rows, cols;  ///< that there are

  /// memory: kBytes; place, id, length, inverse: of the rows and, behind them, of the columns. All threads; complete at return.
  __device__ PairTile(PairDims d, const PairFactors<T>& of, Index first_row, Index first_col, unsigned char* memory,
                      Index32 (&place)[kLines], Index32 (&id)[kLines], A (&length)[kLines], A (&inverse)[kLines])
      : rows(static_cast<int>(d.first - first_row < kRows ? d.first - first_row : kRows)),
        cols(static_cast<int>(d.second - first_col < kCols ? d.second - first_col : kCols)),
        scores_(reinterpret_cast<A*>(memory)),
        id_(id),
        inverse_(inverse),
        scale_(of.inverse_temperature) {
    const int thread = tile_thread();
    if (thread < kLines) {
      const bool is_row = thread < kRows, is = is_row ? thread < rows : thread - kRows < cols;
      const Index32 own = !is ? 0 : is_row ? of.ids.first[first_row + thread] : of.ids.second[first_col + thread - kRows];
      place[thread] = own;
      id[thread] = is ? of.ids.id[own] : 0;
    }
    __syncthreads();
    Tile tile;
    const A square = multiply_scores(tile, reinterpret_cast<T*>(memory),
                                     ScoreFactors{of.z, of.z, d.width, d.width, d.width, [&](int i) { return Index{place[i]}; },
                                                  [&](int i) { return Index{place[kRows + i]}; }, rows, cols});
    __syncthreads();  // scores take the place of the operands
    if (thread < kLines) {
      length[thread] = std::sqrt(square);
      inverse[thread] = A(1) / at_least(of.eps, length[thread]);
    }
    tile.store(scores_);
    __syncthreads();
  }

  __device__ A score(int i, int j) const {
    return scores_[i * Tile::kScoreStride + j] * (inverse_[i] * inverse_[kRows + j] * scale_);
  }
  __device__ bool positive(int i, int j) const { return id_[i] == id_[kRows + j]; }
  /// The place of a score, for what takes its place.
  __device__ A& at(int i, int j) const { return scores_[i * Tile::kScoreStride + j]; }

 private:
  A* scores_;
  const Index32* id_;
  const A* inverse_;
  A scale_;
};

/// Block (i, j): tile i of the rows, j of the columns. row_parts [column tiles, n], column_parts [row tiles, m]; positive_sums:
/// of S over the tile's positives, one for each block.
template <class T, int kColsOf, class A = sum_t<T>>
__global__ __launch_bounds__(kTileThreads, 2) void pair_scores_kernel(PairDims d, PairParts<A> row_parts,
                                                                      PairParts<A> column_parts, double* positive_sums,
                                                                      PairFactors<T> of) {
  using Tile = PairTile<T, kColsOf>;
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ Index32 place[Tile::kLines], id[Tile::kLines];
  __shared__ A length[Tile::kLines], inverse[Tile::kLines];
  __shared__ double sums[kTileWarps];
  const Index first_row = Index{blockIdx.x} * Tile::kRows, first_col = Index{blockIdx.y} * Tile::kCols;
  const Tile tile(d, of, first_row, first_col, memory, place, id, length, inverse);
  const int thread = tile_thread(), warp = thread / 32, lane = thread % 32;
  double positive_sum = 0;
  for (int i = warp; i < tile.rows; i += kTileWarps) {
    PairLine<A> line;
    for (int j = lane; j < tile.cols; j += 32) {
      const A v = tile.score(i, j);
      line.take(v, tile.positive(i, j));
      if (tile.positive(i, j)) positive_sum += double(v);
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      PairLine<A> other;
      other.largest = __shfl_xor_sync(0xFFFFFFFFu, line.largest, step);
      other.sum = __shfl_xor_sync(0xFFFFFFFFu, line.sum, step);
      other.positives = __shfl_xor_sync(0xFFFFFFFFu, line.positives, step);
      line.join(other);
    }
    if (lane == 0) row_parts.store(blockIdx.y * d.first + first_row + i, line);
  }
  positive_sum = warp_sum(positive_sum);
  if (lane == 0) sums[warp] = positive_sum;
  if (thread < tile.cols) {
    PairLine<A> line;
    for (int i = 0; i < tile.rows; ++i) line.take(tile.score(i, thread), tile.positive(i, thread));
    column_parts.store(blockIdx.x * d.second + first_col + thread, line);
  }
  __syncthreads();
  if (thread != 0) return;
  double total = 0;
  for (const double s : sums) total += s;
  positive_sums[blockIdx.y * gridDim.x + blockIdx.x] = total;
}

/// Thread i: line i of the rows and, behind them, the columns. lines [2, n + m].
template <class A>
__global__ __launch_bounds__(kPairThreads) void pair_lines_kernel(PairDims d, A* lines, PairParts<A> row_parts,
                                                                  PairParts<A> column_parts) {
  const Index i = Index{blockIdx.x} * kPairThreads + threadIdx.x, all = d.first + d.second;
  if (i >= all) return;
  const bool row = i < d.first;
  const PairParts<A> parts = row ? row_parts : column_parts;
  PairLine<A> line;
#pragma unroll 2
  for (Index k = row ? i : i - d.first; k < parts.count; k += row ? d.first : d.second) line.join(parts.load(k));
  lines[i] = line.shift() + std::log(line.sum);
  lines[all + i] = line.positives;
}

/// One block. loss [1] from lines [2, n + m] and the tiles' sums of positives; factor [1] = dloss / (2 |P| temperature), what
/// every dS is multiplied by; either may be null. 0 without positives.
template <class A>
__global__ __launch_bounds__(kPairThreads) void pair_loss_kernel(PairDims d, A* loss, A* factor, const A* dloss,
                                                                 A inverse_temperature, const A* lines, Index tiles,
                                                                 const double* positive_sums) {
  double total = 0, positives = 0;
  for (Index i = threadIdx.x; i < d.first + d.second; i += kPairThreads) {
    const A count = lines[d.first + d.second + i];
    if (i < d.first) positives += double(count);
    if (loss && count != A(0)) total += double(lines[i]) * double(count);
  }
  for (Index i = threadIdx.x; i < tiles; i += kPairThreads) total -= 2 * positive_sums[i];
  total = block_sum<kPairThreads>(total);
  positives = block_sum<kPairThreads>(positives);
  if (threadIdx.x != 0) return;
  if (loss) *loss = positives > 0 ? A(total / (2 * positives)) : A(0);
  if (factor) *factor = positives > 0 ? A(double(*dloss) * double(inverse_temperature) / (2 * positives)) : A(0);
}

/// A strip of W, and what is left of its tiles.
template <class T, class A = sum_t<T>>
struct PairStrip {
  Index begin, rows, pitch;  ///< rows begin .. of the first set; numbers from row to row, those behind the last column are 0
  T* slopes;                 ///< [rows, pitch]
  A* row_parts;              ///< [column tiles, n]: sums of dS S, times what makes them the share of z; null if detached
  A* column_parts;           ///< [row tiles, m]
};

/// Block (i, j): tile i of the strip's rows, j of the columns.
template <class T, int kColsOf, class A = sum_t<T>>
__global__ __launch_bounds__(kTileThreads, 2) void pair_slopes_kernel(PairDims d, PairStrip<T> strip, const A* factor,
                                                                      const A* lines, PairFactors<T> of) {
  using Tile = PairTile<T, kColsOf>;
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ Index32 place[Tile::kLines], id[Tile::kLines];
  __shared__ A length[Tile::kLines], inverse[Tile::kLines], logsum[Tile::kLines], count[Tile::kLines];
  const Index first_row = strip.begin + Index{blockIdx.x} * Tile::kRows, first_col = Index{blockIdx.y} * Tile::kCols;
  const Tile tile(d, of, first_row, first_col, memory, place, id, length, inverse);
  const int thread = tile_thread(), warp = thread / 32, lane = thread % 32;
  if (thread < Tile::kLines) {
    const bool row = thread < Tile::kRows, is = row ? thread < tile.rows : thread - Tile::kRows < tile.cols;
    const Index line = row ? first_row + thread : d.first + first_col + thread - Tile::kRows;
    logsum[thread] = is ? lines[line] : A(0);
    count[thread] = is ? lines[d.first + d.second + line] : A(0);
  }
  __syncthreads();
  const A by = *factor, temperature = A(1) / of.inverse_temperature;
  // u <dS u, u> / |z| = z times this
  const auto share = [&](int line, A sum) {
    return length[line] > of.eps ? sum * temperature * inverse[line] * inverse[line] : A(0);
  };
  const int width = static_cast<int>(strip.pitch - first_col < Tile::kCols ? strip.pitch - first_col : Tile::kCols);
  for (int i = warp; i < tile.rows; i += kTileWarps) {
    T* const to = strip.slopes + (first_row - strip.begin + i) * strip.pitch + first_col;
    A along = 0;
    for (int j = lane; j < width; j += 32) {
      A w = 0, along_both = 0;
      if (j < tile.cols) {
        const int c = Tile::kRows + j;
        const A s = tile.score(i, j);
        const A ds =
            by * (count[i] * std::exp(s - logsum[i]) + count[c] * std::exp(s - logsum[c]) - A(tile.positive(i, j) ? 2 : 0));
        w = ds * inverse[i] * inverse[c];
        along_both = ds * s;
        along += along_both;
        tile.at(i, j) = along_both;
      }
      to[j] = T(w);
    }
    if (!strip.row_parts) continue;
    along = warp_sum(along);
    if (lane == 0) strip.row_parts[blockIdx.y * d.first + first_row + i] = share(i, along);
  }
  if (!strip.column_parts) return;
  __syncthreads();
  if (thread >= tile.cols) return;
  A along = 0;
  for (int i = 0; i < tile.rows; ++i) along += tile.at(i, thread);
  strip.column_parts[first_row / Tile::kRows * d.second + first_col + thread] = share(Tile::kRows + thread, along);
}

/// Where a block of the gradient keeps what in shared memory.
template <class T>
struct PairMemory {
  using A = sum_t<T>;
  using Tile = SlopeTile<T>;
  // W comes as [rows, terms] for the first set and [terms, rows] for the second; threads read it from different banks
  static constexpr int kFirstStride = Tile::kStep + kRowPad<T>, kSecondStride = Tile::kRows + kRowPad<T>;
  static constexpr int kFirst = Tile::kRows * kFirstStride, kSecond = Tile::kStep * kSecondStride;
  static constexpr int kSlopes = kFirst > kSecond ? kFirst : kSecond, kVectors = Tile::kStep * Tile::kStride;
  static constexpr std::size_t kWorkBytes = 2 * (kSlopes + kVectors) * sizeof(T);
  static constexpr std::size_t kOutBytes = Tile::kRows * Tile::kOutStride * sizeof(A);  // afterwards, in the same place
  static constexpr std::size_t kBytes = kWorkBytes > kOutBytes ? kWorkBytes : kOutBytes;
};

/// What is left to do when a strip has been multiplied.
template <class A>
struct PairCarry {
  A* sums;            ///< [m, E], of the strips before, where there is more than one
  bool begins, ends;  ///< first strip, last strip
  Index row_tiles, column_tiles;
};

/// Block (i, j): rows 64 i .. of the strip's, behind them rows of the second set; columns 256 j .. of dz.
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(kTileThreads, 1) void pair_gradient_kernel(PairDims d, Index first_blocks, Grad<T> dz,
                                                                        PairStrip<T> strip, PairCarry<A> carry, const T* z,
                                                                        PairIds ids) {
  using Tile = SlopeTile<T>;
  using Memory = PairMemory<T>;
  constexpr int kHeld = Tile::kWidth / 32;  // columns of a lane
  extern __shared__ __align__(16) unsigned char memory[];
  T* const slopes = reinterpret_cast<T*>(memory);   // two
  T* const vectors = slopes + 2 * Memory::kSlopes;  // two of [kStep, kStride]
  A* const out = reinterpret_cast<A*>(memory);      // [kRows, kOutStride], in the end
  const bool is_first = blockIdx.x < first_blocks;
  const Index begin = (is_first ? blockIdx.x : blockIdx.x - first_blocks) * Index{Tile::kRows};
  const Index count = is_first ? strip.rows : d.second, terms = is_first ? d.second : strip.rows;
  const int rows = static_cast<int>(count - begin < Tile::kRows ? count - begin : Tile::kRows);
  const Index column = Index{blockIdx.y} * Tile::kWidth;
  const int width = static_cast<int>(d.width - column < Tile::kWidth ? d.width - column : Tile::kWidth);
  const Index32* const own = is_first ? ids.first + strip.begin + begin : ids.second + begin;
  const Index32* const others = is_first ? ids.second : ids.first + strip.begin;
  const auto itself = [](int i) { return i; };
  const auto load = [&](Index k) {
    const int stage = static_cast<int>(k / Tile::kStep % 2);
    if (is_first)
      load_rows<Tile::kRows, Tile::kStep, Memory::kFirstStride>(slopes + stage * Memory::kSlopes,
                                                                strip.slopes + begin * strip.pitch + k, strip.pitch, itself,
                                                                rows, static_cast<int>(strip.pitch - k));
    else
      load_rows<Tile::kStep, Tile::kRows, Memory::kSecondStride>(
          slopes + stage * Memory::kSlopes, strip.slopes + k * strip.pitch + begin, strip.pitch, itself,
          static_cast<int>(terms - k), static_cast<int>(strip.pitch - begin));
    load_rows<Tile::kStep, Tile::kWidth, Tile::kStride>(
        vectors + stage * Memory::kVectors, z + column, d.width, [&](int i) { return Index{others[k + i]}; },
        static_cast<int>(terms - k), width);
    commit_copies();
  };

  Tile g;
  load(0);
  for (Index k = 0; k < terms; k += Tile::kStep) {
    const int stage = static_cast<int>(k / Tile::kStep % 2);
    await_copies<0>();
    __syncthreads();  // this step has arrived, and nobody reads the other stage any more
    if (k + Tile::kStep < terms) load(k + Tile::kStep);
    const T *const a = slopes + stage * Memory::kSlopes, *const v = vectors + stage * Memory::kVectors;
    if (is_first)
      g.template multiply<false>(a, Memory::kFirstStride, v);
    else
      g.template multiply<true>(a, Memory::kSecondStride, v);
  }
  __syncthreads();  // slopes and vectors have been used
  g.store(out);
  __syncthreads();
  const int warp = tile_thread() / 32, lane = tile_thread() % 32;
  for (int i = warp; i < rows; i += kTileWarps) {
    A share = 0;  // of z
    if (strip.row_parts && (is_first || carry.ends)) {
      const A* const parts = is_first ? strip.row_parts + strip.begin + begin + i : strip.column_parts + begin + i;
      for (Index k = lane; k < (is_first ? carry.column_tiles : carry.row_tiles); k += 32)
        share += parts[k * (is_first ? d.first : d.second)];
      share = warp_sum(share);
    }
    const Index at = Index{own[i]} * d.width + column;
    A* const sums = carry.sums + (begin + i) * d.width + column;
#pragma unroll
    for (int w = 0; w < kHeld; ++w) {
      const int c = lane + 32 * w;
      if (c >= width) continue;
      A v = out[i * Tile::kOutStride + c];
      if (!is_first && !carry.begins) v += sums[c];
      if (!is_first && !carry.ends)
        sums[c] = v;
      else
        deliver(dz, at + c, strip.row_parts ? v - share * A(z[at + c]) : v);
    }
  }
}

/// to [n] = 0
template <class T>
__global__ __launch_bounds__(kElementThreads) void pair_clear_kernel(Index n, T* to) {
  const Lanes at = array_lanes(n);
#pragma unroll
  for (int w = 0; w < 4; ++w)
    if (at.has(w)) to[at.first + 16 * w] = T(0.f);
}

/// Calls f(columns of a thread's tile, as a constant) for S of [rows, m].
template <class T, class F>
void with_pair_tile(PairDims d, F&& f) {
  using Large = PairTile<T, 12>;
  if (pieces(d.first, Large::kRows) * pieces(d.second, Large::kCols) >= kEnoughPairTiles)
    f(std::integral_constant<int, 12>());
  else
    f(std::integral_constant<int, 4>());
}

template <class T, class A>
void run_pair_forward(const Exec& exec, PairDims d, A* loss, A* lines, const T* z, PairIds ids, A temperature, A eps) {
  const PairFactors<T> of = {z, ids, A(1) / temperature, eps};
  with_pair_tile<T>(d, [&](auto cols) {
    using Tile = PairTile<T, cols>;
    const Index row_tiles = pieces(d.first, Tile::kRows), column_tiles = pieces(d.second, Tile::kCols);
    const WorkspaceOf<A> room(exec, 3 * (column_tiles * d.first + row_tiles * d.second));
    const PairParts<A> row_parts = {room.data(), column_tiles * d.first},
                       column_parts = {room.data() + 3 * row_parts.count, row_tiles * d.second};
    const WorkspaceOf<double> positive_sums(exec, row_tiles * column_tiles);
    Grid grid = kTileGrid<T>;
    grid.x = row_tiles;
    grid.y = column_tiles;
    grid.shared = Tile::kBytes;
    launch(exec, "pair_scores", pair_scores_kernel<T, cols>, grid, d, row_parts, column_parts, positive_sums.data(), of);
    launch(exec, "pair_lines", pair_lines_kernel<A>, {.x = pieces(d.first + d.second, kPairThreads), .threads = kPairThreads},
           d, lines, row_parts, column_parts);
    launch(exec, "pair_loss", pair_loss_kernel<A>, {.threads = kPairThreads}, d, loss, nullptr, nullptr, A(1) / temperature,
           lines, row_tiles * column_tiles, positive_sums.data());
  });
}

template <class T, class A>
void run_pair_backward(const Exec& exec, PairDims d, bool detached, Grad<T> dz, const A* dloss, const A* lines, const T* z,
                       PairIds ids, A temperature, A eps) {
  if (!dz) return;
  const Index n = d.first, m = d.second;
  const bool empty = n == 0 || m == 0;
  if (!dz.accumulates() && (empty || n + m < d.rows))  // rows that are in neither set
    launch(exec, "pair_clear", pair_clear_kernel<T>, element_grid(d.rows * d.width), d.rows * d.width, dz.data);
  if (empty) return;
  const PairFactors<T> of = {z, ids, A(1) / temperature, eps};
  const WorkspaceOf<A> factor(exec, 1);
  launch(exec, "pair_loss", pair_loss_kernel<A>, {.threads = kPairThreads}, d, nullptr, factor.data(), dloss,
         A(1) / temperature, lines, 0, nullptr);
  with_pair_tile<T>(d, [&](auto cols) {
    using Tile = PairTile<T, cols>;
    constexpr Index kBlockRows = SlopeTile<T>::kRows;
    static_assert(kBlockRows % Tile::kRows == 0);
    const Index pitch = pieces(m, kStripPitch) * kStripPitch, fit = kStripNumbers / pitch / kBlockRows * kBlockRows;
    const Index most = fit > kBlockRows ? fit : kBlockRows, strip_rows = most < n ? most : n;
    const Index row_tiles = pieces(n, Tile::kRows), column_tiles = pieces(pitch, Tile::kCols);
    const WorkspaceOf<T> slopes(exec, strip_rows * pitch);
    const WorkspaceOf<A> sums(exec, strip_rows < n ? m * d.width : 0);
    const WorkspaceOf<A> parts(exec, detached ? 0 : column_tiles * n + row_tiles * m);
    A* const row_parts = detached ? nullptr : parts.data();
    A* const column_parts = detached ? nullptr : parts.data() + column_tiles * n;
    for (Index begin = 0; begin < n; begin += strip_rows) {
      const Index rows = n - begin < strip_rows ? n - begin : strip_rows;
      const PairStrip<T> strip = {begin, rows, pitch, slopes.data(), row_parts, column_parts};
      Grid grid = kTileGrid<T>;
      grid.x = pieces(rows, Tile::kRows);
      grid.y = column_tiles;
      grid.shared = Tile::kBytes;
      launch(exec, "pair_slopes", pair_slopes_kernel<T, cols>, grid, d, strip, factor.data(), lines, of);
      const Index first_blocks = pieces(rows, kBlockRows);
      grid.x = first_blocks + pieces(m, kBlockRows);
      grid.y = pieces(d.width, SlopeTile<T>::kWidth);
      grid.shared = PairMemory<T>::kBytes;
      launch(exec, "pair_gradient", pair_gradient_kernel<T>, grid, d, first_blocks, dz, strip,
             PairCarry<A>{sums.data(), begin == 0, begin + rows == n, row_tiles, column_tiles}, z, ids);
    }
  });
}

}  // namespace

template <Real T>
void pair_contrastive_forward(const Exec& exec, PairDims d, T* loss, T* lines, const T* z, const Index32* first,
                              const Index32* second, const Index32* id, T temperature, T eps) {
  run_pair_forward(exec, d, loss, lines, z, PairIds{first, second, id}, temperature, eps);
}

template <Real T>
void pair_contrastive_backward(const Exec& exec, PairDims d, bool detached, Grad<T> dz, const T* dloss, const T* lines,
                               const T* z, const Index32* first, const Index32* second, const Index32* id, T temperature,
                               T eps) {
  run_pair_backward(exec, d, detached, dz, dloss, lines, z, PairIds{first, second, id}, temperature, eps);
}

void pair_contrastive_forward(const Exec& exec, PairDims d, float* loss, float* lines, const bf16* z, const Index32* first,
                              const Index32* second, const Index32* id, float temperature, float eps) {
  run_pair_forward(exec, d, loss, lines, z, PairIds{first, second, id}, temperature, eps);
}

void pair_contrastive_backward(const Exec& exec, PairDims d, bool detached, Grad<bf16> dz, const float* dloss,
                               const float* lines, const bf16* z, const Index32* first, const Index32* second,
                               const Index32* id, float temperature, float eps) {
  run_pair_backward(exec, d, detached, dz, dloss, lines, z, PairIds{first, second, id}, temperature, eps);
}

template <Real T>
void provide_pair_contrastive(OpTable<T>& table) {
  table.pair_contrastive_forward = pair_contrastive_forward<T>;
  table.pair_contrastive_backward = pair_contrastive_backward<T>;
}

}  // namespace anylead::cuda_ops
