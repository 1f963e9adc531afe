// Cosine logits against sampled rows, and their loss (Baevski et al. 2020, eq. 3); the sampled rows are never gathered.
// Contracts: core/op_table.hpp.
//
//   logit[r, n] = <c[r], t[j]> / (|c[r]| |t[j]| temperature), j = r, negatives[r];  loss = sum -log softmax(logits)[0]
//   With a[r, j] = the sum over the picks of j of (softmax - [n = 0]) dloss / temperature, W = a / (|c[r]| |t[j]|):
//   dc[r] = g - c[r] <g, c[r]> / |c[r]|^2, g = W t;  dt[j] = h - t[j] <h, t[j]> / |t[j]|^2, h = W^T c
//
// Negatives come from the row's own segment, so the rows of a tile meet few others: a block has 64 rows (double: 32) and forms
// their products with all candidates between the lowest and the highest that they picked, 192 (96) at a time, in shared memory;
// then a warp per row picks its logits. Any other choice of negatives costs more products, but no other code.
//
// Backward: the same tiles, the other way round. A block collects W for 64 rows (candidates) and up to 192 candidates (rows) in
// shared memory and multiplies it by the vectors, 256 columns wide. What is picked twice by a row has the same logit both
// times: it is counted. Every element has one owner, so nothing is added by two blocks.
//
// Shared memory, float: 80 kB forward with 100 negatives, 67 kB backward. Bound: compute on the float units; products are 1.3
// to 2 times those of the picks alone. At 55 rows a segment, 100 negatives, width 256: every sector moves once forward and 1.35
// times the fewest bytes are requested; backward, whose passes read the vectors again, 2.2 and 2.8 times the fewest.
#pragma once

#include <cmath>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/tile.cuh>

