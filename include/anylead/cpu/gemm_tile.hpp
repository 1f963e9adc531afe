// The inner part of a product: a tile of C that stays in registers while k runs. @see gemm.hpp
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <anylead/core/isa.hpp>
#include <anylead/core/types.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

/// Two factors that follow each other along k, rounded to bfloat16: the first in the low half.
struct Bf16Pair {
  std::uint32_t bits;
};

namespace detail {

/// Factors along k in a cell, the unit that is packed: a T by itself, or a Bf16Pair.
template <class Cell>
inline constexpr Index kFactors = std::is_same_v<Cell, Bf16Pair> ? 2 : 1;

/// Cells of so many factors.
template <class Cell>
constexpr Index cells(Index factors) {
  return (factors + kFactors<Cell> - 1) / kFactors<Cell>;
}

/// Rows of a tile. With two vectors of columns they fill 16 registers, with four 32.
inline constexpr Index kTileRows = 6;

/// Tiles of a block of A, one below the other, that share the second cache.
inline constexpr Index kPanels = 14;

/// Vectors of columns of a tile.
constexpr Index tile_vectors(Isa isa) { return isa == Isa::avx512 ? 4 : 2; }

/// Registers of an instruction set as tiles use them.
template <Isa isa, class T>
struct TileShape {
  static constexpr Index bytes = register_bytes(isa), lanes = bytes / static_cast<Index>(sizeof(T));
  static constexpr Index vectors = tile_vectors(isa), cols = vectors * lanes;
  typedef T Vector __attribute__((vector_size(bytes)));
  typedef std::uint32_t Bits __attribute__((vector_size(bytes)));
};

template <class T>
constexpr Index tile_lanes(Isa isa) {
  return register_bytes(isa) / static_cast<Index>(sizeof(T));
}
template <class T>
constexpr Index tile_cols(Isa isa) {
  return tile_lanes<T>(isa) * tile_vectors(isa);
}

/// Whether tiles use AVX-512's instruction for pairs. clang refuses its operands in a function that is compiled for the base
/// architecture before it is inlined into one that is not; it multiplies and adds twice.
#if defined(__x86_64__) && !defined(__clang__)
inline constexpr bool kPairsInstruction = true;
#else
inline constexpr bool kPairsInstruction = false;
#endif

/// The instruction set whose tiles multiply pairs: the instruction is there on some processors with AVX-512 only.
inline Isa isa_of_pairs(Isa isa) {
#if defined(__x86_64__)
  if (kPairsInstruction && isa == Isa::avx512 && !__builtin_cpu_supports("avx512bf16")) return Isa::avx2;
#endif
  return isa;
}

/// One tile: rows of C, at most cols columns.
template <class T, class Cell>
struct Tile {
  const Cell* a;  ///< op(A)(i, p) = a[i row_step + p k_step]
  Index row_step, k_step;
  const Cell* b;  ///< vectors of columns, b_step from one p to the next
  Index b_step;
  Index k, cols;  ///< k in cells
  T* c;
  Index ldc;
  bool add;
  const T* bias;  ///< of these columns, or null
};

/// sum + x b. Not in place: g++ keeps arrays in memory of which an instruction by name changes an element.
template <Isa isa, class T, class V>
ANYLEAD_SIMD V multiply_add(V sum, T x, V b) {
  return sum + x * b;
}
template <Isa isa, class V, class Bits>
ANYLEAD_SIMD V multiply_add(V sum, Bf16Pair x, Bits b) {
  if constexpr (isa == Isa::avx512 && kPairsInstruction) {
#if defined(__x86_64__) && !defined(__clang__)
    const Bits pair = x.bits + Bits{};
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(b), "v"(pair));
#endif
    return sum;
  } else {
    const Bits low = Bits{} + (x.bits << 16), high = Bits{} + (x.bits & 0xFFFF0000u);
    return sum + reinterpret_cast<V>(low) * reinterpret_cast<V>(b << 16) +
           reinterpret_cast<V>(high) * reinterpret_cast<V>(b & 0xFFFF0000u);
  }
}

