// Attention on tensor cores: attention.cuh's formulas and contract with q, k, v, y and their gradients in bf16, logsum in
// float. Products of bf16 are added in float; probabilities and dS are rounded to bf16 for the products they enter.
//
// Forward: a block of 5 warps has 80 queries of a segment and head, a warp 16 of them in fragments; keys and values come 32 at
// a time, the next ones on their way while these are used (Dao 2023, algorithm 1). Scores stay in registers: a product is the
// left operand of the next.
//
// Backward: a block of 10 warps has a segment and head, 160 keys at a time (128 wide: 8 warps, 128 keys), a warp 16 of them:
// S^T and dP^T for 16 queries are in registers and at once left operands of dV and dK; dS^T goes through shared memory for dQ,
// which all warps share. Queries come 32 at a time, the next ones on their way. Segments that fit the keys need no more than
// that; of longer ones dQ is added up in float in working memory.
//
// Dropout: whether to keep an element is a bit in shared memory, from Philox blocks drawn once for all of 160 keys: a lane
// draws four numbers, of which 16 lanes' lie side by side.
//
// Shared memory, 64 wide: forward 33 kB, backward 79 kB; 128 wide 60 and 116 kB. All products run on tensor cores. Bound at
// 156 frames: with dropout the drawing of numbers, without it the arithmetic of single scores, 10 to 20 instructions each,
// before the products and bandwidth. Every sector moves once; 1.5 times the fewest bytes are requested forward, 1.0 times
// backward.
#pragma once

#include <cmath>

#include <anylead/core/random.hpp>
#include <anylead/cuda/half_tile.cuh>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>

namespace anylead::cuda_ops {
namespace {

constexpr int kHalfForwardWarps = 5, kHalfForwardThreads = 32 * kHalfForwardWarps;
constexpr int kHalfForwardQueries = 16 * kHalfForwardWarps, kHalfForwardKeys = 32;
constexpr int kHalfBackwardQueries = 32;
template <int kWidth>
constexpr int kHalfBackwardWarps = kWidth > 64 ? 8 : 10;  // wider ones need more registers of each thread
constexpr int kMaskKeys = 160;                            // of a row of bits
constexpr float kLog2E = 1.4426950408889634f, kLn2 = 0.6931471805599453f;
static_assert(kMaskKeys >= 16 * kHalfBackwardWarps<64> && kMaskKeys % kHalfForwardKeys == 0);

/// Bits of the elements of `rows` rows and up to 160 keys that dropout keeps, in shared memory. Rows that are complete lie end
/// to end, so that no number is drawn twice; parts of longer rows begin at a multiple of 64 numbers each.
struct KeepBits {
  static constexpr int kGroups = (kMaskKeys + 62) / 64 + 1;  // of 64 numbers, that a part of a row touches
  static constexpr int bytes(int rows) { return (rows * kGroups + 2) * 8; }

  unsigned* words;
  std::uint64_t first;  ///< number of the first row's first element here
  int time;             ///< numbers from row to row
  bool whole;           ///< rows are complete

  /// By kThreads threads; complete after __syncthreads.
  template <int kThreads>
  __device__ void draw(int thread, const Dropout& dropout, int rows) const {
    // as far as the last row's last 32 bits, and the word behind them
    const int groups = whole ? static_cast<int>((first % 64 + (rows - 1) * time + kMaskKeys + 95) / 64) : rows * kGroups + 1;
    RandomStream stream = dropout.stream;
    for (int i = thread; i < (groups + 1) / 2 * 32; i += kThreads) {  // a warp draws two groups
      asm volatile("" : "+l"(stream.seed));  // or the keys of all rounds wait in registers throughout the kernel
      const int group = i / 16;
      const std::uint64_t from = whole ? first / 64 + group : (first + group / kGroups * time) / 64 + group % kGroups;
      const PhiloxBlock block = stream.block(from * 16 + i % 16);
      unsigned kept[4];
#pragma unroll
      for (int w = 0; w < 4; ++w) kept[w] = __ballot_sync(0xFFFFFFFFu, dropout.factor_of(block.word[w]) != 0.f);
      if (i % 16 == 0 && group < groups) {
        const int half = i % 32;  // 0, 16: which bits are this group's
        words[2 * group] = (kept[0] >> half & 0xFFFFu) | (kept[1] >> half << 16);
        words[2 * group + 1] = (kept[2] >> half & 0xFFFFu) | (kept[3] >> half << 16);
      }
    }
  }

