// The product quantiser (Baevski et al. 2020, eq. 1) as a row pick. Contracts: core/op_table.hpp; with logits and codewords'
// places in bf16, the product on tensor cores: launchers.hpp.
//
//   code = argmax(logits + noise), y = vars[code];  usage = mean softmax(logits), frequency of argmax(logits)
//   dlogits = p (s - <p, s>) / tau + q (slope - <q, slope>), p = softmax((logits + noise) / tau), s = vars dy,
//   q = softmax(logits), slope = d perplexity / d usage;  dvars[v] = sum of dy over the rows that chose v
//
// Forward: a block has 32 rows. A warp goes once through the logits of a row and group, for the largest, the sum and both
// choices, and leaves them in shared memory if all of the block's fit, 80 KB for 2 groups of 320 in float; then the threads go
// down the columns of the same rows for the block's part of usage; the parts are added up by column sums.
// Backward: s is a product of matrices; a warp per row and group has up to 320 logits in registers, which it reads once; of
// more it reads all but the last 320 again. In bf16 a block computes s for 64 rows and 320 entries at a time, for the sums of
// each row and, where there are more entries, again for dlogits: s is never in memory. dvars: a warp has an entry and 128
// columns, and looks for the rows that chose it, in order. Bound: bandwidth. At 1320 rows, 2 groups of 320, width 128, forward
// moves 1.05 times and requests 1.2 times the fewest bytes; backward, in float without cuBLASLt's product, 1.3 and 1.6 times,
// bf16 1.1 and 1.95.
#pragma once

#include <cmath>

#include <anylead/cuda/gemm.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/reduce.cuh>
#include <anylead/cuda/score_tile.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kQuantizeRows = 32, kQuantizeThreads = 256, kQuantizeWarps = kQuantizeThreads / 32;
constexpr std::size_t kStagedBytes = 80 << 10;  // of a block's logits, at most
constexpr double kPerplexityEpsilon = 1e-7;

/// The largest of some numbers, and the lowest place that has it. NaN is passed over.
template <class T>
struct Best {
  T value = T(-HUGE_VAL);
  int at = 0x7FFFFFFF;

  /// Places in ascending order.
  __device__ void take(T v, Index i) {
    if (v > value) *this = {v, static_cast<int>(i)};
  }
  /// Place of the best of all lanes; 0 where no number is above -infinity.
  __device__ int over_warp() {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(0xFFFFFFFFu, value, step);
      const int place = __shfl_xor_sync(0xFFFFFFFFu, at, step);
      if (other > value || (other == value && place < at)) *this = {other, place};
    }
    return at == 0x7FFFFFFF ? 0 : at;
  }
};

/// sum of exp(x - shift) and of weight exp(x - shift), the shift being the largest x so far (0 if that is -infinity).
template <class T>
struct WeightedExps {
  T max = T(-HUGE_VAL), sum = 0, weighted = 0;

  __device__ T shift() const { return max == T(-HUGE_VAL) ? T(0) : max; }
  __device__ void raise(T to) {
    if (!(to > max)) return;
    const T shrink = std::exp(max - to);
    max = to;
    sum *= shrink;
    weighted *= shrink;
  }
  /// Elements of a lane.
  __device__ void take(const Lanes& at, Quad<T> x, Quad<T> weight) {
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (at.has(w)) raise(x.v[w]);
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (at.has(w)) add(x.v[w], weight.v[w]);
  }
  /// An x that is not above the largest.
  __device__ void add(T x, T weight) {
    const T e = std::exp(x - shift());
    sum += e;
    weighted += e * weight;
  }
  __device__ void join(WeightedExps other) {
    raise(other.max);
    other.raise(max);
    sum += other.sum;
    weighted += other.weighted;
  }
  /// All lanes together.
  __device__ void over_warp() {
    raise(warp_max(max));
    sum = warp_sum(sum);
    weighted = warp_sum(weighted);
  }
};

/// What the columns' pass needs of a row and group.
template <class T>
struct SoftmaxOf {
  T shift, inverse;
  int argmax;
};

/// Shared memory for the logits of a block, 0 if there is no room.
template <class T>
std::size_t staged_bytes(const QuantizeDims& d) {
  const auto bytes = static_cast<std::size_t>(kQuantizeRows * d.groups * d.entries) * sizeof(T);
  return bytes <= kStagedBytes ? bytes : 0;
}

