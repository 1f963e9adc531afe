// Cosine logits against sampled rows, and their loss (Baevski et al. 2020, eq. 3); the sampled rows are never gathered.
// Contracts: core/op_table.hpp; with vectors in bf16, products on tensor cores: launchers.hpp.
//
//   logit[r, n] = <c[r], t[j]> / (|c[r]| |t[j]| temperature), j = r, negatives[r];  loss = sum -log softmax(logits)[0]
//   With a[r, j] = the sum over the picks of j of (softmax - [n = 0]) dloss / temperature, u = t / |t|, v = c / |c|:
//   dc[r] = (g - c[r] <g, c[r]> / |c[r]|^2) / |c[r]|, g = a u;  dt[j] = (h - t[j] <h, t[j]> / |t[j]|^2) / |t[j]|, h = a^T v
//
// Negatives come from the row's own segment, so the rows of a tile meet few others: a block has 64 rows (double: 32) and forms
// their products with all candidates between the lowest and the highest that they picked, 192 (96) at a time, in shared memory;
// then a warp per row picks its logits. Any other choice of negatives costs more products, but no other code.
//
// Backward: a launch for the ranges of picks, eight rows at a time, and one for both gradients, which share all but the side
// they walk. A block has up to 64 rows of context (candidates), those of one segment if the picks tell where segments end,
// collects a for them and up to 192 candidates (rows) in shared memory, from logits and picks that come there in whole
// stretches, and multiplies it by the others' vectors, 256 columns wide. The length of a vector is measured when it arrives.
// What is picked twice by a row has the same logit both times: it is counted. Every element has one owner, so nothing is added
// by two blocks.
//
// Shared memory, float: 80 kB forward with 100 negatives, 79 kB backward. Bound: compute on the float units (bf16: bandwidth);
// forward's products are 1.3 to 2 times those of the picks alone. At 55 rows a segment, 100 negatives, width 256, every sector
// moves once forward and, but for the picks, backward; 1.35 and 1.8 (bf16: 1.95) times the fewest bytes are requested.
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

template <class T>
using ContrastTile = ScoreTile<T, 12>;

template <class T>
constexpr int kContrastScores = ContrastTile<T>::kRows* ContrastTile<T>::kScoreStride;
/// Bytes of shared memory for a tile's operands and its sums after them.
template <class T>
constexpr std::size_t kForwardBytes = kOperandNumbers<ContrastTile<T>> * sizeof(T) > kContrastScores<T> * sizeof(sum_t<T>)
                                          ? kOperandNumbers<ContrastTile<T>> * sizeof(T)
                                          : kContrastScores<T> * sizeof(sum_t<T>);

constexpr Index kStagedNegatives = 104;  // of a row: of as many, a block's fit beside its products

/// Lowest and highest number that a thread has seen.
struct PickRange {
  Index32 low = 0x7FFFFFFF, high = -1;

  __device__ void take(Index32 i) {
    low = i < low ? i : low;
    high = i > high ? i : high;
  }
  __device__ void over_warp() {
    low = __reduce_min_sync(0xFFFFFFFFu, low);
    high = __reduce_max_sync(0xFFFFFFFFu, high);
  }
  /// All threads of a tile's block.
  __device__ void over_block() {
    __shared__ PickRange part[kTileWarps];
    over_warp();
    if (tile_thread() % 32 == 0) part[tile_thread() / 32] = *this;
    __syncthreads();
    for (const PickRange& p : part) {
      low = p.low < low ? p.low : low;
      high = p.high > high ? p.high : high;
    }
    __syncthreads();  // part is free again
  }
};

/// Whether candidates a and b are the same, by codes [candidates, groups] or, without, by vector.
template <class T>
__device__ bool same_target(ContrastDims d, const T* target, const Index32* codes, Index code_groups, Index a, Index b) {
  if (codes) {
    for (Index g = 0; g < code_groups; ++g)
      if (codes[a * code_groups + g] != codes[b * code_groups + g]) return false;
    return true;
  }
  for (Index c = 0; c < d.width; ++c)
    if (sum_t<T>(target[a * d.width + c]) != sum_t<T>(target[b * d.width + c])) return false;
  return true;
}

