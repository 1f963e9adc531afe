// Multi-head scaled dot-product attention (Vaswani et al. 2017, eq. 1), scores kept on the chip (Dao et al. 2022).
// Contracts: core/op_table.hpp.
//
//   P = softmax(q k^T / sqrt D), y = (P o M) v, M: dropout factors;  with dP = (dy v^T) o M, delta = <dy, y> per row:
//   dS = P o (dP - delta) / sqrt D;  dq = dS k, dk = dS^T q, dv = (P o M)^T dy
//
// Forward: a block of 16 x 16 threads has 80 queries of a segment and head (double: 32) and goes through the keys, 80 at a time
// (128 wide: 32): scores in registers, largest and sum of each row carried on, probabilities through shared memory where the
// keys were. Two blocks for the model's 156 frames. Shared memory, 64 wide: (80 x 68 + 80 x 80 + 80 x 68) floats = 69 kB, two
// blocks per multiprocessor.
//
// Backward: a block has all of a segment and head, so that nothing is added by two blocks. For each 160 keys it goes through
// the queries, 32 at a time: dk and dv stay in registers, dq is added to memory by the thread that owns it. 150 kB; 80 keys and
// 81 kB for short segments and where a block cannot have so much.
//
// Weights: a block has 80 x 80 of them and goes through the heads.
//
// Bound: compute, on the float units: 2 products of T x T x D forward, 5 backward; operands come from shared memory, 10 loads
// of 16 bytes for 100 FMA forward, 12 for 80 backward. At 156 frames every sector moves once; 1.5 times the fewest bytes are
// requested forward, 1.0 times backward.
#pragma once

#include <cmath>

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/tile.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kWidest = 128;  // numbers of a head

/// Rows and keys of a thread, and the tile that they make.
template <class T, int kWidth, int kRowsOf, int kKeysOf>
struct AttentionTile {
  static constexpr int kRows = kRowsOf, kKeysPerThread = kKeysOf;
  static constexpr int kQueries = kTileSide * kRows, kKeys = kTileSide * kKeysPerThread;
  static constexpr int kStride = kWidth + kRowPad<T>;
  static constexpr int kScoreStride = kTileSide * (kKeysPerThread | 1);  // two rows fill all banks
};
/// Forward, float: what fits two blocks of a multiprocessor with 164 kB; double, and backward: one block of 99 kB.
template <class T, int kWidth, bool kWide = (kWidth > 64)>
using ForwardTile = AttentionTile<T, kWidth, sizeof(T) == 4 ? 5 : 2, sizeof(T) == 4 && !kWide ? 5 : 2>;
template <class T, int kWidth, bool kWide = (kWidth > 64)>
using BackwardTile = AttentionTile<T, kWidth, sizeof(T) == 4 ? 2 : 1, (kWide ? 1 : 2) + (sizeof(T) == 4 ? (kWide ? 2 : 3) : 0)>;

/// The same with room for all keys of the model, float and up to 64 wide.
template <class T, int kWidth>
using WholeTile = AttentionTile<T, kWidth, 2, 10>;

/// Room for keys, and for scores afterwards.
template <class Tile>
constexpr int kKeyOrScoreNumbers = (Tile::kKeys * Tile::kStride > Tile::kQueries * Tile::kScoreStride)
                                       ? Tile::kKeys* Tile::kStride
                                       : Tile::kQueries* Tile::kScoreStride;

/// Keys and values, queries and their dy, two sets of scores.
template <class Tile>
constexpr std::size_t kBackwardNumbers = 2 * (Tile::kKeys + Tile::kQueries) * Tile::kStride +
                                         2 * Tile::kQueries* Tile::kScoreStride;

/// The dropout factors of elements number, number + 16, .. of the stream: they lie in consecutive words of few Philox blocks.
template <int kCount, class T>
__device__ void dropout_factors(T (&factors)[kCount], const Dropout& dropout, std::uint64_t number) {
  constexpr int kBlocks = (kCount + 2) / 4 + 1;
  std::uint32_t words[4 * kBlocks];
  RandomStream stream = dropout.stream;
  asm volatile("" : "+l"(stream.seed));  // or the keys of all rounds wait in registers throughout the kernel
#pragma unroll
  for (int i = 0; i < kBlocks; ++i) {
    const PhiloxBlock block = stream.block(number / 64 * 16 + number % 16 + 16 * i);
#pragma unroll
    for (int w = 0; w < 4; ++w) words[4 * i + w] = block.word[w];
  }
  const unsigned first = number / 16 % 4;  // word of the first element: 0 .. 3, brought to the front in two moves
#pragma unroll
  for (int w = 0; w < kCount + 2; ++w)
    if (first % 2 != 0) words[w] = words[w + 1];
#pragma unroll
  for (int w = 0; w < kCount; ++w) factors[w] = T(dropout.factor_of(first >= 2 ? words[w + 2] : words[w]));
}

