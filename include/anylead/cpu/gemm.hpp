// Products of matrices: a packed, register-tiled GEMM, written once for every instruction set.
//
// A tile of C stays in registers while k runs: 14 rows x 2 vectors for float with 32 vector registers (AVX-512), else 6 x 2.
// B is packed in panels of [k][two vectors], zero-filled at its right border; rows of A are read where they are, columns (op_a
// = transpose) are copied. M is cut into panels of even heights that differ by at most two, with one tile per height, so that
// no row is computed in vain; the odd row of an odd M is a tile of its own.
//
// Element (i, j) is a sum over k in an order that depends on K alone. It is the same, to the last bit, for any number of
// threads and whatever other rows or columns there are: equal rows of A give equal rows of C.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/simd.hpp>
#include <anylead/cpu/transpose.hpp>

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
};

namespace detail {

/// Registers of an instruction set as tiles use them.
template <Isa isa, class T>
struct TileShape {
  static constexpr Index bytes = isa == Isa::avx512 ? 64 : isa == Isa::avx2 ? 32 : 16;
  static constexpr Index lanes = bytes / static_cast<Index>(sizeof(T));
  static constexpr Index rows = isa == Isa::avx512 && sizeof(T) == 4 ? 14 : 6;  // double: as fast, and compiled sooner
  static constexpr Index cols = 2 * lanes;
  typedef T Vector __attribute__((vector_size(bytes)));
};

template <class T>
constexpr Index tile_rows(Isa isa) {
  return isa == Isa::avx512 && sizeof(T) == 4 ? 14 : 6;
}
template <class T>
constexpr Index tile_cols(Isa isa) {
  return (isa == Isa::avx512 ? 128 : isa == Isa::avx2 ? 64 : 32) / static_cast<Index>(sizeof(T));
}

/// One tile: rows of C, at most two vectors of columns.
template <class T>
struct Tile {
  const T* a;  ///< op(A)(i, p) = a[i row_step + p k_step]
  Index row_step, k_step;
  const T* b;  ///< [k][two vectors]
  Index k, cols;
  T* c;
  Index ldc;
  bool add;
  const T* bias;  ///< of these columns, or null
};

template <Index kRows>
struct TilePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Tile<T>* tile) {
    using Shape = TileShape<isa, T>;
    using V = typename Shape::Vector;
    if constexpr (kRows <= Shape::rows) {
      const Tile<T> t = *tile;
      V acc[kRows][2] = {};
      const T *a = t.a, *b = t.b;
      for (Index i = 0; i < kRows; ++i)  // asked for now, C is there when it is written
        for (Index j = 0; j < 2; ++j) __builtin_prefetch(t.c + i * t.ldc + j * Shape::lanes, 1);
      for (Index p = 0; p < t.k; ++p, a += t.k_step, b += Shape::cols) {
        V b0, b1;
        std::memcpy(&b0, b, sizeof b0);
        std::memcpy(&b1, b + Shape::lanes, sizeof b1);
#pragma GCC unroll 14
        for (Index i = 0; i < kRows; ++i) {
          const T x = a[i * t.row_step];
          acc[i][0] += x * b0;
          acc[i][1] += x * b1;
        }
      }
      if (t.cols == Shape::cols) {
#pragma GCC unroll 14
        for (Index i = 0; i < kRows; ++i) {
          finish(t, t.c + i * t.ldc, acc[i][0], t.bias, sizeof(V));
          finish(t, t.c + i * t.ldc + Shape::lanes, acc[i][1], t.bias ? t.bias + Shape::lanes : nullptr, sizeof(V));
        }
      } else {
        for (Index i = 0; i < kRows; ++i)
          for (Index j = 0; j < 2; ++j) {
            const Index left = t.cols - j * Shape::lanes;
            if (left > 0)
              finish(t, t.c + i * t.ldc + j * Shape::lanes, acc[i][j], t.bias ? t.bias + j * Shape::lanes : nullptr,
                     static_cast<std::size_t>(std::min(Shape::lanes, left)) * sizeof(T));
          }
      }
    }
  }

  /// One vector of C. Sums only: a product here would be contracted to a multiply-add in some tiles and not in others.
  template <class T, class V>
  ANYLEAD_SIMD static void finish(const Tile<T>& t, T* c, const V& sum, const T* bias, std::size_t bytes) {
    V v = sum, other = {};
    if (bias) {
      std::memcpy(&other, bias, bytes);
      v += other;
    }
    if (t.add) {
      std::memcpy(&other, c, bytes);
      v += other;
    }
    std::memcpy(c, &v, bytes);
  }
};

