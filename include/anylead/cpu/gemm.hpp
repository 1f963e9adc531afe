// Products of matrices: a packed, register-tiled GEMM, written once for every instruction set.
//
// A tile of C stays in registers while k runs: 14 rows x 2 vectors for float with 32 vector registers (AVX-512), else 6 x 2.
// B is packed in panels of [k][two vectors], zero-filled at its right border; rows of A are read where they are, columns (op_a
// = transpose) are copied. M is cut into panels of even heights that differ by at most two, with one tile per height, so that
// no row is computed in vain; the odd row of an odd M is a tile of its own.
//
// What is packed is made of cells: numbers as they are, or (Precision::bf16) pairs of neighbours along k rounded to bfloat16,
// which AVX-512 multiplies and adds in one instruction, twice as many factors at a time; A is then always copied.
//
// Element (i, j) is a sum over k in an order that depends on K alone. It is the same, to the last bit, for any number of
// threads and whatever other rows or columns there are: equal rows of A give equal rows of C.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/gemm_pack.hpp>
#include <anylead/cpu/gemm_tile.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

enum class Op { none, transpose };

/// C [m, n] = (accumulate ? C : 0) + op(A) (alpha op(B)) + bias, row-major, leading dimensions in elements.
/// op(A) is [m, k], op(B) [k, n]; bias [n] is added to every row unless null. m, n, k may be 0. C overlaps nothing; rows of A
/// and B may overlap each other (a leading dimension below the row's length: windows of a signal).
template <class T>
struct Gemm {
  Index m, n, k;
  const T* a;
  Index lda;
  Op op_a;
  const T* b;
  Index ldb;
  Op op_b;
  T* c;
  Index ldc;
  T alpha = 1;
  bool accumulate = false;
  const T* bias = nullptr;
  Precision precision = Precision::full;  ///< of the factors; bf16 for float only
};