/// Block i: rows 32 i ... y [R, G D], codes [R, G]; partial [blocks, 2, G V]: sums of softmax, counts of argmax. stages: shared
/// memory has room for the logits.
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(kQuantizeThreads) void gumbel_quantize_forward_kernel(QuantizeDims d, bool shared, bool stages,
                                                                                   T* y, Index32* codes, A* partial,
                                                                                   const T* logits, const A* noise,
                                                                                   const A* vars) {
  extern __shared__ __align__(16) unsigned char memory[];
  SoftmaxOf<A>* const of = reinterpret_cast<SoftmaxOf<A>*>(memory);       // [32, G]
  T* const staged = reinterpret_cast<T*>(of + kQuantizeRows * d.groups);  // [32, G V]
  // what the two groups of a warp's lanes (vector.cuh) store lies in different banks
  const auto place = [&](Index row, Index column) {
    const int i = static_cast<int>(row * d.groups * d.entries + column);
    return i ^ i / 64 % 2 * 16;
  };
  const Index begin = Index{blockIdx.x} * kQuantizeRows, all = d.groups * d.entries;
  const Index rows = d.rows - begin < kQuantizeRows ? d.rows - begin : kQuantizeRows;
  for (Index i = threadIdx.y; i < rows * d.groups; i += kQuantizeWarps) {
    const Index r = begin + i / d.groups, g = i % d.groups, o = r * all + g * d.entries;
    WeightedExps<A> exps;
    Best<A> plain, noisy;
    for_row(d.entries, [&](const Lanes& at) {
      const Quad<A> x = widened(at, logits + o), n = noise ? at(noise + o) : Quad<A>{};
      exps.take(at, x, Quad<A>{});
#pragma unroll
      for (int w = 0; w < 4; ++w)
        if (at.has(w)) {
          plain.take(x.v[w], at.first + 16 * w);
          noisy.take(x.v[w] + n.v[w], at.first + 16 * w);
          if (stages) staged[place(i / d.groups, g * d.entries + at.first + 16 * w)] = T(x.v[w]);
        }
    });
    exps.over_warp();
    const int argmax = plain.over_warp(), code = noisy.over_warp();
    if (threadIdx.x == 0) {
      codes[r * d.groups + g] = code;
      of[i] = {exps.shift(), A(1) / exps.sum, argmax};
    }
    const A* chosen = vars + ((shared ? 0 : g * d.entries) + code) * d.width;
    for_row(d.width, [&](const Lanes& at) { store(at, y + (r * d.groups + g) * d.width, at(chosen)); });
  }
  __syncthreads();
  partial += blockIdx.x * 2 * all;
  for (Index c = threadIdx.y * 32 + threadIdx.x; c < all; c += kQuantizeThreads) {
    const Index g = c / d.entries;
    A soft = 0, count = 0;
#pragma unroll 4
    for (Index r = 0; r < rows; ++r) {
      const SoftmaxOf<A> s = of[r * d.groups + g];
      const A x(stages ? staged[place(r, c)] : logits[(begin + r) * all + c]);
      soft += std::exp(x - s.shift) * s.inverse;
      count += A(s.argmax == c - g * d.entries);
    }
    partial[c] = soft;
    partial[all + c] = count;
  }
}

/// Entropy of p [V], by a block.
template <class T>
__device__ double entropy_of(Index entries, const T* p) {
  double entropy = 0;
  for (Index v = threadIdx.x; v < entries; v += kQuantizeThreads)
    entropy -= double(p[v]) * std::log(double(p[v]) + kPerplexityEpsilon);
  return block_sum<kQuantizeThreads>(entropy);
}

/// Block k: usage k [G, V] from sums to means over the rows; perplexity [k] = sum over groups of exp(entropy).
template <class T>
__global__ __launch_bounds__(kQuantizeThreads) void quantize_perplexity_kernel(QuantizeDims d, T* usage, T* perplexity) {
  usage += blockIdx.x * d.groups * d.entries;
  double total = 0;
  for (Index g = 0; g < d.groups; ++g) {
    T* const p = usage + g * d.entries;
    for (Index v = threadIdx.x; v < d.entries; v += kQuantizeThreads) p[v] = d.rows ? p[v] / static_cast<T>(d.rows) : T(0);
    total += std::exp(entropy_of(d.entries, p));  // a thread reads what it wrote
  }
  if (threadIdx.x == 0) perplexity[blockIdx.x] = T(total);
}

