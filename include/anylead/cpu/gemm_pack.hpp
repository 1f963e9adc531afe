// Copies of parts of matrices in the order in which tiles read them. @see gemm.hpp
#pragma once

#include <algorithm>
#include <cstring>

#include <anylead/cpu/gemm_tile.hpp>
#include <anylead/cpu/simd.hpp>
#include <anylead/cpu/transpose.hpp>

namespace anylead::cpu_ops::detail {

/// Piece `part` of n items cut into `parts` pieces whose sizes differ by at most one.
constexpr Index cut(Index n, Index parts, Index part) { return n * part / parts; }

/// Cells of vectors of floats, rounded to the nearest bfloat16, ties to even; NaN stays NaN. Where tiles use AVX-512's
/// instruction for pairs, which takes subnormal numbers for zeros, the one that rounds them does so, too.
template <Isa isa>
struct Pairs {
  using Shape = TileShape<isa, float>;
  using V = typename Shape::Vector;
  using Bits = typename Shape::Bits;
  static constexpr Index lanes = Shape::lanes;
  static constexpr bool instruction = isa == Isa::avx512 && kPairsInstruction;

  /// Lane l: the pair (first[l], second[l]).
  ANYLEAD_SIMD static Bits across(const V& first, const V& second) {
    if constexpr (instruction)
      return interleaved(round(first, second), std::make_integer_sequence<int, static_cast<int>(lanes)>{});
    else
      return (round(first) >> 16) | (round(second) & 0xFFFF0000u);
  }

  /// Pairs of neighbours: lanes of a, then of b.
  ANYLEAD_SIMD static Bits along(const V& a, const V& b) {
    if constexpr (instruction)
      return round(a, b);
    else
      return along(round(a), round(b), std::make_integer_sequence<int, static_cast<int>(lanes)>{});
  }

 private:
  typedef std::uint16_t Halves __attribute__((vector_size(64)));

  /// The upper halves hold the rounded numbers.
  ANYLEAD_SIMD static Bits round(const V& x) {
    const auto bits = reinterpret_cast<Bits>(x);
    const Bits nearest = bits + 0x7FFFu + ((bits >> 16) & 1u);
    return x == x ? nearest : (bits | 0x400000u);
  }

  /// The numbers of a, then those of b.
  ANYLEAD_SIMD static Bits round([[maybe_unused]] const V& a, [[maybe_unused]] const V& b) {
    Bits numbers = {};
#if defined(__x86_64__) && !defined(__clang__)
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(numbers) : "v"(b), "v"(a));
#endif
    return numbers;
  }

  template <int... lane>
  ANYLEAD_SIMD static Bits along(const Bits& a, const Bits& b, std::integer_sequence<int, lane...>) {
    const Bits even = __builtin_shufflevector(a, b, (2 * lane)...), odd = __builtin_shufflevector(a, b, (2 * lane + 1)...);
    return (even >> 16) | (odd & 0xFFFF0000u);
  }

  /// Halves 0, lanes, 1, lanes + 1, ...
  template <int... lane>
  ANYLEAD_SIMD static Bits interleaved(const Bits& numbers, std::integer_sequence<int, lane...>) {
    constexpr int n = static_cast<int>(lanes);
    const Halves halves = reinterpret_cast<Halves>(numbers);
    const Halves mixed =
        __builtin_shufflevector(halves, halves, (lane / 2 + lane % 2 * n)..., ((lane + n) / 2 + lane % 2 * n)...);
    return reinterpret_cast<Bits>(mixed);
  }
};

/// A block of op(B) [k, n], b at its first element, and the place `to` of alpha times it: panels [k][columns of a tile].
template <class T, class Cell>
struct BlockB {
  Cell* to;
  const T* b;
  Index ldb;
  bool transpose;
  Index k, n;
  T alpha;
};

struct PackB {
  template <Isa isa, class T, class Cell>
  ANYLEAD_SIMD static void run(const BlockB<T, Cell>* block) {
    using Shape = TileShape<isa, T>;
    Cell* to = block->to;
    for (Index j = 0; j < block->n; j += Shape::cols, to += cells<Cell>(block->k) * Shape::cols) {
      const Index width = std::min(Shape::cols, block->n - j);
      if (!block->transpose)
        rows<isa>(*block, to, j, width);
      else
        for (Index v = 0; v < Shape::cols && (v < 2 * Shape::lanes || v < width); v += Shape::lanes)
          columns<isa>(*block, to + v, j + v, std::clamp<Index>(width - v, 0, Shape::lanes));
    }
  }