/// Whether key j counts in segment b.
__device__ inline bool is_key(AttentionDims d, const Flag* padding, Index b, Index j) {
  return j < d.time && !(padding && padding[b * d.time + j]);
}

/// A bit for each of the thread's keys from, from + 16, .. that counts.
template <int kCount>
__device__ unsigned keys_of_thread(AttentionDims d, const Flag* padding, Index b, int from) {
  unsigned bits = 0;
#pragma unroll
  for (int c = 0; c < kCount; ++c)
    bits |= static_cast<unsigned>(is_key(d, padding, b, from + c * kTileSide + static_cast<int>(threadIdx.x))) << c;
  return bits;
}

/// Block i: query tile i % tiles of segment and head i / tiles.
template <class T, int kWidth>
__global__ __launch_bounds__(kTileThreads, 2) void attention_forward_kernel(AttentionDims d, Index tiles, T factor, T* y,
                                                                            T* logsum, const T* q, const T* k, const T* v,
                                                                            const Flag* padding, Dropout dropout) {
  using Tile = ForwardTile<T, kWidth>;
  using Own = Columns<T, kWidth>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const queries = reinterpret_cast<T*>(memory);           // [queries, width]
  T* const keys = queries + Tile::kQueries * Tile::kStride;  // [keys, width]
  T* const scores = keys;                                    // [queries, keys], when the keys have been used
  T* const values = keys + kKeyOrScoreNumbers<Tile>;         // [keys, width]
  // int: half the registers of an Index
  const int time = static_cast<int>(d.time), head_width = static_cast<int>(d.head_width), heads = static_cast<int>(d.heads);
  const int i = static_cast<int>(blockIdx.x / tiles), b = i / heads, stride = heads * head_width;
  const int first = static_cast<int>(blockIdx.x % tiles) * Tile::kQueries;
  const Index segment = b * d.time * stride + i % heads * head_width;
  load_tile<Tile::kQueries, kWidth, Tile::kStride>(queries, q + segment + first * stride, stride, time - first, head_width);

  T most[Tile::kRows], total[Tile::kRows] = {}, o[Tile::kRows][Own::kCount] = {};
#pragma unroll
  for (int r = 0; r < Tile::kRows; ++r) most[r] = T(-HUGE_VAL);
  for (int from = 0; from < time; from += Tile::kKeys) {
    const Index at = segment + from * stride;
    __syncthreads();  // the tiles before have been used
    load_tile<Tile::kKeys, kWidth, Tile::kStride>(keys, k + at, stride, time - from, head_width);
    commit_copies();
    load_tile<Tile::kKeys, kWidth, Tile::kStride>(values, v + at, stride, time - from, head_width);
    commit_copies();
    await_copies<1>();
    __syncthreads();
    T s[Tile::kRows][Tile::kKeysPerThread] = {};
    multiply_rows<kWidth, Tile::kStride, Tile::kStride>(s, queries, keys);
    const unsigned counts = keys_of_thread<Tile::kKeysPerThread>(d, padding, b, from);
    __syncthreads();  // scores take the place of keys
#pragma unroll
    for (int r = 0; r < Tile::kRows; ++r) {
      T largest = most[r];
#pragma unroll
      for (int c = 0; c < Tile::kKeysPerThread; ++c) {
        s[r][c] = counts >> c & 1u ? s[r][c] * factor : T(-HUGE_VAL);
        largest = s[r][c] > largest ? s[r][c] : largest;
      }
      largest = row_threads_max(largest);
      const T shift = largest == T(-HUGE_VAL) ? T(0) : largest, shrink = std::exp(most[r] - shift);
      most[r] = largest;
      total[r] *= shrink;
#pragma unroll
      for (int c = 0; c < Own::kCount; ++c) o[r][c] *= shrink;
#pragma unroll
      for (int c = 0; c < Tile::kKeysPerThread; ++c) {
        const T p = std::exp(s[r][c] - shift);
        total[r] += p;
        scores[(r * kTileSide + threadIdx.y) * Tile::kScoreStride + c * kTileSide + threadIdx.x] = p;
      }
    }
    if (dropout.p != 0)
#pragma unroll 1  // registers
      for (int own = threadIdx.y; own < Tile::kQueries; own += kTileSide) {
        T factors[Tile::kKeysPerThread];
        const Index number = (i * d.time + first + own) * d.time + from + threadIdx.x;
        dropout_factors(factors, dropout, static_cast<std::uint64_t>(number));
#pragma unroll
        for (int c = 0; c < Tile::kKeysPerThread; ++c)
          scores[own * Tile::kScoreStride + c * kTileSide + threadIdx.x] *= factors[c];
      }
    await_copies<0>();
    __syncthreads();
    multiply_columns<Tile::kKeys, kWidth, Tile::kScoreStride, Tile::kStride>(o, scores, values);
  }
  const bool packed = can_pack(y + segment, stride, head_width);
#pragma unroll
  for (int r = 0; r < Tile::kRows; ++r) {
    const int row = first + r * kTileSide + static_cast<int>(threadIdx.y);
    const T sum = row_threads_sum(total[r]);
    if (row >= time) continue;
    const bool any = most[r] != T(-HUGE_VAL);
    if (threadIdx.x == 0) logsum[i * d.time + row] = any || sum != sum ? most[r] + std::log(sum) : T(0);
    const T inverse = any || sum != sum ? T(1) / sum : T(1);  // without a key all is 0
#pragma unroll
    for (int c = 0; c < Own::kCount; ++c) o[r][c] *= inverse;
    Own::deliver(y + segment + row * stride, false, o[r], head_width, packed);
  }
}