/// The logits of a row so far.
template <class T>
struct RowLogits {
  T largest = T(-HUGE_VAL), sum = 0, smallest = T(HUGE_VAL), own = 0;  // sum of exp(logit - largest)

  __device__ T shift() const { return largest == T(-HUGE_VAL) ? T(0) : largest; }
  __device__ void take(T v) {
    if (v > largest) {
      sum *= std::exp(largest - v);
      largest = v;
    }
    sum += std::exp(v - shift());
    smallest = v < smallest ? v : smallest;
  }
  __device__ void join(T other_largest, T other_sum, T other_smallest) {
    const T most = other_largest > largest ? other_largest : largest, to = most == T(-HUGE_VAL) ? T(0) : most;
    sum = sum * std::exp(largest - to) + other_sum * std::exp(other_largest - to);
    largest = most;
    smallest = other_smallest < smallest ? other_smallest : smallest;
  }
  __device__ void over_warp() {
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
      join(__shfl_xor_sync(0xFFFFFFFFu, largest, step), __shfl_xor_sync(0xFFFFFFFFu, sum, step),
           __shfl_xor_sync(0xFFFFFFFFu, smallest, step));
  }
};

/// Block i: rows 64 i ... logits [R, 1 + N], losses [R], correct [R].
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(kTileThreads, 2) void sampled_contrastive_forward_kernel(ContrastDims d, A* losses, A* logits,
                                                                                      Flag* correct, const T* context,
                                                                                      const T* target, const Index32* negatives,
                                                                                      const Index32* codes, Index code_groups,
                                                                                      A temperature, A eps) {
  using Tile = ContrastTile<T>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const operands = reinterpret_cast<T*>(memory);
  A* const scores = reinterpret_cast<A*>(memory);  // when the operands have been used
  // what the rows picked, read once, if there is room; else it stays where it is
  Index32* const staged = reinterpret_cast<Index32*>(memory + kForwardBytes<T>);
  __shared__ A norms[Tile::kRows + Tile::kCols];  // of the rows, of the columns
  __shared__ RowLogits<A> states[Tile::kRows];
  __shared__ Index32 first_codes[Tile::kCols];  // few candidates have a code in common with a row: the others need no more
  const int thread = tile_thread(), warp = thread / 32, lane = thread % 32;
  const Index begin = Index{blockIdx.x} * Tile::kRows;
  const int rows = static_cast<int>(d.rows - begin < Tile::kRows ? d.rows - begin : Tile::kRows);

  PickRange window;
  const bool stages = d.negatives <= kStagedNegatives;
  for (Index i = thread; i < rows * d.negatives; i += kTileThreads) {
    const Index32 j = negatives[begin * d.negatives + i];
    window.take(j);
    if (stages) staged[i] = j;
  }
  if (thread < rows) {
    window.take(static_cast<Index32>(begin + thread));
    states[thread] = {};
  }
  window.over_block();

  for (Index base = window.low; base <= window.high; base += Tile::kCols) {
    Tile tile;
    const auto itself = [](int i) { return i; };
    const A square = multiply_scores(tile, operands,
                                     ScoreFactors{context + begin * d.width, target + base * d.width, d.width, d.width, d.width,
                                                  itself, itself, rows, static_cast<int>(window.high + 1 - base)});
    __syncthreads();  // scores take the place of the operands
    if (thread < Tile::kRows + Tile::kCols) norms[thread] = at_least(eps, std::sqrt(square));
    if (codes && thread < Tile::kCols && base + thread <= window.high)
      first_codes[thread] = codes[(base + thread) * code_groups];
    tile.store(scores);
    __syncthreads();
    for (int i = warp; i < rows; i += kTileWarps) {
      const Index r = begin + i;
      const A scale = A(1) / (norms[i] * temperature);
      const Index32 own_code = codes ? codes[r * code_groups] : 0;
      RowLogits<A> own;
      for (Index n = lane; n <= d.negatives; n += 32) {
        const Index j = n == 0 ? r : stages ? staged[i * d.negatives + n - 1] : negatives[r * d.negatives + n - 1];
        if (j < base || j >= base + Tile::kCols) continue;
        const int col = static_cast<int>(j - base);
        const bool excluded =
            n > 0 && (!codes || first_codes[col] == own_code) && same_target(d, target, codes, code_groups, j, r);
        const A v = excluded ? A(-HUGE_VAL) : scores[i * Tile::kScoreStride + col] * scale / norms[Tile::kRows + col];
        logits[r * (1 + d.negatives) + n] = v;
        own.take(v);
        if (n == 0) states[i].own = v;
      }
      own.over_warp();
      if (lane == 0) states[i].join(own.largest, own.sum, own.smallest);
    }
  }
  __syncthreads();
  if (thread >= rows) return;
  const RowLogits<A> of = states[thread];
  losses[begin + thread] = of.shift() + std::log(of.sum) - of.own;
  correct[begin + thread] = of.own == of.largest && of.own != of.smallest;
}