namespace detail {

/// Depth, width and height of the blocks that share caches: packed B [kDepth, kWidth], rows of A [kHeight, kDepth].
inline constexpr Index kDepth = 768, kWidth = 768, kHeight = 84;

/// Number of blocks that k terms are cut into: a function of k alone.
constexpr Index depth_blocks(Index k) { return std::max<Index>(1, (k + kDepth - 1) / kDepth); }

/// Columns [col, col + n) and rows [row, row + m) of the product, on the calling thread. col: a multiple of the tile's columns.
/// ready: op(B) as PackedB keeps it, or null.
template <class T, class Cell>
void gemm_part(Isa isa, const Gemm<T>& g, const Cell* ready, Index row, Index m, Index col, Index n) {
  struct BlocksOfA;
  struct BlocksOfB;
  constexpr bool paired = kFactors<Cell> == 2;
  const bool transpose_a = g.op_a == Op::transpose, transpose_b = g.op_b == Op::transpose;
  // Rows a multiple of 2 KiB apart fall into the same sets of the cache: then they are copied to a kinder distance.
  const bool copy_a =
      !transpose_a && (paired || (g.lda * static_cast<Index>(sizeof(T)) % 2048 == 0 && n > 2 * tile_cols<T>(isa)));
  const Index cols = tile_cols<T>(isa), rows = tile_rows<T>(isa);
  const Index depths = depth_blocks(g.k), deepest = cells<Cell>((g.k + depths - 1) / depths);
  const Index heights = (m + kHeight - 1) / kHeight, highest = 2 * (((m + 1) / 2 + heights - 1) / heights);
  const Index widest = std::min(kWidth, (n + cols - 1) / cols * cols), row_size = deepest + kLanes<T>;
  const Index panel_size = (deepest + 2) * rows + kLanes<T>;  // room for what the last vector of a panel writes too much
  const Index all_cols = (g.n + cols - 1) / cols * cols;
  Cell* packed_b = ready ? nullptr : scratch<BlocksOfB, Cell>(deepest * widest);
  Cell* packed_a = transpose_a ? scratch<BlocksOfA, Cell>((highest + rows - 1) / rows * panel_size)
                   : copy_a    ? scratch<BlocksOfA, Cell>(highest * row_size)
                               : nullptr;
  for (Index j = 0; j < n; j += kWidth) {
    const Index width = std::min(kWidth, n - j);
    Index before = 0;  // cells of the depths done
    for (Index d = 0; d < depths; ++d) {
      const Index p = cut(g.k, depths, d), depth = cut(g.k, depths, d + 1) - p, deep = cells<Cell>(depth);
      if (!ready && depth > 0) {
        const T* b = transpose_b ? g.b + (col + j) * g.ldb + p : g.b + p * g.ldb + col + j;
        const BlockB<T, Cell> block = {packed_b, b, g.ldb, transpose_b, depth, width, g.alpha};
        with_isa<PackB>(isa, &block);
      }
      for (Index h = 0; h < heights; ++h) {
        const Index top = row + cut_even(m, heights, h), height = row + cut_even(m, heights, h + 1) - top;
        const Index panels = (height + rows - 1) / rows;
        if (transpose_a && depth > 0) {
          const BlockA<T, Cell> block = {packed_a, panels, panel_size, g.a + p * g.lda + top, g.lda, depth, height};
          with_isa<PackA>(isa, &block);
        } else if (copy_a) {
          const RowsOfA<T, Cell> block = {packed_a, row_size, g.a + top * g.lda + p, g.lda, depth, height};
          with_isa<PackRowsOfA>(isa, &block);
        }
        for (Index c = 0; c < width; c += cols)
          for (Index i = 0; i < panels; ++i) {
            const Index first = cut_even(height, panels, i), count = cut_even(height, panels, i + 1) - first;
            const Cell* a = nullptr;
            if (depth > 0 && (transpose_a || copy_a)) a = packed_a + (transpose_a ? i * panel_size : first * row_size);
            if constexpr (!paired)
              if (depth > 0 && !transpose_a && !copy_a) a = g.a + (top + first) * g.lda + p;
            const Tile<T, Cell> tile = {.a = a,
                                        .row_step = transpose_a ? 1
                                                    : copy_a    ? row_size
                                                                : g.lda,
                                        .k_step = transpose_a ? count : 1,
                                        .b = ready ? ready + before * all_cols + (col + j + c) * deep : packed_b + c * deep,
                                        .k = deep,
                                        .cols = std::min(cols, width - c),
                                        .c = g.c + (top + first) * g.ldc + col + j + c,
                                        .ldc = g.ldc,
                                        .add = g.accumulate || d > 0,
                                        .bias = g.bias && d == 0 ? g.bias + col + j + c : nullptr};
            run_tile(isa, count, tile, std::make_integer_sequence<Index, (sizeof(T) == 4 ? 14 : 6) / 2>{});
          }
      }
      before += deep;
    }
  }
}

/// How a product is dealt to threads: a grid of stripes of rows and of columns.
struct Grid {
  Index down, across;
};

/// The grid whose largest part costs least. Packing a column of B costs as much as about 12 rows of products, and every stripe
/// of rows packs it anew.
inline Grid best_grid(Index row_panels, Index rows, Index col_panels, Index parts) {
  Grid best = {1, 1};
  Index least = col_panels * (row_panels * rows + 12);
  for (Index across = 1; across <= std::min(parts, col_panels); ++across) {
    const Index down = std::min(parts / across, row_panels);
    const Index cost = (col_panels + across - 1) / across * ((row_panels + down - 1) / down * rows + 12);
    if (cost < least) best = {down, across}, least = cost;
  }
  return best;
}

}  // namespace detail

/// op(B) in the form that tiles read, for matrices that many products share: weights of a network that is not being trained.
/// The memory is the caller's: packed_size elements of T.
template <class T>
struct PackedB {
  Index k, n;
  const T* data;
  Precision precision = Precision::full;
  Isa isa = current_isa();
};

/// Elements of T that a packed [k, n] takes.
template <class T>
Index packed_size(Index k, Index n, Precision precision = Precision::full, Isa isa = current_isa()) {
  using detail::cells;
  const bool pairs = sizeof(T) == 4 && precision == Precision::bf16;
  const Index depths = detail::depth_blocks(k), cols = detail::tile_cols<T>(pairs ? detail::isa_of_pairs(isa) : isa);
  Index deep = 0;
  for (Index d = 0; d < depths; ++d) {
    const Index depth = detail::cut(k, depths, d + 1) - detail::cut(k, depths, d);
    deep += pairs ? cells<Bf16Pair>(depth) : depth;
  }
  return deep * ((n + cols - 1) / cols * cols);
}