  /// 32 bits of a row, from key j of the part on.
  __device__ unsigned at(int row, int j) const {
    const int own = static_cast<int>(first % 64) + row * time, bit = j + (whole ? own : row * kGroups * 64 + own % 64);
    return __funnelshift_r(words[bit / 32], words[bit / 32 + 1], bit % 32);
  }
};

/// Block i: query tile i % tiles of segment and head i / tiles.
template <int kWidth>
__global__ __launch_bounds__(kHalfForwardThreads) void attention_forward_bf16_kernel(AttentionDims d, Index tiles, float factor,
                                                                                     bf16* y, float* logsum, const bf16* q,
                                                                                     const bf16* k, const bf16* v,
                                                                                     const Flag* padding, Dropout dropout) {
  constexpr int kStride = kWidth + kHalfPad, kKeyTile = kHalfForwardKeys * kStride, kColumns = kWidth / 8;
  extern __shared__ __align__(16) unsigned char memory[];
  bf16* const queries = reinterpret_cast<bf16*>(memory);       // [queries, width], and y in the end
  bf16* const keys = queries + kHalfForwardQueries * kStride;  // two of [keys, width]
  bf16* const values = keys + 2 * kKeyTile;                    // two of [keys, width]
  unsigned* const bits = reinterpret_cast<unsigned*>(values + 2 * kKeyTile);
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, g = lane / 4, t = lane % 4;
  const int time = static_cast<int>(d.time), width = static_cast<int>(d.head_width);
  const Index i = blockIdx.x / tiles, b = i / d.heads, stride = d.heads * d.head_width;
  const int first = static_cast<int>(blockIdx.x % tiles) * kHalfForwardQueries;
  const Index segment = b * d.time * stride + i % d.heads * d.head_width;
  const Flag* const pads = padding ? padding + b * d.time : nullptr;
  const auto load = [&](int from) {
    const int stage = from / kHalfForwardKeys % 2 * kKeyTile;
    load_half_tile<kHalfForwardThreads, kHalfForwardKeys, kWidth>(thread, keys + stage, k + segment + from * stride, stride,
                                                                  time - from, width);
    load_half_tile<kHalfForwardThreads, kHalfForwardKeys, kWidth>(thread, values + stage, v + segment + from * stride, stride,
                                                                  time - from, width);
    commit_copies();
  };
  load_half_tile<kHalfForwardThreads, kHalfForwardQueries, kWidth>(thread, queries, q + segment + first * stride, stride,
                                                                   time - first, width);
  load(0);

  bf16* const own = queries + warp * 16 * kStride;
  float most[2] = {-HUGE_VALF, -HUGE_VALF}, total[2] = {}, o[kColumns][4] = {};  // of rows g, g + 8
  const int rows = time - first < kHalfForwardQueries ? time - first : kHalfForwardQueries;
  KeepBits keep = {};
  const float scale = factor * kLog2E, kept = dropout.p != 0 ? 1.f / (1.f - dropout.p) : 1.f;
  for (int from = 0; from < time; from += kHalfForwardKeys) {
    await_copies<0>();
    __syncthreads();  // this tile is there, the one before has been used
    if (from + kHalfForwardKeys < time) load(from + kHalfForwardKeys);
    if (dropout.p != 0 && from % kMaskKeys == 0) {
      keep = {bits, static_cast<std::uint64_t>((i * d.time + first) * d.time + from), time, time <= kMaskKeys};
      keep.draw<kHalfForwardThreads>(thread, dropout, rows);
      __syncthreads();
    }
    const bf16* const key_tile = keys + from / kHalfForwardKeys % 2 * kKeyTile;
    const bf16* const value_tile = values + from / kHalfForwardKeys % 2 * kKeyTile;
    float s[kHalfForwardKeys / 8][4] = {};
#pragma unroll
    for (int c = 0; c < kWidth; c += 16) {
      const FragmentA a = load_a<false>(own + c, kStride);
#pragma unroll
      for (int n = 0; n < kHalfForwardKeys; n += 16) {
        const FragmentB f = load_b<false>(key_tile + n * kStride + c, kStride);
        multiply_add(s[n / 8], a, f.v[0]);
        multiply_add(s[n / 8 + 1], a, f.v[1]);
      }
    }
    if (pads || from + kHalfForwardKeys > time)
#pragma unroll
      for (int n = 0; n < kHalfForwardKeys / 8; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int j = from + 8 * n + 2 * t + e;
          if (j < time && !(pads && pads[j])) continue;
          s[n][e] = s[n][2 + e] = -HUGE_VALF;
        }
    float largest[2] = {most[0], most[1]};
#pragma unroll
    for (int n = 0; n < kHalfForwardKeys / 8; ++n)
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        s[n][c] *= scale;
        largest[c / 2] = s[n][c] > largest[c / 2] ? s[n][c] : largest[c / 2];
      }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
#pragma unroll
      for (int step = 1; step < 4; step *= 2) {
        const float other = __shfl_xor_sync(0xFFFFFFFFu, largest[r], step);
        largest[r] = other > largest[r] ? other : largest[r];
      }
      const float shift = largest[r] == -HUGE_VALF ? 0.f : largest[r], shrink = exp2_of(most[r] - shift);
      most[r] = largest[r];
      total[r] *= shrink;
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        o[n][2 * r] *= shrink;
        o[n][2 * r + 1] *= shrink;
      }
      const int row = warp * 16 + g + 8 * r;
      const unsigned window = dropout.p != 0 && row < rows ? keep.at(row, from % kMaskKeys + 2 * t) : 0;
#pragma unroll
      for (int n = 0; n < kHalfForwardKeys / 8; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float p = exp2_of(s[n][2 * r + e] - shift);
          total[r] += p;
          s[n][2 * r + e] = dropout.p == 0 || (window >> (8 * n + e) & 1u) ? p : 0.f;
        }
    }
#pragma unroll
    for (int n = 0; n < kHalfForwardKeys; n += 16) {
      const FragmentA a = as_a(s[n / 8], s[n / 8 + 1]);
#pragma unroll
      for (int c = 0; c < kWidth; c += 16) {
        const FragmentB f = load_b<true>(value_tile + n * kStride + c, kStride);
        multiply_add(o[c / 8], a, f.v[0]);
        multiply_add(o[c / 8 + 1], a, f.v[1]);
      }
    }
  }
  __syncwarp();  // all lanes have used the queries