namespace anylead::cuda_ops {
namespace {

template <class T>
struct ContrastTile {
  static constexpr int kRowsOf = sizeof(T) == 4 ? 4 : 2, kColsOf = sizeof(T) == 4 ? 12 : 6;  // of a thread
  static constexpr int kRows = kTileSide * kRowsOf, kCols = kTileSide * kColsOf;
  static constexpr int kDepth = 32, kStride = kDepth + kRowPad<T>;  // forward: numbers at a time
  static constexpr int kScoreStride = kCols + kTileSide;            // two rows fill all banks
  static constexpr int kOperands = (kRows + kCols) * kStride, kScores = kRows * kScoreStride;
  static constexpr int kForwardNumbers = kOperands > kScores ? kOperands : kScores;   // in shared memory
  static constexpr int kWidth = 256, kVectorStride = kWidth + kRowPad<T>, kStep = 8;  // backward: columns, vectors at a time
  static constexpr int kWeightStride = kCols + kRowPad<T>;
};

constexpr Index kStagedNegatives = 104;  // of a row: of as many, a block's fit beside its products
constexpr int kTileWarps = kTileThreads / 32;
__device__ inline int tile_thread() { return threadIdx.y * kTileSide + threadIdx.x; }

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

/// Candidate n of row r: its own target first.
__device__ inline Index32 candidate_of(ContrastDims d, const Index32* negatives, Index r, Index n) {
  return n == 0 ? static_cast<Index32>(r) : negatives[r * d.negatives + n - 1];
}

/// Whether candidates a and b are the same, by codes [candidates, groups] or, without, by vector.
template <class T>
__device__ bool same_target(ContrastDims d, const T* target, const Index32* codes, Index code_groups, Index a, Index b) {
  if (codes) {
    for (Index g = 0; g < code_groups; ++g)
      if (codes[a * code_groups + g] != codes[b * code_groups + g]) return false;
    return true;
  }
  for (Index c = 0; c < d.width; ++c)
    if (target[a * d.width + c] != target[b * d.width + c]) return false;
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
template <class T>
__global__ __launch_bounds__(kTileThreads, 2) void sampled_contrastive_forward_kernel(ContrastDims d, T* losses, T* logits,
                                                                                      Flag* correct, const T* context,
                                                                                      const T* target, const Index32* negatives,
                                                                                      const Index32* codes, Index code_groups,
                                                                                      T temperature, T eps) {
  using Tile = ContrastTile<T>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const rows_tile = reinterpret_cast<T*>(memory);             // [rows, depth]
  T* const cols_tile = rows_tile + Tile::kRows * Tile::kStride;  // [cols, depth]
  T* const scores = rows_tile;                                   // [rows, cols], when the operands have been used
  // what the rows picked, read once, if there is room; else it stays where it is
  Index32* const staged = reinterpret_cast<Index32*>(memory + Tile::kForwardNumbers * sizeof(T));
  __shared__ T norms[Tile::kRows + Tile::kCols];  // of the rows, of the columns
  __shared__ RowLogits<T> states[Tile::kRows];
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
    T s[Tile::kRowsOf][Tile::kColsOf] = {}, square = 0;  // of the row of the operands that this thread measures
    for (Index c = 0; c < d.width; c += Tile::kDepth) {
      __syncthreads();  // the operands and scores before have been used
      load_tile<Tile::kRows, Tile::kDepth, Tile::kStride>(rows_tile, context + begin * d.width + c, d.width, rows, d.width - c);
      load_tile<Tile::kCols, Tile::kDepth, Tile::kStride>(cols_tile, target + base * d.width + c, d.width,
                                                          window.high + 1 - base, d.width - c);
      commit_copies();
      await_copies<0>();
      __syncthreads();
      multiply_rows<Tile::kDepth, Tile::kStride, Tile::kStride>(s, rows_tile, cols_tile);
      if (thread < Tile::kRows + Tile::kCols)
#pragma unroll
        for (int k = 0; k < Tile::kDepth; k += kPack<T>) {
          const auto p = load_pack<kPack<T>>(rows_tile + thread * Tile::kStride + k);
          T part = 0;
#pragma unroll
          for (int w = 0; w < kPack<T>; ++w) part += p.v[w] * p.v[w];
          square += part;
        }
    }
    __syncthreads();  // scores take the place of the operands
    if (thread < Tile::kRows + Tile::kCols) norms[thread] = at_least(eps, std::sqrt(square));
    if (codes && thread < Tile::kCols && base + thread <= window.high)
      first_codes[thread] = codes[(base + thread) * code_groups];
#pragma unroll
    for (int r = 0; r < Tile::kRowsOf; ++r)
#pragma unroll
      for (int c = 0; c < Tile::kColsOf; ++c)
        scores[(threadIdx.y + r * kTileSide) * Tile::kScoreStride + threadIdx.x + c * kTileSide] = s[r][c];
    __syncthreads();
    for (int i = warp; i < rows; i += kTileWarps) {
      const Index r = begin + i;
      const T scale = T(1) / (norms[i] * temperature);
      const Index32 own_code = codes ? codes[r * code_groups] : 0;
      RowLogits<T> own;
      for (Index n = lane; n <= d.negatives; n += 32) {
        const Index j = n == 0 ? r : stages ? staged[i * d.negatives + n - 1] : negatives[r * d.negatives + n - 1];
        if (j < base || j >= base + Tile::kCols) continue;
        const int col = static_cast<int>(j - base);
        const bool excluded =
            n > 0 && (!codes || first_codes[col] == own_code) && same_target(d, target, codes, code_groups, j, r);
        const T v = excluded ? T(-HUGE_VAL) : scores[i * Tile::kScoreStride + col] * scale / norms[Tile::kRows + col];
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
  const RowLogits<T> of = states[thread];
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

/// Lengths of the rows of a [R, D] and, behind them, of b [rows - R, D].
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void contrast_norms_kernel(RowDims d, Index split, T* norm, const T* a,
                                                                            const T* b) {
  const Index r = own_row();
  if (r >= d.rows) return;
  const T* const x = r < split ? a + r * d.cols : b + (r - split) * d.cols;
  const T square = row_sum<T>(d.cols, [&](const Lanes& at) {
    const Quad<T> v = at(x);
    return v * v;
  });
  if (threadIdx.x == 0) norm[r] = std::sqrt(square);
}

/// Warp r: logsum [R] of its logits, range [R] of its picks.
template <class T>
__global__ __launch_bounds__(32 * kRowsPerBlock) void contrast_softmax_kernel(ContrastDims d, T* logsum, PickRange* range,
                                                                              const T* logits, const Index32* negatives) {
  const Index r = own_row();
  if (r >= d.rows) return;
  RowLogits<T> own;
  PickRange picks;
  for (Index n = threadIdx.x; n <= d.negatives; n += 32) {
    own.take(logits[r * (1 + d.negatives) + n]);
    picks.take(candidate_of(d, negatives, r, n));
  }
  own.over_warp();
  picks.over_warp();
  if (threadIdx.x == 0) {
    logsum[r] = own.shift() + std::log(own.sum);
    range[r] = picks;
  }
}

/// What both gradients are made of.
template <class T>
struct ContrastSlopes {
  const T *dloss, *logits, *logsum, *norm;  // norm: [R] of the context, [candidates] of the target
  const Index32* negatives;
  T temperature, eps;

  /// By a warp: calls add(j, weight) for the candidates j from `low` to `high` - 1 that row r picked, for each once among 32
  /// picks. Two calls for one j come one after the other.
  template <class F>
  __device__ void each(ContrastDims d, Index r, Index low, Index high, F&& add) const {
    const int lane = tile_thread() % 32;
    const T factor = *dloss / temperature, shift = logsum[r], own = at_least(eps, norm[r]);
    for (Index first = 0; first <= d.negatives; first += 32) {
      const Index n = first + lane;
      const bool is = n <= d.negatives;
      const Index j = is ? candidate_of(d, negatives, r, n) : -1;
      T a = 0;
      if (is && j >= low && j < high) a = (std::exp(logits[r * (1 + d.negatives) + n] - shift) - T(n == 0)) * factor;
      const bool counts = a != T(0);  // what was excluded does not
      const unsigned equal = __match_any_sync(0xFFFFFFFFu, counts ? static_cast<int>(j) : -1 - lane);
      if (counts && lane == __ffs(static_cast<int>(equal)) - 1)
        add(j, a * T(__popc(equal)) / (own * at_least(eps, norm[d.rows + j])));
      __syncwarp();
    }
  }
};

/// out rows begin .. + kRows of [count, D], assigned or added (`add`): g - x <g, x> / |x|^2, g = weights [rows, used] times the
/// rows of vectors. By a block; weights and steps are in shared memory.
template <class T>
__device__ void contrast_product(ContrastDims d, Index begin, Index count, T* out, bool add, const T* x, const T* norm, T eps,
                                 const T* weights, T* steps, const T* vectors, int used) {
  using Tile = ContrastTile<T>;
  using Own = Columns<T, Tile::kWidth>;
  T along[Tile::kRowsOf] = {};
  for (int pass = d.width > Tile::kWidth ? 0 : 1; pass < 2; ++pass)  // 0: <g, x> alone, where a row does not fit
    for (Index c = 0; c < d.width; c += Tile::kWidth) {
      const auto load = [&](int k) {
        load_tile<Tile::kStep, Tile::kWidth, Tile::kVectorStride>(
            steps + k / Tile::kStep % 2 * Tile::kStep * Tile::kVectorStride, vectors + k * d.width + c, d.width, used - k,
            d.width - c);
        commit_copies();
      };
      T g[Tile::kRowsOf][Own::kCount] = {};
      load(0);
      for (int k = 0; k < used; k += Tile::kStep) {
        await_copies<0>();
        __syncthreads();
        if (k + Tile::kStep < used) load(k + Tile::kStep);
        multiply_columns<Tile::kStep, Tile::kWidth, Tile::kWeightStride, Tile::kVectorStride>(
            g, weights + k, steps + k / Tile::kStep % 2 * Tile::kStep * Tile::kVectorStride);
      }
      __syncthreads();  // steps are free
#pragma unroll
      for (int r = 0; r < Tile::kRowsOf; ++r) {
        const Index row = begin + threadIdx.y + r * kTileSide;
        const T* const own = x + row * d.width + c;
        T* const to = out + row * d.width + c;
        const bool is = row < count, packed = can_pack(own, d.width, d.width) && can_pack(to, d.width, d.width);
        T xs[Own::kCount] = {};
        if (is) Own::read(xs, own, d.width - c, packed);
        if (d.width <= Tile::kWidth || pass == 0) {
          T part = 0;
#pragma unroll
          for (int w = 0; w < Own::kCount; ++w) part += g[r][w] * xs[w];
          along[r] += row_threads_sum(part);
        }
        if (!is || pass == 0) continue;
        const T length = norm[row], back = length > eps ? along[r] / (length * length) : T(0);
#pragma unroll
        for (int w = 0; w < Own::kCount; ++w) g[r][w] -= xs[w] * back;
        Own::deliver(to, add, g[r], d.width - c, packed);
      }
    }
}

/// Zeros for the weights, by all threads.
template <class T>
__device__ void clear_weights(T* weights) {
  __syncthreads();  // the weights before have been used
  for (int i = tile_thread(); i < ContrastTile<T>::kRows * ContrastTile<T>::kWeightStride; i += kTileThreads) weights[i] = T(0);
  __syncthreads();
}

/// Block i: rows 64 i .. of dcontext [R, D].
template <class T>
__global__ __launch_bounds__(kTileThreads, 2) void contrast_context_kernel(ContrastDims d, Grad<T> dcontext,
                                                                           ContrastSlopes<T> slopes, const PickRange* range,
                                                                           const T* context, const T* target) {
  using Tile = ContrastTile<T>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const weights = reinterpret_cast<T*>(memory);               // [rows, cols]
  T* const steps = weights + Tile::kRows * Tile::kWeightStride;  // two of [step, width]
  const Index begin = Index{blockIdx.x} * Tile::kRows, end = begin + Tile::kRows < d.rows ? begin + Tile::kRows : d.rows;
  PickRange window;
  if (begin + tile_thread() < end) window = range[begin + tile_thread()];
  window.over_block();
  for (Index base = window.low; base <= window.high; base += Tile::kCols) {
    const Index used = window.high + 1 - base < Tile::kCols ? window.high + 1 - base : Tile::kCols;
    clear_weights(weights);
    for (Index r = begin + tile_thread() / 32; r < end; r += kTileWarps)
      slopes.each(d, r, base, base + used, [&](Index j, T w) { weights[(r - begin) * Tile::kWeightStride + j - base] += w; });
    __syncthreads();
    contrast_product(d, begin, d.rows, dcontext.data, dcontext.accumulates() || base > window.low, context, slopes.norm,
                     slopes.eps, weights, steps, target + base * d.width, static_cast<int>(used));
  }
}

/// Block i: rows 64 i .. of dtarget [candidates, D].
template <class T>
__global__ __launch_bounds__(kTileThreads, 2) void contrast_target_kernel(ContrastDims d, Grad<T> dtarget,
                                                                          ContrastSlopes<T> slopes, const PickRange* range,
                                                                          const T* context, const T* target) {
  using Tile = ContrastTile<T>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const weights = reinterpret_cast<T*>(memory);               // [candidates, rows]
  T* const steps = weights + Tile::kRows * Tile::kWeightStride;  // two of [step, width]
  const Index begin = Index{blockIdx.x} * Tile::kRows,
              end = begin + Tile::kRows < d.candidates ? begin + Tile::kRows : d.candidates;
  PickRange pickers;  // rows that picked one of the candidates, and some between
  for (Index r = tile_thread(); r < d.rows; r += kTileThreads)
    if (range[r].low < end && range[r].high >= begin) pickers.take(static_cast<Index32>(r));
  pickers.over_block();
  Index base = pickers.high < 0 ? 0 : pickers.low;
  do {  // once without pickers too: zeros
    const Index left = pickers.high + 1 - base, used = left < Tile::kCols ? left : Tile::kCols;
    clear_weights(weights);
    for (Index r = base + tile_thread() / 32; r < base + used; r += kTileWarps)
      slopes.each(d, r, begin, end, [&](Index j, T w) { weights[(j - begin) * Tile::kWeightStride + r - base] += w; });
    __syncthreads();
    contrast_product(d, begin, d.candidates, dtarget.data, dtarget.accumulates() || base > pickers.low, target,
                     slopes.norm + d.rows, slopes.eps, weights, steps, context + base * d.width, static_cast<int>(used));
    base += Tile::kCols;
  } while (base <= pickers.high);
}

}  // namespace

template <Real T>
void sampled_contrastive_forward(const Exec& exec, ContrastDims d, T* loss, T* logits, Flag* correct, const T* context,
                                 const T* target, const Index32* negatives, const Index32* codes, Index code_groups,
                                 T temperature, T eps) {
  using Tile = ContrastTile<T>;
  const Index staged = d.negatives <= kStagedNegatives ? Tile::kRows * d.negatives : 0;
  const WorkspaceOf<T> losses(exec, d.rows);
  launch(exec, "sampled_contrastive_forward", sampled_contrastive_forward_kernel<T>,
         {.x = pieces(d.rows, Tile::kRows),
          .threads = kTileSide,
          .rows = kTileSide,
          .shared = Tile::kForwardNumbers * sizeof(T) + static_cast<std::size_t>(staged) * sizeof(Index32)},
         d, losses.data(), logits, correct, context, target, negatives, codes, code_groups, temperature, eps);
  launch(exec, "contrast_loss", contrast_loss_kernel<T>, {.threads = kTileThreads}, d.rows, loss, losses.data());
}

template <Real T>
void sampled_contrastive_backward(const Exec& exec, ContrastDims d, Grad<T> dcontext, Grad<T> dtarget, const T* dloss,
                                  const T* logits, const T* context, const T* target, const Index32* negatives, T temperature,
                                  T eps) {
  if (!dcontext && !dtarget) return;
  using Tile = ContrastTile<T>;
  const Index vectors = d.rows + d.candidates;
  const WorkspaceOf<T> norm(exec, vectors), logsum(exec, d.rows);
  const WorkspaceOf<PickRange> range(exec, d.rows);
  launch(exec, "contrast_norms", contrast_norms_kernel<T>, row_grid(vectors), RowDims{vectors, d.width}, d.rows, norm.data(),
         context, target);
  launch(exec, "contrast_softmax", contrast_softmax_kernel<T>, row_grid(d.rows), d, logsum.data(), range.data(), logits,
         negatives);
  const ContrastSlopes<T> slopes = {dloss, logits, logsum.data(), norm.data(), negatives, temperature, eps};
  Grid grid = {.threads = kTileSide,
               .rows = kTileSide,
               .shared = (Tile::kRows * Tile::kWeightStride + 2 * Tile::kStep * Tile::kVectorStride) * sizeof(T)};
  grid.x = dcontext ? pieces(d.rows, Tile::kRows) : 0;
  launch(exec, "contrast_context", contrast_context_kernel<T>, grid, d, dcontext, slopes, range.data(), context, target);
  grid.x = dtarget ? pieces(d.candidates, Tile::kRows) : 0;
  launch(exec, "contrast_target", contrast_target_kernel<T>, grid, d, dtarget, slopes, range.data(), context, target);
}

template <Real T>
void provide_sampled_contrastive(OpTable<T>& table) {
  table.sampled_contrastive_forward = sampled_contrastive_forward<T>;
  table.sampled_contrastive_backward = sampled_contrastive_backward<T>;
}

}  // namespace anylead::cuda_ops