/// loss [1] = sum of losses [n], in double. One block.
template <class T>
__global__ __launch_bounds__(kTileThreads) void contrast_loss_kernel(Index n, T* loss, const T* losses) {
  double total = 0;
  for (Index i = threadIdx.x; i < n; i += kTileThreads) total += double(losses[i]);
  total = block_sum<kTileThreads>(total);
  if (threadIdx.x == 0) *loss = T(total);
}

constexpr int kRangeRows = 8;  // of a group
static_assert(kRangeRows == kTileWarps);

/// Picks of kRangeRows rows. Bit k of begins, ends: row k picked nothing before it, behind it.
struct GroupPicks {
  PickRange range;
  unsigned begins, ends;
};

/// Block i: groups [i] of rows 8 i .., ranges [R] of the picks of each, a warp for a row; their own targets too.
__global__ __launch_bounds__(kTileThreads) void contrast_ranges_kernel(ContrastDims d, PickRange* ranges, GroupPicks* groups,
                                                                       const Index32* negatives) {
  __shared__ PickRange of_row[kRangeRows];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const Index begin = Index{blockIdx.x} * kRangeRows, r = begin + warp;
  PickRange range;
  if (r < d.rows) {
    range.take(static_cast<Index32>(r));
    const Index32* const own = negatives + r * d.negatives;
    for_sectors<32>(lane, own, static_cast<int>(d.negatives), [&](int i) { range.take(own[i]); });
  }
  range.over_warp();
  if (lane == 0) of_row[warp] = range;
  __syncthreads();
  if (warp > 0) return;
  range = lane < kRangeRows ? of_row[lane] : PickRange{};
  const unsigned begins = __ballot_sync(0xFFFFFFFFu, range.low == begin + lane),
                 ends = __ballot_sync(0xFFFFFFFFu, range.high == begin + lane);
  if (lane < kRangeRows && begin + lane < d.rows) ranges[begin + lane] = range;
  range.over_warp();
  if (lane == 0) groups[blockIdx.x] = {range, begins, ends};
}

/// Some rows or candidates; none, where the two are equal.
struct Stretch {
  Index begin, end;
};

/// What block i of those that share `count` rows (candidates) has, at most kRows. It begins at the last row in [i kRows / 2,
/// (i + 1) kRows / 2) that a segment seems to begin with: which picked nothing before it, and the row before it nothing behind
/// that. Where there is none, it begins at i kRows / 2, but only if the blocks beside it would be too far apart. By whole
/// warps.
template <int kRows>
__device__ Stretch rows_of_block(ContrastDims d, Index count, const GroupPicks* groups, Index i) {
  constexpr int kHalf = kRows / 2, kGroups = kHalf / kRangeRows, kPlaces = 5;
  static_assert(kHalf <= 32 && (kPlaces * kGroups + 1) <= 32);
  const int lane = tile_thread() % 32;
  const Index halves = (count + kHalf - 1) / kHalf, first_group = (i - 1) * kGroups - 1, group = first_group + lane;
  const bool there = lane <= kPlaces * kGroups && group >= 0 && group * kRangeRows < d.rows;
  const unsigned begins = there ? groups[group].begins : 0, ends = there ? groups[group].ends : 0;
  Index place[kPlaces];  // in halves i - 1 ..: where the last segment begins, -1 if none does
#pragma unroll
  for (int q = 0; q < kPlaces; ++q) {
    const Index half = i - 1 + q;
    const int own = q * kGroups + 1 + lane % kHalf / kRangeRows, bit = lane % kRangeRows;
    const unsigned begun = __shfl_sync(0xFFFFFFFFu, begins, own), ended = __shfl_sync(0xFFFFFFFFu, ends, own - (bit == 0));
    const bool cut = lane < kHalf && begun >> bit & 1 && ended >> (bit + kRangeRows - 1) % kRangeRows & 1;
    const unsigned cuts = __ballot_sync(0xFFFFFFFFu, cut);
    place[q] = half <= 0 ? 0 : half >= halves ? count : cuts ? half * kHalf + 31 - __clz(static_cast<int>(cuts)) : -1;
  }
  const auto bound = [&](int q) {  // -1: nothing begins in this half
    const Index before = place[q - 1], after = place[q + 1], half = i - 1 + q;
    if (place[q] >= 0) return place[q];
    const bool close = before >= 0 && after >= 0 && after - before <= kRows;
    return close || (before < 0 && after < 0 && half % 2 == 1) ? -1 : half * kHalf;
  };
  const Index begin = bound(1), end = bound(2);
  if (begin < 0) return {0, 0};
  return {begin, end >= 0 ? end : bound(3)};
}