/// A tile of any height: there is code for one row and for even numbers of rows.
template <class T, Index... i>
void run_tile(Isa isa, Index rows, Tile<T> tile, std::integer_sequence<Index, i...>) {
  (void)((rows / 2 == i + 1 && (with_isa<TilePass<2 * i + 2>>(isa, &tile), true)) || ...);
  if (rows % 2 == 0) return;
  if (tile.a) tile.a += (rows - 1) * tile.row_step;
  tile.c += (rows - 1) * tile.ldc;
  with_isa<TilePass<1>>(isa, &tile);
}

/// Depth, width and height of the blocks that share caches: packed B [kDepth, kWidth], rows of A [kHeight, kDepth].
inline constexpr Index kDepth = 768, kWidth = 768, kHeight = 84;

/// Piece `part` of n items cut into `parts` pieces whose sizes differ by at most one.
constexpr Index cut(Index n, Index parts, Index part) { return n * part / parts; }

/// The same with even sizes, but for the last piece of an odd n.
constexpr Index cut_even(Index n, Index parts, Index part) { return std::min(n, 2 * cut((n + 1) / 2, parts, part)); }

/// A block of op(B) [k, n], b at its first element, and the place `to` of alpha times it: panels [k][columns of a tile].
template <class T>
struct BlockB {
  T* to;
  const T* b;
  Index ldb;
  bool transpose;
  Index k, n;
  T alpha;
};

struct PackB {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const BlockB<T>* block) {
    using Shape = TileShape<isa, T>;
    T* to = block->to;
    for (Index j = 0; j < block->n; j += Shape::cols, to += block->k * Shape::cols)
      if (block->transpose) {
        columns<Shape>(*block, to, j);
        columns<Shape>(*block, to + Shape::lanes, j + Shape::lanes);
      } else {
        rows<Shape>(*block, to, j);
        rows<Shape>(*block, to + Shape::lanes, j + Shape::lanes);
      }
  }

  /// One vector of columns, row by row.
  template <class Shape, class T>
  ANYLEAD_SIMD static void rows(const BlockB<T>& block, T* to, Index j) {
    using V = typename Shape::Vector;
    const T* b = block.b + j;
    const Index width = std::clamp<Index>(block.n - j, 0, Shape::lanes);
    for (Index p = 0; p < block.k; ++p, b += block.ldb, to += Shape::cols) {
      V row = {};
      if (width == Shape::lanes)
        std::memcpy(&row, b, sizeof row);
      else
        std::memcpy(&row, b, static_cast<std::size_t>(width) * sizeof(T));
      row = row * block.alpha;
      std::memcpy(to, &row, sizeof row);
    }
  }

  /// One vector of columns, which are rows in memory.
  template <class Shape, class T>
  ANYLEAD_SIMD static void columns(const BlockB<T>& block, T* to, Index j) {
    using V = typename Shape::Vector;
    const Index width = std::min(Shape::lanes, block.n - j);
    for (Index p = 0; p < block.k; p += Shape::lanes) {
      const Index depth = std::min(Shape::lanes, block.k - p);
      V row[Shape::lanes] = {};
      const T* b = block.b + j * block.ldb + p;
      if (width == Shape::lanes && depth == Shape::lanes) {
#pragma GCC unroll 16
        for (Index c = 0; c < Shape::lanes; ++c) std::memcpy(&row[c], b + c * block.ldb, sizeof(V));
        transpose<Shape::lanes>(row);
#pragma GCC unroll 16
        for (Index i = 0; i < Shape::lanes; ++i) {
          row[i] = row[i] * block.alpha;
          std::memcpy(to + (p + i) * Shape::cols, &row[i], sizeof(V));
        }
      } else {
        for (Index c = 0; c < width; ++c) std::memcpy(&row[c], b + c * block.ldb, static_cast<std::size_t>(depth) * sizeof(T));
        transpose<Shape::lanes>(row);
        for (Index i = 0; i < depth; ++i) {
          row[i] = row[i] * block.alpha;
          std::memcpy(to + (p + i) * Shape::cols, &row[i], sizeof(V));
        }
      }
    }
  }
};