#pragma unroll
  for (int r = 0; r < 2; ++r) {
#pragma unroll
    for (int step = 1; step < 4; step *= 2) total[r] += __shfl_xor_sync(0xFFFFFFFFu, total[r], step);
    const bool any = most[r] != -HUGE_VALF || total[r] != total[r];
    const int row = first + warp * 16 + g + 8 * r;
    if (t == 0 && row < time) logsum[i * d.time + row] = any ? most[r] * kLn2 + std::log(total[r]) : 0.f;
    const float inverse = any ? kept / total[r] : 1.f;  // without a key all is 0
#pragma unroll
    for (int n = 0; n < kColumns; ++n)
      *reinterpret_cast<unsigned*>(own + (g + 8 * r) * kStride + 8 * n + 2 * t) =
          pack_halves(o[n][2 * r] * inverse, o[n][2 * r + 1] * inverse);
  }
  __syncwarp();
  store_half_tile<32, 16, kWidth>(lane, y + segment + (first + warp * 16) * stride, false, own, stride,
                                  time - first - warp * 16, width);
}

/// Block i: segment and head i. sums [B, T, H D]: dq so far, of segments longer than 160 frames.
template <int kWidth>
__global__ __launch_bounds__(32 * kHalfBackwardWarps<kWidth>) void attention_backward_bf16_kernel(
    AttentionDims d, float factor, Grad<bf16> dq, Grad<bf16> dk, Grad<bf16> dv, float* sums, const bf16* dy, const bf16* y,
    const float* logsum, const bf16* q, const bf16* k, const bf16* v, const Flag* padding, Dropout dropout) {
  constexpr int kWarps = kHalfBackwardWarps<kWidth>, kThreads = 32 * kWarps, kKeys = 16 * kWarps;
  constexpr int kStride = kWidth + kHalfPad, kQueryTile = kHalfBackwardQueries * kStride;
  constexpr int kScoreStride = kHalfBackwardQueries + kHalfPad, kColumns = kWidth / 8;
  extern __shared__ __align__(16) unsigned char memory[];
  bf16* const keys = reinterpret_cast<bf16*>(memory);                             // [keys, width], and dk in the end
  bf16* const values = keys + kKeys * kStride;                                    // [keys, width], and dv in the end
  bf16* const queries = values + kKeys * kStride;                                 // two of [queries, width], and dq
  bf16* const dys = queries + 2 * kQueryTile;                                     // two of [queries, width]
  bf16* const scores = dys + 2 * kQueryTile;                                      // [keys, queries]: dS^T
  float* const shifts = reinterpret_cast<float*>(scores + kKeys * kScoreStride);  // [queries]: logsum
  float* const deltas = shifts + kHalfBackwardQueries;                            // [queries]: <dy, y>
  unsigned* const bits = reinterpret_cast<unsigned*>(deltas + kHalfBackwardQueries);
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, g = lane / 4, t = lane % 4;
  const int time = static_cast<int>(d.time), width = static_cast<int>(d.head_width);
  const int i = static_cast<int>(blockIdx.x), heads = static_cast<int>(d.heads), b = i / heads, stride = heads * width;
  const Index segment = b * d.time * stride + i % heads * width;
  const float scale = factor * kLog2E, kept = dropout.p != 0 ? 1.f / (1.f - dropout.p) : 1.f;
  const auto load = [&](int first) {
    const int stage = first / kHalfBackwardQueries % 2 * kQueryTile;
    load_half_tile<kThreads, kHalfBackwardQueries, kWidth>(thread, queries + stage, q + segment + first * stride, stride,
                                                           time - first, width);
    load_half_tile<kThreads, kHalfBackwardQueries, kWidth>(thread, dys + stage, dy + segment + first * stride, stride,
                                                           time - first, width);
    commit_copies();
  };
  for (int from = 0; from < time; from += kKeys) {
    __syncthreads();  // the tiles before have been used
    load_half_tile<kThreads, kKeys, kWidth>(thread, keys, k + segment + from * stride, stride, time - from, width);
    load_half_tile<kThreads, kKeys, kWidth>(thread, values, v + segment + from * stride, stride, time - from, width);
    load(0);
    bool counts[2];  // of keys g, g + 8
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int j = from + warp * 16 + g + 8 * r;
      counts[r] = j < time && !(padding && padding[b * d.time + j]);
    }
    float own_dk[kColumns][4] = {}, own_dv[kColumns][4] = {};
    for (int first = 0; first < time; first += kHalfBackwardQueries) {
      bf16* const query_tile = queries + first / kHalfBackwardQueries % 2 * kQueryTile;
      const bf16* const dy_tile = dys + first / kHalfBackwardQueries % 2 * kQueryTile;
      const int rows = time - first < kHalfBackwardQueries ? time - first : kHalfBackwardQueries;
      await_copies<0>();
      __syncthreads();  // this tile is there, the one before has been used
      if (first + kHalfBackwardQueries < time) load(first + kHalfBackwardQueries);
      const KeepBits keep = {bits, static_cast<std::uint64_t>((i * d.time + first) * d.time + from), time, time <= kMaskKeys};
      if (dropout.p != 0) keep.draw<kThreads>(thread, dropout, rows);
      for (int r = warp; r < kHalfBackwardQueries; r += kWarps) {
        float along = 0;
        for (int c = lane; r < rows && c < width; c += 32)
          along += float(dy_tile[r * kStride + c]) * float(y[segment + (first + r) * stride + c]);
#pragma unroll
        for (int step = 16; step > 0; step /= 2) along += __shfl_xor_sync(0xFFFFFFFFu, along, step);
        if (lane != 0) continue;
        deltas[r] = along;
        shifts[r] = r < rows ? logsum[i * d.time + first + r] * kLog2E : HUGE_VALF;  // no probability behind the end
      }
      __syncthreads();  // bits, shifts, deltas are there
#pragma unroll 1        // registers
      for (int n = 0; n < kHalfBackwardQueries; n += 16) {
        float s[2][4] = {}, dp[2][4] = {};
#pragma unroll(kWidth > 64 ? 1 : 2)
        for (int c = 0; c < kWidth; c += 16) {
          const FragmentA key = load_a<false>(keys + warp * 16 * kStride + c, kStride);
          const FragmentB query = load_b<false>(query_tile + n * kStride + c, kStride);
          const FragmentA value = load_a<false>(values + warp * 16 * kStride + c, kStride);
          const FragmentB gradient = load_b<false>(dy_tile + n * kStride + c, kStride);
#pragma unroll
          for (int side = 0; side < 2; ++side) {
            multiply_add(s[side], key, query.v[side]);
            multiply_add(dp[side], value, gradient.v[side]);
          }
        }
#pragma unroll
        for (int side = 0; side < 2; ++side)
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int row = n + 8 * side + 2 * t + e;
            const float shift = shifts[row], along = deltas[row];
            const unsigned window = dropout.p != 0 && row < rows ? keep.at(row, warp * 16 + g) : 0;
#pragma unroll
            for (int r = 0; r < 2; ++r) {
              const float m = dropout.p == 0 || (window >> (8 * r) & 1u) ? kept : 0.f;
              const float p = counts[r] ? exp2_of(s[side][2 * r + e] * scale - shift) : 0.f;
              s[side][2 * r + e] = p * m;
              dp[side][2 * r + e] = p * (dp[side][2 * r + e] * m - along) * factor;
            }
          }
        const FragmentA p = as_a(s[0], s[1]), ds = as_a(dp[0], dp[1]);
#pragma unroll
        for (int r = 0; r < 4; ++r)
          *reinterpret_cast<unsigned*>(scores + (warp * 16 + g + r % 2 * 8) * kScoreStride + n + r / 2 * 8 + 2 * t) = ds.v[r];
#pragma unroll
        for (int c = 0; c < kWidth; c += 16) {
          const FragmentB gradient = load_b<true>(dy_tile + n * kStride + c, kStride);
          const FragmentB query = load_b<true>(query_tile + n * kStride + c, kStride);
#pragma unroll
          for (int side = 0; side < 2; ++side) {
            multiply_add(own_dv[c / 8 + side], p, gradient.v[side]);
            multiply_add(own_dk[c / 8 + side], ds, query.v[side]);
          }
        }
      }
      __syncthreads();  // dS^T is there, queries have been used
      if (!dq) continue;
      constexpr int kParts = kWidth / 16;  // 16 columns each, of 16 queries: what a warp computes at a time
      for (int part = warp; part < kHalfBackwardQueries / 16 * kParts; part += kWarps) {
        const int m = part / kParts * 16, c = part % kParts * 16;
        float own[2][4] = {};
#pragma unroll 1  // registers
        for (int j = 0; j < kKeys; j += 16) {
          const FragmentA a = load_a<true>(scores + j * kScoreStride + m, kScoreStride);
          const FragmentB f = load_b<true>(keys + j * kStride + c, kStride);
          multiply_add(own[0], a, f.v[0]);
          multiply_add(own[1], a, f.v[1]);
        }
#pragma unroll
        for (int n = 0; n < 2; ++n)
#pragma unroll
          for (int r = 0; r < 2; ++r) {
            const int row = m + g + 8 * r, column = c + 8 * n + 2 * t;
            float* const sum = sums + segment + (first + row) * stride + column;
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              if (time <= kKeys || row >= rows || column + e >= width) continue;
              if (from > 0) own[n][2 * r + e] += sum[e];
              if (from + kKeys < time) sum[e] = own[n][2 * r + e];
            }
            *reinterpret_cast<unsigned*>(query_tile + row * kStride + column) = pack_halves(own[n][2 * r], own[n][2 * r + 1]);
          }
      }
      if (from + kKeys < time) continue;
      __syncthreads();  // dq is complete
      store_half_tile<kThreads, kHalfBackwardQueries, kWidth>(thread, dq.data + segment + first * stride, dq.accumulates(),
                                                              query_tile, stride, rows, width);
    }
    const auto deliver = [&](Grad<bf16> to, bf16* tile, const float(&own)[kColumns][4]) {
      if (!to) return;
#pragma unroll
      for (int n = 0; n < kColumns; ++n)
#pragma unroll
        for (int r = 0; r < 2; ++r)
          *reinterpret_cast<unsigned*>(tile + (warp * 16 + g + 8 * r) * kStride + 8 * n + 2 * t) =
              pack_halves(own[n][2 * r], own[n][2 * r + 1]);
      __syncwarp();
      store_half_tile<32, 16, kWidth>(lane, to.data + segment + (from + warp * 16) * stride, to.accumulates(),
                                      tile + warp * 16 * kStride, stride, time - from - warp * 16, width);
    };
    __syncthreads();  // keys have been used
    deliver(dk, keys, own_dk);
    deliver(dv, values, own_dv);
  }
}