/// What both gradients are made of.
template <class T>
struct ContrastSlopes {
  using A = sum_t<T>;
  const T *context, *target;
  const A *dloss, *logits;
  const Index32* negatives;
  const PickRange* ranges;
  const GroupPicks* groups;
  A temperature, eps;
};

constexpr Index kStagedPicks = 128;  // of a row, with its own target: so many come through shared memory

/// Where a block of the gradients keeps what in shared memory.
template <class T>
struct ContrastMemory {
  using A = sum_t<T>;
  using Tile = SlopeTile<T>;
  static constexpr int kRows = Tile::kRows, kOthers = ContrastTile<T>::kCols;
  // a is [rows, others] for the context and [others, rows] for the target: which row picked comes first
  static constexpr int kContextStride = kOthers + 8, kTargetStride = kRows + 4;  // fragments are read from different banks
  static constexpr int kSlopes =
      kRows * kContextStride > kOthers* kTargetStride ? kRows* kContextStride : kOthers* kTargetStride;
  static constexpr std::size_t kVectorBytes = 2 * Tile::kStep * Tile::kStride * sizeof(T);
  static constexpr std::size_t kStagedBytes = kTileWarps * kStagedPicks * (sizeof(A) + sizeof(Index32));
  static constexpr std::size_t kWorkBytes = kSlopes * sizeof(A) + kVectorBytes + kStagedBytes;
  static constexpr std::size_t kOutBytes = kRows * Tile::kOutStride * sizeof(A);  // afterwards, in the same place
  static constexpr std::size_t kBytes = kWorkBytes > kOutBytes ? kWorkBytes : kOutBytes;

  unsigned char* memory;

  __device__ A* slopes() const { return reinterpret_cast<A*>(memory); }                         // [picking rows, candidates]
  __device__ T* vectors() const { return reinterpret_cast<T*>(memory + kSlopes * sizeof(A)); }  // two of [kStep, kStride]
  __device__ A* staged_logits() const { return reinterpret_cast<A*>(memory + kSlopes * sizeof(A) + kVectorBytes); }
  __device__ Index32* staged_picks() const { return reinterpret_cast<Index32*>(staged_logits() + kTileWarps * kStagedPicks); }
  __device__ A* out() const { return reinterpret_cast<A*>(memory); }  // [kRows, kOutStride]
};