/// Columns [0, rows) of k rows of a, and their place: panels [k][rows of the panel], panel_size apart.
template <class T>
struct BlockA {
  T* to;
  Index panels, panel_size;
  const T* a;
  Index lda, k, rows;
};

struct PackA {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const BlockA<T>* block) {
    using Shape = TileShape<isa, T>;
    constexpr Index whole = (Shape::rows + Shape::lanes - 1) / Shape::lanes * Shape::lanes;  // a panel's row in vectors
    for (Index i = 0; i < block->panels; ++i) {
      const Index first = cut_even(block->rows, block->panels, i);
      const Index count = cut_even(block->rows, block->panels, i + 1) - first;
      const T* a = block->a + first;
      T* to = block->to + i * block->panel_size;
      const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
      const bool inside = first + whole <= block->rows;  // what is copied too much is there, and written over by the next row
      for (Index p = 0; p < block->k; ++p, a += block->lda, to += count) {
        if (inside) {
          std::memcpy(to, a, whole * sizeof(T));
        } else {
          std::memcpy(to, a, bytes);
        }
      }
    }
  }
};

/// Number of blocks that k terms are cut into: a function of k alone.
constexpr Index depth_blocks(Index k) { return std::max<Index>(1, (k + kDepth - 1) / kDepth); }