template <class F>
void with_half_width(AttentionDims d, F&& f) {
  if (d.head_width <= 16) return f(std::integral_constant<int, 16>());
  if (d.head_width <= 32) return f(std::integral_constant<int, 32>());
  if (d.head_width <= 64) return f(std::integral_constant<int, 64>());
  if (d.head_width <= 128) return f(std::integral_constant<int, 128>());
  check(cudaErrorNotSupported, "attention with more than 128 numbers per head");
}

}  // namespace

void attention_forward(const Exec& exec, AttentionDims d, bf16* y, float* logsum, const bf16* q, const bf16* k, const bf16* v,
                       const Flag* padding, Dropout dropout) {
  with_half_width(d, [&](auto width) {
    const Index tiles = pieces(d.time, kHalfForwardQueries);
    const std::size_t bytes = (kHalfForwardQueries + 4 * kHalfForwardKeys) * (width + kHalfPad) * sizeof(bf16) +
                              (dropout.p != 0 ? KeepBits::bytes(kHalfForwardQueries) : 0);
    launch(exec, "attention_forward_bf16", attention_forward_bf16_kernel<width>,
           {.x = tiles * d.batch * d.heads, .threads = kHalfForwardThreads, .shared = bytes}, d, tiles,
           static_cast<float>(1 / std::sqrt(static_cast<double>(d.head_width))), y, logsum, q, k, v, padding, dropout);
  });
}