/// slopes [most, kStride] = a of rows first .. and candidates low .., zeros behind rows and candidates that there are. All
/// threads; complete after __syncthreads.
template <int kStride, class T>
__device__ void collect_slopes(ContrastDims d, const ContrastSlopes<T>& of, const ContrastMemory<T>& memory, Index first,
                               int rows, int most, Index low, int candidates) {
  using A = sum_t<T>;
  const int warp = tile_thread() / 32, lane = tile_thread() % 32;
  const Index picks = 1 + d.negatives;
  const bool stages = picks <= kStagedPicks;
  const A factor = *of.dloss / of.temperature;
  for (int begin = 0; begin < most; begin += kTileWarps) {
    const Index r = first + begin + warp;
    const A* logits = of.logits + r * picks;
    const Index32* negatives = of.negatives + r * d.negatives;
    if (stages && begin < rows) {
      const int here = rows - begin < kTileWarps ? rows - begin : kTileWarps;
      __syncthreads();  // the rows before have been used
      const auto stage = [&](auto* to, const auto* from, Index width) {
        for_sectors<kTileThreads>(tile_thread(), from, here * static_cast<int>(width), [&](int i) { to[i] = from[i]; });
      };
      stage(memory.staged_logits(), of.logits + (first + begin) * picks, picks);
      stage(memory.staged_picks(), of.negatives + (first + begin) * d.negatives, d.negatives);
      __syncthreads();
      logits = memory.staged_logits() + warp * picks;
      negatives = memory.staged_picks() + warp * d.negatives;
    }
    if (begin + warp >= most) continue;
    A* const row = memory.slopes() + (begin + warp) * kStride;
    for (int c = lane; c < kStride; c += 32) row[c] = A(0);
    __syncwarp();
    if (begin + warp >= rows) continue;
    RowLogits<A> all;
    for (Index n = lane; n < picks; n += 32) all.take(logits[n]);
    all.over_warp();
    const A logsum = all.shift() + std::log(all.sum);
    for (Index from = 0; from < picks; from += 32) {
      const Index n = from + lane;
      const Index j = n < picks ? (n == 0 ? r : Index{negatives[n - 1]}) - low : -1;
      A a = 0;
      if (j >= 0 && j < candidates && logits[n] != A(-HUGE_VAL)) a = (std::exp(logits[n] - logsum) - A(n == 0)) * factor;
      const bool counts = a != A(0);
      const unsigned equal = __match_any_sync(0xFFFFFFFFu, counts ? static_cast<int>(j) : -1 - lane);
      if (counts && lane == __ffs(static_cast<int>(equal)) - 1) row[j] += a * A(__popc(equal));
      __syncwarp();  // two picks of one candidate come one after the other
    }
  }
}