  /// A panel, row by row.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void rows(const BlockB<T, T>& block, T* to, Index j, Index width) {
    using Shape = TileShape<isa, T>;
    using V = typename Shape::Vector;
    const T* b = block.b + j;
    for (Index p = 0; p < block.k; ++p, b += block.ldb, to += Shape::cols)
      for (Index v = 0; v < Shape::cols; v += Shape::lanes) {
        const V row = load_some<V>(b + v, width - v) * block.alpha;
        std::memcpy(to + v, &row, sizeof row);
      }
  }

  /// A vector of columns, which are rows in memory.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void columns(const BlockB<T, T>& block, T* to, Index j, Index width) {
    using Shape = TileShape<isa, T>;
    using V = typename Shape::Vector;
    for (Index p = 0; p < block.k; p += Shape::lanes) {
      const Index depth = std::min(Shape::lanes, block.k - p);
      const T* b = block.b + j * block.ldb + p;
      if (width == Shape::lanes && depth == Shape::lanes) {
        V row[Shape::lanes];
#pragma GCC unroll 16
        for (Index c = 0; c < Shape::lanes; ++c) std::memcpy(&row[c], b + c * block.ldb, sizeof(V));
        transpose<Shape::lanes>(row);
#pragma GCC unroll 16
        for (Index i = 0; i < Shape::lanes; ++i) {
          row[i] = row[i] * block.alpha;
          std::memcpy(to + (p + i) * Shape::cols, &row[i], sizeof(V));
        }
      } else {
        V row[Shape::lanes] = {};
        for (Index c = 0; c < width; ++c) row[c] = load_some<V>(b + c * block.ldb, depth);
        transpose<Shape::lanes>(row);
        for (Index i = 0; i < depth; ++i) {
          row[i] = row[i] * block.alpha;
          std::memcpy(to + (p + i) * Shape::cols, &row[i], sizeof(V));
        }
      }
    }
  }

  template <Isa isa>
  ANYLEAD_SIMD static void rows(const BlockB<float, Bf16Pair>& block, Bf16Pair* to, Index j, Index width) {
    using P = Pairs<isa>;
    using V = typename P::V;
    const float* b = block.b + j;
    for (Index p = 0; p < block.k; p += 2, b += 2 * block.ldb, to += P::Shape::cols)
      for (Index v = 0; v < P::Shape::cols; v += P::lanes) {
        const Index some = width - v;
        const V first = load_some<V>(b + v, some), second = load_some<V>(b + block.ldb + v, p + 1 < block.k ? some : 0);
        const auto pairs = P::across(first * block.alpha, second * block.alpha);
        std::memcpy(to + v, &pairs, sizeof pairs);
      }
  }

  template <Isa isa>
  ANYLEAD_SIMD static void columns(const BlockB<float, Bf16Pair>& block, Bf16Pair* to, Index j, Index width) {
    using P = Pairs<isa>;
    using V = typename P::V;
    for (Index p = 0; p < block.k; p += 2 * P::lanes, to += P::lanes * P::Shape::cols) {
      const Index depth = std::min(2 * P::lanes, block.k - p);
      const float* b = block.b + j * block.ldb + p;
      if (width == P::lanes && depth == 2 * P::lanes) {
        typename P::Bits row[P::lanes];
#pragma GCC unroll 16
        for (Index c = 0; c < P::lanes; ++c) {
          V low, high;
          std::memcpy(&low, b + c * block.ldb, sizeof low);
          std::memcpy(&high, b + c * block.ldb + P::lanes, sizeof high);
          row[c] = P::along(low * block.alpha, high * block.alpha);
        }
        transpose<P::lanes>(row);
#pragma GCC unroll 16
        for (Index i = 0; i < P::lanes; ++i) std::memcpy(to + i * P::Shape::cols, &row[i], sizeof row[i]);
      } else {
        typename P::Bits row[P::lanes] = {};
        for (Index c = 0; c < width; ++c, b += block.ldb)
          row[c] = P::along(load_some<V>(b, depth) * block.alpha, load_some<V>(b + P::lanes, depth - P::lanes) * block.alpha);
        transpose<P::lanes>(row);
        for (Index i = 0; i < cells<Bf16Pair>(depth); ++i) std::memcpy(to + i * P::Shape::cols, &row[i], sizeof row[i]);
      }
    }
  }
};