/// Columns [col, col + n) and rows [row, row + m) of the product, on the calling thread. col: a multiple of the tile's columns.
/// ready: op(B) as PackedB keeps it, or null.
template <class T>
void gemm_part(Isa isa, const Gemm<T>& g, const T* ready, Index row, Index m, Index col, Index n) {
  struct BlocksOfA;
  struct BlocksOfB;
  const bool transpose_a = g.op_a == Op::transpose, transpose_b = g.op_b == Op::transpose;
  // Rows a multiple of 2 KiB apart fall into the same sets of the cache: then they are copied to a kinder distance.
  const bool spread = !transpose_a && g.lda * static_cast<Index>(sizeof(T)) % 2048 == 0 && n > 2 * tile_cols<T>(isa);
  const Index cols = tile_cols<T>(isa), rows = tile_rows<T>(isa);
  const Index depths = depth_blocks(g.k), deepest = (g.k + depths - 1) / depths;
  const Index heights = (m + kHeight - 1) / kHeight, highest = 2 * (((m + 1) / 2 + heights - 1) / heights);
  const Index widest = std::min(kWidth, (n + cols - 1) / cols * cols), row_size = deepest + kLanes<T>;
  const Index panel_size = (deepest + 2) * rows;  // two rows more: room for what a panel's last vector writes too much
  const Index all_cols = (g.n + cols - 1) / cols * cols;
  T* packed_b = ready ? nullptr : scratch<BlocksOfB, T>(deepest * widest);
  T* packed_a = transpose_a ? scratch<BlocksOfA, T>((highest + rows - 1) / rows * panel_size)
                : spread    ? scratch<BlocksOfA, T>(highest * row_size)
                            : nullptr;
  for (Index j = 0; j < n; j += kWidth) {
    const Index width = std::min(kWidth, n - j);
    for (Index d = 0; d < depths; ++d) {
      const Index p = cut(g.k, depths, d), depth = cut(g.k, depths, d + 1) - p;
      if (!ready && depth > 0) {
        const T* b = transpose_b ? g.b + (col + j) * g.ldb + p : g.b + p * g.ldb + col + j;
        const BlockB<T> block = {packed_b, b, g.ldb, transpose_b, depth, width, g.alpha};
        with_isa<PackB>(isa, &block);
      }
      for (Index h = 0; h < heights; ++h) {
        const Index top = row + cut_even(m, heights, h), height = row + cut_even(m, heights, h + 1) - top;
        const Index panels = (height + rows - 1) / rows;
        if (transpose_a && depth > 0) {
          const BlockA<T> block = {packed_a, panels, panel_size, g.a + p * g.lda + top, g.lda, depth, height};
          with_isa<PackA>(isa, &block);
        } else if (spread) {
          for (Index i = 0; i < height; ++i)
            std::memcpy(packed_a + i * row_size, g.a + (top + i) * g.lda + p, static_cast<std::size_t>(depth) * sizeof(T));
        }
        for (Index c = 0; c < width; c += cols)
          for (Index i = 0; i < panels; ++i) {
            const Index first = cut_even(height, panels, i), count = cut_even(height, panels, i + 1) - first;
            const T* a = depth == 0    ? nullptr
                         : transpose_a ? packed_a + i * panel_size
                         : spread      ? packed_a + first * row_size
                                       : g.a + (top + first) * g.lda + p;
            const Tile<T> tile = {.a = a,
                                  .row_step = transpose_a ? 1
                                              : spread    ? row_size
                                                          : g.lda,
                                  .k_step = transpose_a ? count : 1,
                                  .b = ready ? ready + p * all_cols + (col + j + c) * depth : packed_b + c * depth,
                                  .k = depth,
                                  .cols = std::min(cols, width - c),
                                  .c = g.c + (top + first) * g.ldc + col + j + c,
                                  .ldc = g.ldc,
                                  .add = g.accumulate || d > 0,
                                  .bias = g.bias && d == 0 ? g.bias + col + j + c : nullptr};
            run_tile(isa, count, tile, std::make_integer_sequence<Index, (sizeof(T) == 4 ? 14 : 6) / 2>{});
          }
      }
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
template <class T>
class PackedB {
 public:
  /// alpha op(B) is [k, n]. @see Gemm
  PackedB(Index k, Index n, const T* b, Index ldb, Op op, T alpha = 1, Isa isa = current_isa()) : k_(k), n_(n), isa_(isa) {
    const Index cols = detail::tile_cols<T>(isa), padded = (n + cols - 1) / cols * cols, depths = detail::depth_blocks(k);
    room_.resize(static_cast<std::size_t>((k * padded + kLanes<T> - 1) / kLanes<T>));
    T* to = reinterpret_cast<T*>(room_.data());
    for (Index d = 0; d < depths && n > 0 && k > 0; ++d) {
      const Index p = detail::cut(k, depths, d), depth = detail::cut(k, depths, d + 1) - p;
      const T* first = op == Op::transpose ? b + p : b + p * ldb;
      const detail::BlockB<T> block = {to + p * padded, first, ldb, op == Op::transpose, depth, n, alpha};
      with_isa<detail::PackB>(isa, &block);
    }
  }

  Index k() const { return k_; }
  Index n() const { return n_; }
  Isa isa() const { return isa_; }
  /// Null if k or n is 0.
  const T* data() const { return reinterpret_cast<const T*>(room_.data()); }

 private:
  Index k_, n_;
  Isa isa_;
  std::vector<Vec<T>> room_;  // aligned to cache lines
};

namespace detail {

/// The product on all threads. Which thread computes an element has no influence on it.
template <class T>
void gemm_parallel(const Gemm<T>& g, const T* ready, Isa isa) {
  if (g.m <= 0 || g.n <= 0) return;
  const Index rows = tile_rows<T>(isa), cols = tile_cols<T>(isa);
  const Index row_panels = (g.m + rows - 1) / rows, col_panels = (g.n + cols - 1) / cols;
  const Grid grid = best_grid(row_panels, rows, col_panels, threads());
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

}  // namespace detail

/// The product on the calling thread: for many small ones inside parallel_for.
template <class T>
void gemm_serial(const Gemm<T>& g, Isa isa = current_isa()) {
  if (g.m > 0 && g.n > 0) detail::gemm_part<T>(isa, g, nullptr, 0, g.m, 0, g.n);
}

/// The product on all threads.
template <class T>
void gemm(const Gemm<T>& g, Isa isa = current_isa()) {
  detail::gemm_parallel<T>(g, nullptr, isa);
}

/// The product on all threads with a matrix packed before, [g.k, g.n]; g.b, g.ldb, g.op_b and g.alpha are not read. The same
/// bits.
template <class T>
void gemm(const Gemm<T>& g, const PackedB<T>& b) {
  detail::gemm_parallel<T>(g, b.data(), b.isa());
}

}  // namespace anylead::cpu_ops