/// Block i of the gradient of the target (kTarget) or the context.
template <bool kTarget, class T>
__device__ void contrast_gradient(ContrastDims d, Grad<T> dx, Index i, const ContrastSlopes<T>& of,
                                  const ContrastMemory<T>& memory) {
  using A = sum_t<T>;
  using Memory = ContrastMemory<T>;
  using Tile = SlopeTile<T>;
  constexpr int kAStride = kTarget ? Memory::kTargetStride : Memory::kContextStride;
  constexpr int kHeld = Tile::kWidth / 32;               // columns of a lane
  __shared__ A inverse[2][Tile::kStep];                  // of the lengths of the vectors at hand
  __shared__ A along[Tile::kRows], square[Tile::kRows];  // <g, x>, |x|^2
  const T* const x = kTarget ? of.target : of.context;
  const T* const others = kTarget ? of.context : of.target;
  const auto [begin, end] = rows_of_block<Tile::kRows>(d, kTarget ? d.candidates : d.rows, of.groups, i);
  if (begin == end) return;
  const int thread = tile_thread(), warp = thread / 32, lane = thread % 32, rows = static_cast<int>(end - begin);

  PickRange window;  // of the others: candidates that were picked, or rows that picked
  if constexpr (kTarget) {
    for (Index i = thread; i * kRangeRows < d.rows; i += kTileThreads)
      if (const PickRange picked = of.groups[i].range; picked.low < end && picked.high >= begin) {
        const Index last = (i + 1) * kRangeRows < d.rows ? (i + 1) * kRangeRows : d.rows;
        window.take(static_cast<Index32>(i * kRangeRows));
        window.take(static_cast<Index32>(last - 1));
      }
  } else if (begin + thread < end) {
    window = of.ranges[begin + thread];
  }
  window.over_block();

  const bool wide = d.width > Tile::kWidth;
  if (thread < Tile::kRows) along[thread] = square[thread] = 0;
  for (int pass = wide ? 0 : 1; pass < 2; ++pass)  // 0: <g, x> alone, where a row does not fit
    for (Index c = 0; c < d.width; c += Tile::kWidth) {
      const int width = static_cast<int>(d.width - c < Tile::kWidth ? d.width - c : Tile::kWidth);
      Tile g;
      for (Index base = window.low; base <= window.high; base += Memory::kOthers) {
        const Index left = window.high + 1 - base;
        const int used = static_cast<int>(left < Memory::kOthers ? left : Memory::kOthers);
        const int terms = (used + Tile::kStep - 1) / Tile::kStep * Tile::kStep;
        __syncthreads();  // what was there before has been used
        const auto load = [&](int k) {
          load_rows<Tile::kStep, Tile::kWidth, Tile::kStride>(
              memory.vectors() + k / Tile::kStep % 2 * Tile::kStep * Tile::kStride, others + (base + k) * d.width + c, d.width,
              [](int i) { return i; }, used - k, width);
          commit_copies();
        };
        load(0);
        if constexpr (kTarget)
          collect_slopes<kAStride>(d, of, memory, base, used, terms, begin, rows);
        else
          collect_slopes<kAStride>(d, of, memory, begin, rows, Tile::kRows, base, used);
        for (int k = 0; k < used; k += Tile::kStep) {
          const int stage = k / Tile::kStep % 2;
          const T* const vectors = memory.vectors() + stage * Tile::kStep * Tile::kStride;
          await_copies<0>();
          __syncthreads();  // vectors and slopes are here
          if (k + Tile::kStep < used) load(k + Tile::kStep);
          for (int i = warp; i < Tile::kStep; i += kTileWarps) {
            A own = 0;
            const T* const whole = wide ? others + (base + k + i) * d.width : vectors + i * Tile::kStride;
            for (Index w = lane; w < d.width && k + i < used; w += 32) own += A(whole[w]) * A(whole[w]);
            own = warp_sum(own);
            if (lane == 0) inverse[stage][i] = k + i < used ? A(1) / at_least(of.eps, std::sqrt(own)) : A(0);
          }
          __syncthreads();
          const A* const a = memory.slopes() + k * (kTarget ? kAStride : 1);
          g.multiply(a, kTarget ? 1 : kAStride, kTarget ? kAStride : 1, vectors, [&](int i) { return inverse[stage][i]; });
        }
      }
      __syncthreads();  // slopes and vectors have been used
      g.store(memory.out());
      __syncthreads();
      for (int i = warp; i < rows; i += kTileWarps) {
        const Index at = (begin + i) * d.width + c;
        A xs[kHeld], gs[kHeld], part_along = 0, part_square = 0;
#pragma unroll
        for (int w = 0; w < kHeld; ++w) {
          const int column = lane + 32 * w;
          xs[w] = column < width ? A(x[at + column]) : A(0);
          gs[w] = memory.out()[i * Tile::kOutStride + column];
          part_along += gs[w] * xs[w];
          part_square += xs[w] * xs[w];
        }
        if (!wide || pass == 0) {
          part_along = along[i] + warp_sum(part_along);
          part_square = square[i] + warp_sum(part_square);
          __syncwarp();
          if (lane == 0) {
            along[i] = part_along;
            square[i] = part_square;
          }
          __syncwarp();
        }
        if (pass == 0) continue;
        const A length = std::sqrt(square[i]), back = length > of.eps ? along[i] / square[i] : A(0);
        const A scale = A(1) / at_least(of.eps, length);
#pragma unroll
        for (int w = 0; w < kHeld; ++w)
          if (lane + 32 * w < width) deliver(dx, at + lane + 32 * w, (gs[w] - xs[w] * back) * scale);
      }
    }
}

/// Blocks of dcontext [R, D], `context_blocks`; behind them, those of dtarget [candidates, D].
template <class T>
__global__ __launch_bounds__(kTileThreads) void sampled_contrastive_backward_kernel(ContrastDims d, Index context_blocks,
                                                                                    Grad<T> dcontext, Grad<T> dtarget,
                                                                                    ContrastSlopes<T> slopes) {
  extern __shared__ __align__(16) unsigned char memory[];
  const Index i = blockIdx.x;
  if (i < context_blocks)
    contrast_gradient<false>(d, dcontext, i, slopes, ContrastMemory<T>{memory});
  else
    contrast_gradient<true>(d, dtarget, i - context_blocks, slopes, ContrastMemory<T>{memory});
}