/// The first `rows` columns of k rows of a, and their place: panels [k][rows of the panel], panel_size apart.
template <class T, class Cell>
struct BlockA {
  Cell* to;
  Index panels, panel_size;
  const T* a;
  Index lda, k, rows;
};

/// A few rows of a at a time, for all panels: there may be a page between rows. Of a panel's row eight cells are copied where
/// as many can be read; what is too much is written over by the next row.
struct PackA {
  static constexpr Index kRun = 8, kWhole = 8, kWidth = (kPanels * kTileRows + 15) / 16 * 16;

  /// Rows of cells.
  template <class Cell>
  struct Rows {
    const Cell* cells;
    Index stride, width;
  };

  template <Isa isa, class T, class Cell>
  ANYLEAD_SIMD static void run(const BlockA<T, Cell>* block) {
    Index first[kPanels + 1];
    for (Index i = 0; i <= block->panels; ++i) first[i] = cut(block->rows, block->panels, i);
    Cell rounded[kFactors<Cell> == 2 ? kRun * kWidth : 1];
    const Index all = cells<Cell>(block->k);
    for (Index p = 0; p < all; p += kRun) {
      const Index run = std::min(kRun, all - p);
      const Rows<Cell> from = rows<isa>(*block, p, run, rounded);
      for (Index i = 0; i < block->panels; ++i) {
        const Index count = first[i + 1] - first[i];
        const Cell* row = from.cells + first[i];
        Cell* to = block->to + i * block->panel_size + p * count;
        if (first[i] + kWhole <= from.width)
          for (Index r = 0; r < run; ++r) std::memcpy(to + r * count, row + r * from.stride, kWhole * sizeof(Cell));
        else
          for (Index r = 0; r < run; ++r)
            std::memcpy(to + r * count, row + r * from.stride, static_cast<std::size_t>(count) * sizeof(Cell));
      }
    }
  }

  template <Isa isa, class T>
  ANYLEAD_SIMD static Rows<T> rows(const BlockA<T, T>& block, Index p, Index, T*) {
    return {block.a + p * block.lda, block.lda, block.rows};
  }

  template <Isa isa>
  ANYLEAD_SIMD static Rows<Bf16Pair> rows(const BlockA<float, Bf16Pair>& block, Index p, Index run, Bf16Pair* rounded) {
    using P = Pairs<isa>;
    using V = typename P::V;
    const float* a = block.a + 2 * p * block.lda;
    for (Index r = 0; r < run; ++r, a += 2 * block.lda)
      for (Index done = 0; done < block.rows; done += P::lanes) {
        const Index i = std::max<Index>(0, std::min(done, block.rows - P::lanes)), some = block.rows - i;
        const V second = 2 * (p + r) + 1 < block.k ? load_some<V>(a + block.lda + i, some) : V{};
        const auto pairs = P::across(load_some<V>(a + i, some), second);
        std::memcpy(rounded + r * kWidth + i, &pairs, sizeof pairs);
      }
    return {rounded, kWidth, kWidth};
  }
};

/// `rows` rows of k values of a, and their place: rows of pairs, row_size apart.
struct RowsOfA {
  Bf16Pair* to;
  Index row_size;
  const float* a;
  Index lda, k, rows;
};

struct PackRowsOfA {
  template <Isa isa>
  ANYLEAD_SIMD static void run(const RowsOfA* block) {
    using P = Pairs<isa>;
    using V = typename P::V;
    for (Index i = 0; i < block->rows; ++i) {
      const float* a = block->a + i * block->lda;
      Bf16Pair* to = block->to + i * block->row_size;
      for (Index p = 0; p < block->k; p += 2 * P::lanes, to += P::lanes) {  // the last may write up to a vector too much
        const auto pairs = P::along(load_some<V>(a + p, block->k - p), load_some<V>(a + p + P::lanes, block->k - p - P::lanes));
        std::memcpy(to, &pairs, sizeof pairs);
      }
    }
  }
};

}  // namespace anylead::cpu_ops::detail