/// Block i: segment and head i. delta [B, H, T]: working memory.
template <class T, int kWidth, class Tile>
__global__ __launch_bounds__(kTileThreads, 1) void attention_backward_kernel(AttentionDims d, T factor, Grad<T> dq, Grad<T> dk,
                                                                             Grad<T> dv, T* delta, const T* dy, const T* y,
                                                                             const T* logsum, const T* q, const T* k,
                                                                             const T* v, const Flag* padding, Dropout dropout) {
  using Own = Columns<T, kWidth>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const keys = reinterpret_cast<T*>(memory);                     // [keys, width]
  T* const values = keys + Tile::kKeys * Tile::kStride;             // [keys, width]
  T* const queries = values + Tile::kKeys * Tile::kStride;          // [queries, width]
  T* const dys = queries + Tile::kQueries * Tile::kStride;          // [queries, width]
  T* const scores = dys + Tile::kQueries * Tile::kStride;           // [queries, keys]: P o M
  T* const dscores = scores + Tile::kQueries * Tile::kScoreStride;  // [queries, keys]: dS
  const Index i = blockIdx.x, b = i / d.heads, stride = d.heads * d.head_width;
  const int time = static_cast<int>(d.time), head_width = static_cast<int>(d.head_width);  // half the registers of an Index
  const Index segment = b * d.time * stride + i % d.heads * d.head_width;
  for (int from = 0; from < time; from += Tile::kKeys) {
    const Index at = segment + from * stride;
    __syncthreads();  // the tiles before have been used
    load_tile<Tile::kKeys, kWidth, Tile::kStride>(keys, k + at, stride, time - from, head_width);
    load_tile<Tile::kKeys, kWidth, Tile::kStride>(values, v + at, stride, time - from, head_width);
    commit_copies();
    const unsigned counts = keys_of_thread<Tile::kKeysPerThread>(d, padding, b, from);
    T own_dk[Tile::kKeysPerThread][Own::kCount] = {}, own_dv[Tile::kKeysPerThread][Own::kCount] = {};
    for (int first = 0; first < time; first += Tile::kQueries) {
      const Index here = segment + first * stride;
      __syncthreads();
      load_tile<Tile::kQueries, kWidth, Tile::kStride>(queries, q + here, stride, time - first, head_width);
      load_tile<Tile::kQueries, kWidth, Tile::kStride>(dys, dy + here, stride, time - first, head_width);
      commit_copies();
      await_copies<0>();
      __syncthreads();
      const auto keep_product = [&](T* to, const T* rows, const T* columns) {
        T s[Tile::kRows][Tile::kKeysPerThread] = {};
        multiply_rows<kWidth, Tile::kStride, Tile::kStride>(s, rows, columns);
#pragma unroll
        for (int r = 0; r < Tile::kRows; ++r)
#pragma unroll
          for (int c = 0; c < Tile::kKeysPerThread; ++c)
            to[(r * kTileSide + threadIdx.y) * Tile::kScoreStride + c * kTileSide + threadIdx.x] = s[r][c];
      };
      keep_product(scores, queries, keys);
      keep_product(dscores, dys, values);
#pragma unroll 1  // registers
      for (int own = threadIdx.y; own < Tile::kQueries; own += kTileSide) {
        const Index number = i * d.time + first + own;
        const bool is_row = first + own < time;
        T along = 0;
        if (from == 0) {
          for (int c = threadIdx.x; is_row && c < head_width; c += kTileSide)
            along += dys[own * Tile::kStride + c] * y[here + own * stride + c];
          along = row_threads_sum(along);
          if (is_row && threadIdx.x == 0) delta[number] = along;
        } else if (is_row) {
          along = delta[number];
        }
        const T shift = is_row ? logsum[number] : T(0);
        T factors[Tile::kKeysPerThread];
        if (dropout.p != 0) dropout_factors(factors, dropout, static_cast<std::uint64_t>(number * d.time + from + threadIdx.x));
#pragma unroll
        for (int c = 0; c < Tile::kKeysPerThread; ++c) {
          const int place = own * Tile::kScoreStride + c * kTileSide + threadIdx.x;
          const T p = is_row ? std::exp((counts >> c & 1u ? scores[place] * factor : T(-HUGE_VAL)) - shift) : T(0);
          const T m = dropout.p != 0 ? factors[c] : T(1);
          scores[place] = p * m;
          dscores[place] = p * (dscores[place] * m - along) * factor;
        }
      }
      __syncthreads();
      if (dv) multiply_transposed<Tile::kQueries, kWidth, Tile::kScoreStride, Tile::kStride>(own_dv, scores, dys);
      if (dk) multiply_transposed<Tile::kQueries, kWidth, Tile::kScoreStride, Tile::kStride>(own_dk, dscores, queries);
      if (!dq) continue;
      T own_dq[Tile::kRows][Own::kCount] = {};
      multiply_columns<Tile::kKeys, kWidth, Tile::kScoreStride, Tile::kStride>(own_dq, dscores, keys);
      const bool packed = can_pack(dq.data + segment, stride, d.head_width);
#pragma unroll
      for (int r = 0; r < Tile::kRows; ++r) {
        const int own = r * kTileSide + threadIdx.y;
        if (first + own < time)
          Own::deliver(dq.data + here + own * stride, from > 0 || dq.accumulates(), own_dq[r], head_width, packed);
      }
    }
    const auto deliver_keys = [&](Grad<T> to, const T(&own)[Tile::kKeysPerThread][Own::kCount]) {
      if (!to) return;
      const bool packed = can_pack(to.data + segment, stride, d.head_width);
#pragma unroll
      for (int r = 0; r < Tile::kKeysPerThread; ++r) {
        const int key = r * kTileSide + threadIdx.y;
        if (from + key < time) Own::deliver(to.data + at + key * stride, to.accumulates(), own[r], head_width, packed);
      }
    };
    deliver_keys(dk, own_dk);
    deliver_keys(dv, own_dv);
  }
}