namespace detail {

template <class T, class Cell>
void pack(Cell* to, Index k, Index n, const T* b, Index ldb, Op op, Isa isa) {
  const Index cols = tile_cols<T>(isa), padded = (n + cols - 1) / cols * cols, depths = depth_blocks(k);
  for (Index d = 0; d < depths && n > 0 && k > 0; ++d) {
    const Index p = cut(k, depths, d), depth = cut(k, depths, d + 1) - p;
    parallel_for(padded / cols, 4, [&](Index begin, Index end) {
      const Index left = begin * cols, width = std::min(n, end * cols) - left;
      const T* first = op == Op::transpose ? b + left * ldb + p : b + p * ldb + left;
      const BlockB<T, Cell> block = {to + left * cells<Cell>(depth), first, ldb, op == Op::transpose, depth, width, T(1)};
      with_isa<PackB>(isa, &block);
    });
    to += cells<Cell>(depth) * padded;
  }
}

/// Stripes of columns that a stripe of a thread is cut into, so that a faster thread can take more of them: of three tiles or
/// more, for A is read, and packed where it is, once for each.
inline Index pieces(Index col_panels, Index across) { return std::clamp<Index>(col_panels / (3 * across), 1, 4); }

/// The product on all threads. Which thread computes an element has no influence on it.
template <class T, class Cell>
void gemm_parallel(const Gemm<T>& g, const Cell* ready, Isa isa) {
  if (g.m <= 0 || g.n <= 0) return;
  const Index rows = tile_rows<T>(isa), cols = tile_cols<T>(isa);
  const Index row_panels = (g.m + rows - 1) / rows, col_panels = (g.n + cols - 1) / cols;
  Grid grid = best_grid(row_panels, rows, col_panels, threads());
  if (threads() > 1) grid.across *= pieces(col_panels, grid.across);
  parallel_for(grid.down * grid.across, 1, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      const Index r = part % grid.down, c = part / grid.down;
      const Index top = cut(g.m, grid.down, r), bottom = cut(g.m, grid.down, r + 1);
      const Index left = cut(col_panels, grid.across, c) * cols;
      const Index right = std::min(g.n, cut(col_panels, grid.across, c + 1) * cols);
      gemm_part(isa, g, ready, top, bottom - top, left, right - left);
    }
  });
}

/// Calls f(isa, pointer to the cells) with the cells of a precision.
template <class T, class F>
void with_cells(Precision precision, Isa isa, F&& f) {
  if constexpr (sizeof(T) == 4)
    if (precision == Precision::bf16) return f(isa_of_pairs(isa), static_cast<const Bf16Pair*>(nullptr));
  f(isa, static_cast<const T*>(nullptr));
}

}  // namespace detail

/// to [packed_size] = op(B) [k, n], packed on all threads.
template <class T>
void pack_b(T* to, Index k, Index n, const T* b, Index ldb, Op op, Precision precision = Precision::full,
            Isa isa = current_isa()) {
  detail::with_cells<T>(precision, isa, [&]<class Cell>(Isa chosen, const Cell*) {
    detail::pack(reinterpret_cast<Cell*>(to), k, n, b, ldb, op, chosen);
  });
}

/// The product on the calling thread: for many small ones inside parallel_for.
template <class T>
void gemm_serial(const Gemm<T>& g, Isa isa = current_isa()) {
  if (g.m <= 0 || g.n <= 0) return;
  detail::with_cells<T>(g.precision, isa,
                        [&]<class Cell>(Isa chosen, const Cell* none) { detail::gemm_part(chosen, g, none, 0, g.m, 0, g.n); });
}

/// The product on all threads.
template <class T>
void gemm(const Gemm<T>& g, Isa isa = current_isa()) {
  detail::with_cells<T>(g.precision, isa, [&](Isa chosen, const auto* none) { detail::gemm_parallel(g, none, chosen); });
}

/// The product on all threads with a matrix packed before, [g.k, g.n]; g.b, g.ldb, g.op_b, g.alpha and g.precision are not
/// read. The same bits.
template <class T>
void gemm(const Gemm<T>& g, const PackedB<T>& b) {
  detail::with_cells<T>(b.precision, b.isa, [&]<class Cell>(Isa isa, const Cell*) {
    detail::gemm_parallel(g, reinterpret_cast<const Cell*>(b.data), isa);
  });
}

}  // namespace anylead::cpu_ops