/// Block g: slope [V] of group g = dperplexity d perplexity[0] / d usage / R.
template <class T>
__global__ __launch_bounds__(kQuantizeThreads) void quantize_slope_kernel(QuantizeDims d, T* slope, const T* dperplexity,
                                                                          const T* usage) {
  const T* const p = usage + blockIdx.x * d.entries;
  const double outer = -std::exp(entropy_of(d.entries, p)) * double(*dperplexity) / static_cast<double>(d.rows);
  for (Index v = threadIdx.x; v < d.entries; v += kQuantizeThreads) {
    const double u = double(p[v]);
    slope[blockIdx.x * d.entries + v] = T(outer * (std::log(u + kPerplexityEpsilon) + u / (u + kPerplexityEpsilon)));
  }
}

/// p (s - <p, s>) / tau + q (slope - <q, slope>) of one element: of a row's sums.
template <class A>
struct LogitSlope {
  WeightedExps<A> p, q;
  A along_p, along_q, scale_p, scale_q;

  __device__ LogitSlope(const WeightedExps<A>& of_p, const WeightedExps<A>& of_q, A tau)
      : p(of_p),
        q(of_q),
        along_p(p.weighted / p.sum),
        along_q(q.weighted / q.sum),
        scale_p(A(1) / (tau * p.sum)),
        scale_q(A(1) / q.sum) {}
  __device__ A through_choice(A noisy, A score) const { return std::exp(noisy - p.shift()) * (score - along_p) * scale_p; }
  __device__ A through_usage(A logit, A slope) const { return std::exp(logit - q.shift()) * (slope - along_q) * scale_q; }
};

constexpr int kHeldEntries = 10, kVisitedEntries = 32 * kHeldEntries;  // of a lane, of a warp: all of the published codebooks

/// A row's logits of one group, and what is known of its entries. noise, slope [V] may be null: nothing comes from there.
template <class T>
struct QuantizeRow {
  using A = sum_t<T>;
  const T* logits;
  const A *noise, *slope;
  A tau;
  Grad<T> dlogits;
  Index entries;

  /// By a warp: the entries from `entry` on, as many as it visits at a time; score(v): how much entry v would help. counts:
  /// they are new to p and q; delivers: p and q are complete.
  template <class F>
  __device__ void visit(Index entry, bool counts, bool delivers, WeightedExps<A>& p, WeightedExps<A>& q, F&& score) const {
    const int lane = tile_thread() % 32;
    const A inverse_tau = A(1) / tau;
    A x[kHeldEntries], noisy[kHeldEntries], helps[kHeldEntries], rise[kHeldEntries];
    const auto each = [&](auto&& f) {
#pragma unroll
      for (int w = 0; w < kHeldEntries; ++w)
        if (entry + lane + 32 * w < entries) f(entry + lane + 32 * w, w);
    };
    each([&](Index v, int w) {
      x[w] = A(logits[v]);
      if (noise) noisy[w] = (x[w] + noise[v]) * inverse_tau;
      if (noise) helps[w] = score(v);
      if (slope) rise[w] = slope[v];
    });
    if (counts) {
      WeightedExps<A> own_p, own_q;
      each([&](Index, int w) {
        if (noise) own_p.raise(noisy[w]);
        if (slope) own_q.raise(x[w]);
      });
      each([&](Index, int w) {
        if (noise) own_p.add(noisy[w], helps[w]);
        if (slope) own_q.add(x[w], rise[w]);
      });
      own_p.over_warp();
      own_q.over_warp();
      p.join(own_p);
      q.join(own_q);
    }
    if (!delivers) return;
    const LogitSlope<A> of(p, q, tau);
    each([&](Index v, int w) {
      const A choice = noise ? of.through_choice(noisy[w], helps[w]) : A(0);
      deliver(dlogits, v, choice + (slope ? of.through_usage(x[w], rise[w]) : A(0)));
    });
  }
};

/// The first of the last entries that a warp visits.
__device__ inline Index last_visit(Index entries) { return (entries - 1) / kVisitedEntries * kVisitedEntries; }