constexpr int kWeightsWidth = 64;  // numbers of a head at a time

/// Block (i, j, b): queries and keys of tiles i and j. weights [B, T, T].
template <class T>
__global__ __launch_bounds__(kTileThreads) void attention_weights_kernel(AttentionDims d, T factor, T* weights, const T* logsum,
                                                                         const T* q, const T* k, const Flag* padding) {
  using Tile = ForwardTile<T, kWeightsWidth>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const queries = reinterpret_cast<T*>(memory);           // [queries, chunk]
  T* const keys = queries + Tile::kQueries * Tile::kStride;  // [keys, chunk]
  const Index first = Index{blockIdx.x} * Tile::kQueries, from = Index{blockIdx.y} * Tile::kKeys, b = blockIdx.z;
  const Index stride = d.heads * d.head_width;
  T total[Tile::kRows][Tile::kKeysPerThread] = {};
  for (Index h = 0; h < d.heads; ++h) {
    T s[Tile::kRows][Tile::kKeysPerThread] = {};
    for (Index c = 0; c < d.head_width; c += kWeightsWidth) {
      const Index o = b * d.time * stride + h * d.head_width + c;
      __syncthreads();
      load_tile<Tile::kQueries, kWeightsWidth, Tile::kStride>(queries, q + o + first * stride, stride, d.time - first,
                                                              d.head_width - c);
      load_tile<Tile::kKeys, kWeightsWidth, Tile::kStride>(keys, k + o + from * stride, stride, d.time - from,
                                                           d.head_width - c);
      commit_copies();
      await_copies<0>();
      __syncthreads();
      multiply_rows<kWeightsWidth, Tile::kStride, Tile::kStride>(s, queries, keys);
    }
#pragma unroll
    for (int r = 0; r < Tile::kRows; ++r) {
      const Index row = first + r * kTileSide + threadIdx.y;
      const T shift = row < d.time ? logsum[(b * d.heads + h) * d.time + row] : T(0);
#pragma unroll
      for (int c = 0; c < Tile::kKeysPerThread; ++c) total[r][c] += std::exp(s[r][c] * factor - shift);
    }
  }
#pragma unroll
  for (int r = 0; r < Tile::kRows; ++r)
#pragma unroll
    for (int c = 0; c < Tile::kKeysPerThread; ++c) {
      const Index row = first + r * kTileSide + threadIdx.y, key = from + c * kTileSide + threadIdx.x;
      if (row < d.time && key < d.time)
        weights[(b * d.time + row) * d.time + key] = is_key(d, padding, b, key) ? total[r][c] / static_cast<T>(d.heads) : T(0);
    }
}