template <class T, class A>
void run_sampled_forward(const Exec& exec, ContrastDims d, A* loss, A* logits, Flag* correct, const T* context, const T* target,
                         const Index32* negatives, const Index32* codes, Index code_groups, A temperature, A eps) {
  using Tile = ContrastTile<T>;
  const Index staged = d.negatives <= kStagedNegatives ? Tile::kRows * d.negatives : 0;
  const WorkspaceOf<A> losses(exec, d.rows);
  Grid grid = kTileGrid<T>;
  grid.x = pieces(d.rows, Tile::kRows);
  grid.shared = kForwardBytes<T> + static_cast<std::size_t>(staged) * sizeof(Index32);
  launch(exec, "sampled_contrastive_forward", sampled_contrastive_forward_kernel<T>, grid, d, losses.data(), logits, correct,
         context, target, negatives, codes, code_groups, temperature, eps);
  launch(exec, "contrast_loss", contrast_loss_kernel<A>, {.threads = kTileThreads}, d.rows, loss, losses.data());
}

template <class T, class A>
void run_sampled_backward(const Exec& exec, ContrastDims d, Grad<T> dcontext, Grad<T> dtarget, const A* dloss, const A* logits,
                          const T* context, const T* target, const Index32* negatives, A temperature, A eps) {
  constexpr int kHalf = SlopeTile<T>::kRows / 2;
  const Index groups = pieces(d.rows, kRangeRows), context_blocks = dcontext ? pieces(d.rows, kHalf) : 0;
  const WorkspaceOf<PickRange> ranges(exec, d.rows);
  const WorkspaceOf<GroupPicks> picks(exec, groups);
  Grid grid = kTileGrid<T>;
  grid.x = context_blocks + (dtarget ? pieces(d.candidates, kHalf) : 0);
  grid.shared = ContrastMemory<T>::kBytes;
  if (grid.x > 0)
    launch(exec, "contrast_ranges", contrast_ranges_kernel, {.x = groups, .threads = kTileThreads}, d, ranges.data(),
           picks.data(), negatives);
  launch(exec, "sampled_contrastive_backward", sampled_contrastive_backward_kernel<T>, grid, d, context_blocks, dcontext,
         dtarget, ContrastSlopes<T>{context, target, dloss, logits, negatives, ranges.data(), picks.data(), temperature, eps});
}

}  // namespace

template <Real T>
void sampled_contrastive_forward(const Exec& exec, ContrastDims d, T* loss, T* logits, Flag* correct, const T* context,
                                 const T* target, const Index32* negatives, const Index32* codes, Index code_groups,
                                 T temperature, T eps) {
  run_sampled_forward(exec, d, loss, logits, correct, context, target, negatives, codes, code_groups, temperature, eps);
}

template <Real T>
void sampled_contrastive_backward(const Exec& exec, ContrastDims d, Grad<T> dcontext, Grad<T> dtarget, const T* dloss,
                                  const T* logits, const T* context, const T* target, const Index32* negatives, T temperature,
                                  T eps) {
  run_sampled_backward(exec, d, dcontext, dtarget, dloss, logits, context, target, negatives, temperature, eps);
}

void sampled_contrastive_forward(const Exec& exec, ContrastDims d, float* loss, float* logits, Flag* correct,
                                 const bf16* context, const bf16* target, const Index32* negatives, const Index32* codes,
                                 Index code_groups, float temperature, float eps) {
  run_sampled_forward(exec, d, loss, logits, correct, context, target, negatives, codes, code_groups, temperature, eps);
}

void sampled_contrastive_backward(const Exec& exec, ContrastDims d, Grad<bf16> dcontext, Grad<bf16> dtarget, const float* dloss,
                                  const float* logits, const bf16* context, const bf16* target, const Index32* negatives,
                                  float temperature, float eps) {
  run_sampled_backward(exec, d, dcontext, dtarget, dloss, logits, context, target, negatives, temperature, eps);
}

template <Real T>
void provide_sampled_contrastive(OpTable<T>& table) {
  table.sampled_contrastive_forward = sampled_contrastive_forward<T>;
  table.sampled_contrastive_backward = sampled_contrastive_backward<T>;
}

}  // namespace anylead::cuda_ops