void attention_backward(const Exec& exec, AttentionDims d, Grad<bf16> dq, Grad<bf16> dk, Grad<bf16> dv, const bf16* dy,
                        const bf16* y, const float* logsum, const bf16* q, const bf16* k, const bf16* v, const Flag* padding,
                        Dropout dropout) {
  if (!dq && !dk && !dv) return;
  with_half_width(d, [&](auto width) {
    constexpr int kKeys = 16 * kHalfBackwardWarps<width>;
    const WorkspaceOf<float> sums(exec, dq && d.time > kKeys ? d.batch * d.time * d.heads * d.head_width : 0);
    const std::size_t bytes = (2 * kKeys + 4 * kHalfBackwardQueries) * (width + kHalfPad) * sizeof(bf16) +
                              kKeys * (kHalfBackwardQueries + kHalfPad) * sizeof(bf16) +
                              2 * kHalfBackwardQueries * sizeof(float) +
                              (dropout.p != 0 ? KeepBits::bytes(kHalfBackwardQueries) : 0);
    launch(exec, "attention_backward_bf16", attention_backward_bf16_kernel<width>,
           {.x = d.batch * d.heads, .threads = 2 * kKeys, .shared = bytes}, d,
           static_cast<float>(1 / std::sqrt(static_cast<double>(d.head_width))), dq, dk, dv, sums.data(), dy, y, logsum, q, k,
           v, padding, dropout);
  });
}

}  // namespace anylead::cuda_ops