template <class T>
T score_factor(AttentionDims d) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(d.head_width)));
}

/// Calls f with the width of the tiles as a constant. @throws DeviceError for heads that are wider than any
template <class F>
void with_width(AttentionDims d, F&& f) {
  if (d.head_width <= 16) return f(std::integral_constant<int, 16>());
  if (d.head_width <= 32) return f(std::integral_constant<int, 32>());
  if (d.head_width <= 64) return f(std::integral_constant<int, 64>());
  if (d.head_width <= kWidest) return f(std::integral_constant<int, kWidest>());
  check(cudaErrorNotSupported, "attention with more than 128 numbers per head");
}

}  // namespace

template <Real T>
void attention_forward(const Exec& exec, AttentionDims d, T* y, T* logsum, const T* q, const T* k, const T* v,
                       const Flag* padding, Dropout dropout) {
  with_width(d, [&](auto width) {
    using Tile = ForwardTile<T, width>;
    const Index tiles = pieces(d.time, Tile::kQueries);
    const std::size_t numbers = Tile::kQueries * Tile::kStride + kKeyOrScoreNumbers<Tile> + Tile::kKeys * Tile::kStride;
    launch(exec, "attention_forward", attention_forward_kernel<T, width>,
           {.x = tiles * d.batch * d.heads, .threads = kTileSide, .rows = kTileSide, .shared = numbers * sizeof(T)}, d, tiles,
           score_factor<T>(d), y, logsum, q, k, v, padding, dropout);
  });
}

template <Real T>
void attention_backward(const Exec& exec, AttentionDims d, Grad<T> dq, Grad<T> dk, Grad<T> dv, const T* dy, const T* y,
                        const T* logsum, const T* q, const T* k, const T* v, const Flag* padding, Dropout dropout) {
  if (!dq && !dk && !dv) return;
  const WorkspaceOf<T> delta(exec, d.batch * d.heads * d.time);
  with_width(d, [&](auto width) {
    const auto run = [&]<class Tile>(Tile*) {
      launch(exec, "attention_backward", attention_backward_kernel<T, width, Tile>,
             {.x = d.batch * d.heads, .threads = kTileSide, .rows = kTileSide, .shared = kBackwardNumbers<Tile> * sizeof(T)}, d,
             score_factor<T>(d), dq, dk, dv, delta.data(), dy, y, logsum, q, k, v, padding, dropout);
    };
    using Tile = BackwardTile<T, width>;
    if constexpr (sizeof(T) == 4 && width <= 64) {
      using Whole = WholeTile<T, width>;
      if (d.time > Tile::kKeys && has_shared_memory(exec, kBackwardNumbers<Whole> * sizeof(T)))
        return run(static_cast<Whole*>(nullptr));
    }
    run(static_cast<Tile*>(nullptr));
  });
}

template <Real T>
void attention_weights(const Exec& exec, AttentionDims d, T* weights, const T* logsum, const T* q, const T* k,
                       const Flag* padding) {
  using Tile = ForwardTile<T, kWeightsWidth>;
  launch(exec, "attention_weights", attention_weights_kernel<T>,
         {.x = pieces(d.time, Tile::kQueries),
          .y = pieces(d.time, Tile::kKeys),
          .z = d.batch,
          .threads = kTileSide,
          .rows = kTileSide,
          .shared = (Tile::kQueries + Tile::kKeys) * Tile::kStride * sizeof(T)},
         d, score_factor<T>(d), weights, logsum, q, k, padding);
}

template <Real T>
void provide_attention(OpTable<T>& table) {
  table.attention_forward = attention_forward<T>;
  table.attention_backward = attention_backward<T>;
  table.attention_weights = attention_weights<T>;
}

}  // namespace anylead::cuda_ops
