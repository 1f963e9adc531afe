// Products of matrices: a packed, register-tiled GEMM, written once for every instruction set.
//
// A tile of C stays in registers while k runs: 6 rows x 4 vectors with 32 vector registers (AVX-512), else 6 x 2. A wide tile
// loads less: 10 times for 24 multiply-adds, where 14 x 2 loads 16 times for 28, and then waits for the loads.
// Tiles read A where it is, and B where it is or from panels of [k][columns of a tile], zero-filled at its right border: packed
// where it has to be transposed or scaled, and where so many rows of A share it that the copy pays. Rows a multiple of 2 KiB
// apart fall into the same sets of the caches: there B is packed, and A if its columns are the rows of op(A). M is cut into
// panels whose heights differ by at most one, with one tile per height, so that no row is computed in vain.
//
// What is packed is made of cells: numbers as they are, or (Precision::bf16) pairs of neighbours along k rounded to bfloat16,
// which AVX-512 multiplies and adds in one instruction, twice as many factors at a time; both matrices are then copied.
//
// Rows of A and B may overlap each other (a leading dimension below the row's length: windows of a signal).
//
// Element (i, j) is a sum over k in an order that depends on K alone. It is the same, to the last bit, for any number of
// threads and whatever other rows or columns there are: equal rows of A give equal rows of C.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <anylead/core/gemm.hpp>
#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/gemm_pack.hpp>
#include <anylead/cpu/gemm_tile.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// Depth and width of the blocks that share caches: packed B [kDepth, kWidth], kPanels of A [kTileRows, kDepth].
inline constexpr Index kDepth = 768, kWidth = 768;

/// Number of blocks that k terms are cut into: a function of k alone.
constexpr Index depth_blocks(Index k) { return std::max<Index>(1, (k + kDepth - 1) / kDepth); }

/// Whether rows so many elements apart fall into the same sets of the caches.
template <class T>
constexpr bool clashes(Index stride) {
  return stride * static_cast<Index>(sizeof(T)) % 2048 == 0;
}

/// Whether a product copies its rows of A.
template <class T, class Cell>
bool copies_a(const Gemm<T>& g) {
  return kFactors<Cell> == 2 || (clashes<T>(g.lda) && g.op_a == MatrixOp::transpose);
}

/// Whether a part with m rows and n columns packs its columns of B. Where it does not, B stays in the second cache.
template <class T, class Cell>
bool packs_b(const Gemm<T>& g, Index m, Index n, Index cols) {
  constexpr Index few = 640, bytes = Index{384} << 10;
  const Index depth = (g.k + depth_blocks(g.k) - 1) / depth_blocks(g.k);
  return kFactors<Cell> == 2 || g.op_b == MatrixOp::transpose || g.alpha != 1 || n % cols != 0 || m > few ||
         clashes<T>(g.ldb) || depth * n * static_cast<Index>(sizeof(T)) > bytes;
}