/// Warp i: row and group i. dlogits [R, G V]; noise and scores [R, G V], slope [G V] may be null: nothing comes from there.
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(32 * kRowsPerBlock, sizeof(A) == 4 ? 2 : 1) void gumbel_quantize_backward_kernel(
    QuantizeDims d, Grad<T> dlogits, const T* logits, const A* noise, const A* scores, const A* slope, A tau) {
  const Index i = own_row(), o = i * d.entries;
  if (i >= d.rows * d.groups) return;
  const QuantizeRow<T> row = {logits + o, scores ? noise + o : nullptr, slope ? slope + i % d.groups * d.entries : nullptr,
                              tau,        advanced(dlogits, o),         d.entries};
  const auto score = [&](Index v) { return scores[o + v]; };
  WeightedExps<A> p, q;
  const Index last = last_visit(d.entries);
  for (Index entry = 0; entry <= last; entry += kVisitedEntries) row.visit(entry, true, entry == last, p, q, score);
  for (Index entry = last - kVisitedEntries; entry >= 0; entry -= kVisitedEntries) row.visit(entry, false, true, p, q, score);
}

using QuantizeTile = ScoreTile<bf16, kVisitedEntries / kTileSide>;

/// Block (i, g): rows 64 i .., group g. dlogits [R, G V]; slope [G V] may be null. dy [R, G D], vars as in the contract.
__global__ __launch_bounds__(kTileThreads, 1) void gumbel_quantize_backward_bf16_kernel(QuantizeDims d, bool shared,
                                                                                        Grad<bf16> dlogits, const bf16* dy,
                                                                                        const bf16* logits, const float* noise,
                                                                                        const float* vars, const float* slope,
                                                                                        float tau) {
  using Tile = QuantizeTile;
  extern __shared__ __align__(16) unsigned char memory[];
  float* const scores = reinterpret_cast<float*>(memory);  // [rows, kScoreStride], when the operands have been used
  __shared__ WeightedExps<float> of_p[Tile::kRows], of_q[Tile::kRows];
  __shared__ float slopes[kVisitedEntries];  // of the entries at hand: all rows need them
  const int warp = tile_thread() / 32, lane = tile_thread() % 32;
  const Index begin = Index{blockIdx.x} * Tile::kRows, g = blockIdx.y, all = d.groups * d.entries;
  const int rows = static_cast<int>(d.rows - begin < Tile::kRows ? d.rows - begin : Tile::kRows);
  if (!shared) vars += g * d.entries * d.width;
  if (slope) slope += g * d.entries;
  if (tile_thread() < Tile::kRows) of_p[tile_thread()] = of_q[tile_thread()] = {};

  const auto itself = [](int i) { return i; };
  const auto form = [&](Index entry) {  // the scores of entries entry ..
    Tile tile;
    multiply_scores(tile, reinterpret_cast<bf16*>(memory),
                    ScoreFactors{dy + (begin * d.groups + g) * d.width, vars + entry * d.width, d.groups * d.width, d.width,
                                 d.width, itself, itself, rows, static_cast<int>(d.entries - entry)});
    __syncthreads();  // scores take the place of the operands
    tile.store(scores);
    if (slope)
      for (int v = tile_thread(); v < kVisitedEntries && entry + v < d.entries; v += kTileThreads) slopes[v] = slope[entry + v];
    __syncthreads();
  };
  const auto visit = [&](Index entry, bool counts, bool delivers) {  // a warp for a row
    for (int i = warp; i < rows; i += kTileWarps) {
      const Index o = (begin + i) * all + g * d.entries;
      const float* const own = scores + i * Tile::kScoreStride - entry;
      WeightedExps<float> p = of_p[i], q = of_q[i];
      QuantizeRow<bf16>{logits + o, noise + o, slope ? slopes - entry : nullptr, tau, advanced(dlogits, o), d.entries}.visit(
          entry, counts, delivers, p, q, [&](Index v) { return own[v]; });
      __syncwarp();
      if (counts && lane == 0) {
        of_p[i] = p;
        of_q[i] = q;
      }
      __syncwarp();
    }
  };

  const Index last = last_visit(d.entries);
  for (Index entry = 0; entry <= last; entry += kVisitedEntries) {
    form(entry);
    visit(entry, true, entry == last);
  }
  for (Index entry = last - kVisitedEntries; entry >= 0; entry -= kVisitedEntries) {
    form(entry);
    visit(entry, false, true);
  }
}