template <Index kRows, Index kVectors>
struct TilePass {
  template <Isa isa, class T, class Cell>
  ANYLEAD_SIMD static void run(const Tile<T, Cell>* tile) {
    using Shape = TileShape<isa, T>;
    using V = typename Shape::Vector;
    using B = std::conditional_t<std::is_same_v<Cell, Bf16Pair>, typename Shape::Bits, V>;
    if constexpr (kVectors <= Shape::vectors) {
      constexpr Index cols = kVectors * Shape::lanes;
      const Tile<T, Cell>& t = *tile;
      const Cell *a = t.a, *b = t.b;
      const Index row_step = t.row_step, k_step = t.k_step, b_step = t.b_step;
      V acc[kRows][kVectors] = {};
      for (Index i = 0; i < kRows; ++i)  // asked for now, C is there when it is written
        for (Index j = 0; j < kVectors; ++j) __builtin_prefetch(t.c + i * t.ldc + j * Shape::lanes, 1);
      for (Index p = t.k; p > 0; --p, a += k_step, b += b_step) {
        B columns[kVectors];
#pragma GCC unroll 4
        for (Index j = 0; j < kVectors; ++j) std::memcpy(&columns[j], b + j * Shape::lanes, sizeof(B));
#pragma GCC unroll 6
        for (Index i = 0; i < kRows; ++i) {
          const Cell x = a[i * row_step];
#pragma GCC unroll 4
          for (Index j = 0; j < kVectors; ++j) acc[i][j] = multiply_add<isa>(acc[i][j], x, columns[j]);
        }
      }
      if (t.cols == cols) {
#pragma GCC unroll 6
        for (Index i = 0; i < kRows; ++i)
#pragma GCC unroll 4
          for (Index j = 0; j < kVectors; ++j) finish(t, i, j * Shape::lanes, acc[i][j]);
      } else {
        T sums[kRows * cols];  // accumulators that a variable index chooses would be in memory all the time
#pragma GCC unroll 6
        for (Index i = 0; i < kRows; ++i)
#pragma GCC unroll 4
          for (Index j = 0; j < kVectors; ++j) std::memcpy(sums + i * cols + j * Shape::lanes, &acc[i][j], sizeof(V));
        for (Index i = 0; i < kRows; ++i)
          for (Index j = 0; j < t.cols; j += Shape::lanes) finish_some<V>(t, i, j, sums + i * cols + j);
      }
    }
  }

  /// One vector of C. Sums only: a product here would be contracted to a multiply-add in some tiles and not in others.
  template <class T, class Cell, class V>
  ANYLEAD_SIMD static void finish(const Tile<T, Cell>& t, Index row, Index col, V sum) {
    T* c = t.c + row * t.ldc + col;
    V other;
    if (t.bias) {
      std::memcpy(&other, t.bias + col, sizeof other);
      sum += other;
    }
    if (t.add) {
      std::memcpy(&other, c, sizeof other);
      sum += other;
    }
    std::memcpy(c, &sum, sizeof sum);
  }

  /// The same at the right border of C.
  template <class V, class T, class Cell>
  ANYLEAD_SIMD static void finish_some(const Tile<T, Cell>& t, Index row, Index col, const T* sums) {
    T* c = t.c + row * t.ldc + col;
    const Index n = t.cols - col;
    V sum;
    std::memcpy(&sum, sums, sizeof sum);
    if (t.bias) sum += load_some<V>(t.bias + col, n);
    if (t.add) sum += load_some<V>(c, n);
    store_some(c, sum, n);
  }
};

/// A tile of any height, with no more vectors than its columns take.
template <class T, class Cell, Index... i>
void run_tile(Isa isa, Index rows, const Tile<T, Cell>& tile, std::integer_sequence<Index, i...>) {
  const bool narrow = tile.cols <= 2 * tile_lanes<T>(isa);
  (void)((rows == i + 1 &&
          (narrow ? with_isa<TilePass<i + 1, 2>>(isa, &tile) : with_isa<TilePass<i + 1, 4>>(isa, &tile), true)) ||
         ...);
}

}  // namespace detail

}  // namespace anylead::cpu_ops