/// Columns [col, col + n) and rows [row, row + m) of the product, on the calling thread. col: a multiple of the tile's columns.
/// ready: op(B) as PackedB keeps it, or null.
template <class T, class Cell>
void gemm_part(Isa isa, const Gemm<T>& g, const Cell* ready, Index row, Index m, Index col, Index n) {
  struct BlocksOfA;
  struct BlocksOfB;
  const Index cols = tile_cols<T>(isa), rows = kTileRows;
  const bool transpose_a = g.op_a == MatrixOp::transpose, transpose_b = g.op_b == MatrixOp::transpose;
  const bool copy_a = copies_a<T, Cell>(g), pack_b = !ready && packs_b<T, Cell>(g, m, n, cols);
  const Index depths = depth_blocks(g.k), deepest = cells<Cell>((g.k + depths - 1) / depths);
  const Index all_panels = (m + rows - 1) / rows, heights = (all_panels + kPanels - 1) / kPanels;
  const Index most_panels = (all_panels + heights - 1) / heights;  // of a block of rows
  const Index widest = std::min(kWidth, (n + cols - 1) / cols * cols), row_size = deepest + kLanes<T>;
  const Index panel_size = (deepest + 2) * rows + kLanes<T>;  // room for what the last vector of a panel writes too much
  const Index all_cols = (g.n + cols - 1) / cols * cols;
  Cell* packed_b = pack_b ? scratch<BlocksOfB, Cell>(deepest * widest) : nullptr;
  Cell* copied_a = !copy_a       ? nullptr
                   : transpose_a ? scratch<BlocksOfA, Cell>(most_panels * panel_size)
                                 : scratch<BlocksOfA, Cell>(most_panels * rows * row_size);
  for (Index j = 0; j < n; j += kWidth) {
    const Index width = std::min(kWidth, n - j);
    Index before = 0;  // cells of the depths done
    for (Index d = 0; d < depths; ++d) {
      const Index p = cut(g.k, depths, d), depth = cut(g.k, depths, d + 1) - p, deep = cells<Cell>(depth);
      if (pack_b && depth > 0) {
        const T* b = transpose_b ? g.b + (col + j) * g.ldb + p : g.b + p * g.ldb + col + j;
        const BlockB<T, Cell> block = {packed_b, b, g.ldb, transpose_b, depth, width, g.alpha};
        with_isa<PackB>(isa, &block);
      }
      for (Index h = 0; h < heights; ++h) {
        const Index above = cut(all_panels, heights, h), panels = cut(all_panels, heights, h + 1) - above;
        const Index top = row + cut(m, all_panels, above);
        const Index height = row + cut(m, all_panels, above + panels) - top;
        if (copy_a && transpose_a && depth > 0) {
          const BlockA<T, Cell> block = {copied_a, panels, panel_size, g.a + p * g.lda + top, g.lda, depth, height};
          with_isa<PackA>(isa, &block);
        }
        if constexpr (kFactors<Cell> == 2)
          if (!transpose_a) {
            const RowsOfA block = {copied_a, row_size, g.a + top * g.lda + p, g.lda, depth, height};
            with_isa<PackRowsOfA>(isa, &block);
          }
        for (Index c = 0; c < width; c += cols)
          for (Index i = 0; i < panels; ++i) {
            const Index first = cut(height, panels, i), count = cut(height, panels, i + 1) - first;
            Tile<T, Cell> tile = {.a = nullptr,
                                  .row_step = transpose_a ? 1 : row_size,
                                  .k_step = transpose_a ? count : 1,
                                  .b = ready    ? ready + before * all_cols + (col + j + c) * deep
                                       : pack_b ? packed_b + c * deep
                                                : nullptr,
                                  .b_step = cols,
                                  .k = deep,
                                  .cols = std::min(cols, width - c),
                                  .c = g.c + (top + first) * g.ldc + col + j + c,
                                  .ldc = g.ldc,
                                  .add = g.accumulate || d > 0,
                                  .bias = g.bias && d == 0 ? g.bias + col + j + c : nullptr};
            if (copy_a) tile.a = copied_a + (transpose_a ? i * panel_size : first * row_size);
            if constexpr (kFactors<Cell> == 1) {
              if (!copy_a) {
                tile.row_step = transpose_a ? 1 : g.lda;
                tile.k_step = transpose_a ? g.lda : 1;
                tile.a = depth > 0 ? g.a + (top + first) * tile.row_step + p * tile.k_step : nullptr;
              }
              if (!tile.b && depth > 0) tile.b = g.b + p * g.ldb + col + j + c, tile.b_step = g.ldb;
            }
            run_tile(isa, count, tile, std::make_integer_sequence<Index, kTileRows>{});
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

/// What a grid's choice depends on. The products of a tile's columns with one row cost 1.
struct PartCosts {
  double pack_b;  ///< of a tile's columns, for a stripe of rows
  double copy_a;  ///< of a row, for a stripe of columns
  double start;   ///< of a part: about a microsecond
  Index kept;     ///< tiles' columns of B that stay in the second cache; products with more take longer
};

template <class T, class Cell>
PartCosts part_costs(const Gemm<T>& g, bool ready, Index threads, Index cols) {
  constexpr bool paired = kFactors<Cell> == 2;  // rounded as they are copied, and multiplied twice as fast
  return {
      .pack_b = !ready && packs_b<T, Cell>(g, g.m / threads, g.n / threads, cols) ? paired ? 48. : 12. : 0.,
      .copy_a = copies_a<T, Cell>(g) ? paired ? 0.6 : 0.1 : 0.,
      .start = (paired ? 2000. : 1000.) / static_cast<double>(std::max<Index>(1, g.k)),
      .kept = (Index{768} << 10) / (std::clamp<Index>(g.k, 1, kDepth) * cols * (paired ? 2 : static_cast<Index>(sizeof(T))))};
}

/// The grid with which threads are done first. There may be two or four parts for each thread, for who is done takes the next:
/// threads end up to a part's time apart, of which a sixteenth is counted.
inline Grid best_grid(Index row_panels, Index rows, Index col_panels, Index threads, const PartCosts& costs) {
  if (threads == 1) return {1, 1};
  Grid best = {1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (const Index parts : {threads, 2 * threads, 4 * threads})
    for (Index down = 1; down <= std::min(parts, row_panels); ++down) {
      const Index across = std::min(parts / down, col_panels);
      const auto height = static_cast<double>((row_panels + down - 1) / down * rows);
      const auto width = static_cast<double>((col_panels + across - 1) / across);
      const double products = width * height * (width > static_cast<double>(costs.kept) ? 1.04 : 1);
      const double part = products + width * costs.pack_b + height * costs.copy_a + costs.start;
      const auto rounds = static_cast<double>((down * across + threads - 1) / threads);
      const double cost = part * (rounds + 1. / 16);
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
void pack(Cell* to, Index k, Index n, const T* b, Index ldb, MatrixOp op, Isa isa) {
  const Index cols = tile_cols<T>(isa), padded = (n + cols - 1) / cols * cols, depths = depth_blocks(k);
  for (Index d = 0; d < depths && n > 0 && k > 0; ++d) {
    const Index p = cut(k, depths, d), depth = cut(k, depths, d + 1) - p;
    parallel_for(padded / cols, 4, [&](Index begin, Index end) {
      const Index left = begin * cols, width = std::min(n, end * cols) - left;
      const T* first = op == MatrixOp::transpose ? b + left * ldb + p : b + p * ldb + left;
      const BlockB<T, Cell> block = {to + left * cells<Cell>(depth), first, ldb, op == MatrixOp::transpose, depth, width, T(1)};
      with_isa<PackB>(isa, &block);
    });
    to += cells<Cell>(depth) * padded;
  }
}

/// Matrix i of a batch.
template <class T>
Gemm<T> matrix(Gemm<T> g, Index i) {
  if (i > 0) g.a += i * g.stride_a, g.b += i * g.stride_b, g.c += i * g.stride_c;
  return g;
}

/// The product on all threads. Which thread computes an element has no influence on it.
template <class T, class Cell>
void gemm_parallel(const Gemm<T>& all, const Cell* ready, Isa isa) {
  if (all.m <= 0 || all.n <= 0 || all.batch <= 0) return;
  const Index rows = kTileRows, cols = tile_cols<T>(isa);
  const Index row_panels = (all.m + rows - 1) / rows, col_panels = (all.n + cols - 1) / cols;
  const Index of_a_matrix = (threads() + all.batch - 1) / all.batch;  // threads
  const Grid grid = best_grid(row_panels, rows, col_panels, of_a_matrix, part_costs<T, Cell>(all, ready, of_a_matrix, cols));
  const Index parts = grid.down * grid.across;
  parallel_for(all.batch * parts, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Gemm<T> g = matrix(all, i / parts);
      const Index part = i % parts, r = part % grid.down, c = part / grid.down;
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
void pack_b(T* to, Index k, Index n, const T* b, Index ldb, MatrixOp op, Precision precision = Precision::full,
            Isa isa = current_isa()) {
  detail::with_cells<T>(precision, isa, [&]<class Cell>(Isa chosen, const Cell*) {
    detail::pack(reinterpret_cast<Cell*>(to), k, n, b, ldb, op, chosen);
  });
}

/// The product on the calling thread: for many small ones inside parallel_for.
template <class T>
void gemm_serial(const Gemm<T>& g, Isa isa = current_isa()) {
  if (g.m <= 0 || g.n <= 0) return;
  detail::with_cells<T>(g.precision, isa, [&]<class Cell>(Isa chosen, const Cell* none) {
    for (Index i = 0; i < g.batch; ++i) detail::gemm_part(chosen, detail::matrix(g, i), none, 0, g.m, 0, g.n);
  });
}

/// The product on all threads.
template <class T>
void gemm(const Gemm<T>& g, Isa isa = current_isa()) {
  detail::with_cells<T>(g.precision, isa, [&](Isa chosen, const auto* none) { detail::gemm_parallel(g, none, chosen); });
}

/// The product on all threads with a matrix packed before, [g.k, g.n], for the whole batch; g.b, g.ldb, g.op_b, g.stride_b,
/// g.alpha and g.precision are not read. The same bits.
template <class T>
void gemm(const Gemm<T>& g, const PackedB<T>& b) {
  detail::with_cells<T>(b.precision, b.isa, [&]<class Cell>(Isa isa, const Cell*) {
    detail::gemm_parallel(g, reinterpret_cast<const Cell*>(b.data), isa);
  });
}

}  // namespace anylead::cpu_ops