constexpr int kPickRows = 512, kPickColumns = 4;  // at a time; of a lane

/// Block (i, j, k): entries 8 i .., a warp each, columns 128 j .. of codebook k, which serves groups_of_book groups. dvars
/// [books, V, D]: sums of dy [R, G, D] over the rows that chose the entry, group by group, row by row.
template <class T, class A = sum_t<T>>
__global__ __launch_bounds__(kQuantizeThreads) void quantize_vars_kernel(QuantizeDims d, Index groups_of_book, Grad<A> dvars,
                                                                         const T* dy, const Index32* codes) {
  __shared__ Index32 chosen[kPickRows];
  const Index entry = Index{blockIdx.x} * kQuantizeWarps + threadIdx.y;
  const Index column = Index{blockIdx.y} * 32 * kPickColumns + threadIdx.x;
  A total[kPickColumns] = {};
  for (Index g = blockIdx.z * groups_of_book; g < (blockIdx.z + 1) * groups_of_book; ++g)
    for (Index begin = 0; begin < d.rows; begin += kPickRows) {
      const int here = static_cast<int>(d.rows - begin < kPickRows ? d.rows - begin : kPickRows);
      __syncthreads();  // the rows before have been used
      for (int i = threadIdx.y * 32 + threadIdx.x; i < kPickRows; i += kQuantizeThreads)
        chosen[i] = i < here ? codes[(begin + i) * d.groups + g] : -1;
      __syncthreads();
      for (int first = 0; first < here; first += 32)
        for (unsigned hits = __ballot_sync(0xFFFFFFFFu, chosen[first + threadIdx.x] == entry); hits != 0; hits &= hits - 1) {
          const T* from = dy + ((begin + first + __ffs(static_cast<int>(hits)) - 1) * d.groups + g) * d.width;
#pragma unroll
          for (int w = 0; w < kPickColumns; ++w)
            if (column + 32 * w < d.width) total[w] += A(from[column + 32 * w]);
        }
    }
  if (entry >= d.entries) return;
#pragma unroll
  for (int w = 0; w < kPickColumns; ++w)
    if (column + 32 * w < d.width) deliver(dvars, (blockIdx.z * d.entries + entry) * d.width + column + 32 * w, total[w]);
}

template <class T, class A>
void run_quantize_forward(const Exec& exec, QuantizeDims d, bool shared, T* y, Index32* codes, A* usage, A* perplexity,
                          const T* logits, const A* noise, const A* vars) {
  const Index all = d.groups * d.entries, blocks = pieces(d.rows, kQuantizeRows);
  const std::size_t staged = staged_bytes<T>(d);
  const WorkspaceOf<A> partial(exec, blocks * 2 * all);
  launch(exec, "gumbel_quantize_forward", gumbel_quantize_forward_kernel<T>,
         {.x = blocks,
          .threads = 32,
          .rows = kQuantizeWarps,
          .shared = static_cast<std::size_t>(kQuantizeRows * d.groups) * sizeof(SoftmaxOf<A>) + staged},
         d, shared, staged > 0, y, codes, partial.data(), logits, noise, vars);
  column_sums(exec, {blocks, 2 * all}, Grad<A>{usage, GradMode::overwrite}, Plain<A>{partial.data(), 2 * all});
  launch(exec, "quantize_perplexity", quantize_perplexity_kernel<A>, {.x = 2, .threads = kQuantizeThreads}, d, usage,
         perplexity);
}

template <class T, class A>
void run_vars_backward(const Exec& exec, QuantizeDims d, bool shared, Grad<A> dvars, const T* dy, const Index32* codes) {
  if (!dvars) return;
  if (!dy) d.rows = 0;
  const Index books = shared ? 1 : d.groups;
  launch(exec, "quantize_vars", quantize_vars_kernel<T>,
         {.x = pieces(d.entries, kQuantizeWarps),
          .y = pieces(d.width, 32 * kPickColumns),
          .z = books,
          .threads = 32,
          .rows = kQuantizeWarps},
         d, d.groups / books, dvars, dy, codes);
}

template <class A>
void run_slope(const Exec& exec, QuantizeDims d, A* slope, const A* dperplexity, const A* usage) {
  launch(exec, "quantize_slope", quantize_slope_kernel<A>, {.x = d.groups, .threads = kQuantizeThreads}, d, slope, dperplexity,
         usage);
}

}  // namespace

template <Real T>
void gumbel_quantize_forward(const Exec& exec, QuantizeDims d, bool shared, T* y, Index32* codes, T* usage, T* perplexity,
                             const T* logits, const T* noise, const T* vars) {
  run_quantize_forward(exec, d, shared, y, codes, usage, perplexity, logits, noise, vars);
}

template <Real T>
void gumbel_quantize_backward(const Exec& exec, QuantizeDims d, bool shared, Grad<T> dlogits, Grad<T> dvars, const T* dy,
                              const T* dperplexity, const T* logits, const T* noise, const T* vars, const Index32* codes,
                              const T* usage, T tau) {
  const Index all = d.groups * d.entries;
  run_vars_backward(exec, d, shared, dvars, dy, codes);
  if (!dlogits || d.rows == 0) return;
  const WorkspaceOf<T> slope(exec, dperplexity ? all : 0), scores(exec, dy && noise ? d.rows * all : 0);
  if (dperplexity) run_slope(exec, d, slope.data(), dperplexity, usage);
  if (dy && noise)  // how much each entry would help
    gemm(exec, Gemm<T>{.m = d.rows,
                       .n = d.entries,
                       .k = d.width,
                       .a = dy,
                       .lda = d.groups * d.width,
                       .op_a = MatrixOp::none,
                       .b = vars,
                       .ldb = d.width,
                       .op_b = MatrixOp::transpose,
                       .c = scores.data(),
                       .ldc = all,
                       .batch = d.groups,
                       .stride_a = d.width,
                       .stride_b = shared ? 0 : d.entries * d.width,
                       .stride_c = d.entries});
  launch(exec, "gumbel_quantize_backward", gumbel_quantize_backward_kernel<T>, row_grid(d.rows * d.groups), d, dlogits, logits,
         noise, dy && noise ? scores.data() : nullptr, dperplexity ? slope.data() : nullptr, tau);
}

void gumbel_quantize_forward(const Exec& exec, QuantizeDims d, bool shared, bf16* y, Index32* codes, float* usage,
                             float* perplexity, const bf16* logits, const float* noise, const float* vars) {
  run_quantize_forward(exec, d, shared, y, codes, usage, perplexity, logits, noise, vars);
}

void gumbel_quantize_backward(const Exec& exec, QuantizeDims d, bool shared, Grad<bf16> dlogits, Grad<float> dvars,
                              const bf16* dy, const float* dperplexity, const bf16* logits, const float* noise,
                              const float* vars, const Index32* codes, const float* usage, float tau) {
  run_vars_backward(exec, d, shared, dvars, dy, codes);
  if (!dlogits || d.rows * d.entries == 0) return;
  const WorkspaceOf<float> slope(exec, dperplexity ? d.groups * d.entries : 0);
  if (dperplexity) run_slope(exec, d, slope.data(), dperplexity, usage);
  float* const slope_or_null = dperplexity ? slope.data() : nullptr;
  if (!dy || !noise) {
    launch(exec, "gumbel_quantize_backward", gumbel_quantize_backward_kernel<bf16>, row_grid(d.rows * d.groups), d, dlogits,
           logits, noise, nullptr, slope_or_null, tau);
    return;
  }
  constexpr std::size_t kOperands = kOperandNumbers<QuantizeTile> * sizeof(bf16),
                        kScores = QuantizeTile::kRows * QuantizeTile::kScoreStride * sizeof(float);
  Grid grid = kTileGrid<bf16>;
  grid.x = pieces(d.rows, QuantizeTile::kRows);
  grid.y = d.groups;
  grid.shared = kOperands > kScores ? kOperands : kScores;
  launch(exec, "gumbel_quantize_backward_bf16", gumbel_quantize_backward_bf16_kernel, grid, d, shared, dlogits, dy, logits,
         noise, vars, slope_or_null, tau);
}

template <Real T>
void provide_gumbel_quantize(OpTable<T>& table) {
  table.gumbel_quantize_forward = gumbel_quantize_forward<T>;
  table.gumbel_quantize_backward = gumbel_quantize_backward<T>;
}

}  // namespace anylead::cuda_ops
