// Products of matrices: a packed, register-tiled GEMM, written once for every instruction set.
//
// A tile of C stays in registers while k runs: 14 rows x 2 vectors with 32 vector registers (AVX-512), 6 x 2 with 16. B is
// packed in panels of [k][two vectors], zero-filled at its right border; rows of A are read where they are, columns (op_a =
// transpose) are copied. M is cut into panels of equal height, with one tile per height, so that no row is computed in vain.
//
// Element (i, j) is a sum over k in an order that depends on K alone. It is the same, to the last bit, for any number of
// threads and whatever other rows or columns there are: equal rows of A give equal rows of C.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

enum class Op { none, transpose };

/// C [m, n] = (accumulate ? C : 0) + alpha op(A) op(B) + bias, row-major, leading dimensions in elements.
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
  static constexpr Index rows = isa == Isa::avx512 ? 14 : 6;
  static constexpr Index cols = 2 * lanes;
  typedef T Vector __attribute__((vector_size(bytes)));
};

constexpr Index tile_rows(Isa isa) { return isa == Isa::avx512 ? 14 : 6; }
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
  T alpha;
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
#pragma GCC unroll 14
      for (Index i = 0; i < kRows; ++i)
#pragma GCC unroll 2
        for (Index j = 0; j < 2; ++j) {
          const Index left = t.cols - j * Shape::lanes;
          if (left <= 0) break;
          const std::size_t bytes = left >= Shape::lanes ? sizeof(V) : static_cast<std::size_t>(left) * sizeof(T);
          T* c = t.c + i * t.ldc + j * Shape::lanes;
          V v = t.alpha * acc[i][j], other = {};
          if (t.bias) {
            std::memcpy(&other, t.bias + j * Shape::lanes, bytes);
            v += other;
          }
          if (t.add) {
            std::memcpy(&other, c, bytes);
            v += other;
          }
          std::memcpy(c, &v, bytes);
        }
    }
  }
};

template <class T, Index... i>
void run_tile(Isa isa, Index rows, const Tile<T>& tile, std::integer_sequence<Index, i...>) {
  (void)((rows == i + 1 && (with_isa<TilePass<i + 1>>(isa, &tile), true)) || ...);
}

/// Depth, width and height of the blocks that share caches: packed B [kDepth, kWidth], rows of A [kHeight, kDepth].
inline constexpr Index kDepth = 768, kWidth = 768, kHeight = 84;

/// A block of op(B) [k, n], b at its first element, and its place `to`: panels [k][columns of a tile].
template <class T>
struct Block {
  T* to;
  const T* b;
  Index ldb;
  bool transpose;
  Index k, n;
};

struct PackB {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Block<T>* block) {
    constexpr Index cols = TileShape<isa, T>::cols;
    auto [to, b, ldb, transpose, k, n] = *block;
    for (Index j = 0; j < n; j += cols, to += k * cols) {
      const Index width = n - j < cols ? n - j : cols;
      if (transpose) {
        for (Index c = 0; c < width; ++c)
          for (Index p = 0; p < k; ++p) to[p * cols + c] = b[(j + c) * ldb + p];
        for (Index c = width; c < cols; ++c)
          for (Index p = 0; p < k; ++p) to[p * cols + c] = T(0);
      } else {
        for (Index p = 0; p < k; ++p) {
          T* row = to + p * cols;
          if (width == cols) {
            std::memcpy(row, b + p * ldb + j, cols * sizeof(T));
          } else {
            std::memcpy(row, b + p * ldb + j, static_cast<std::size_t>(width) * sizeof(T));
            std::memset(row + width, 0, static_cast<std::size_t>(cols - width) * sizeof(T));
          }
        }
      }
    }
  }
};

/// Piece `part` of n items cut into `parts` pieces whose sizes differ by at most one.
constexpr Index cut(Index n, Index parts, Index part) { return n * part / parts; }

/// Columns [col, col + n) and rows [row, row + m) of the product, on the calling thread. col: a multiple of the tile's columns.
template <class T>
void gemm_part(Isa isa, const Gemm<T>& g, Index row, Index m, Index col, Index n) {
  struct PackedA;
  struct PackedB;
  if (m <= 0 || n <= 0) return;
  const Index cols = tile_cols<T>(isa), rows = tile_rows(isa);
  const Index depths = std::max<Index>(1, (g.k + kDepth - 1) / kDepth);
  const Index widest = std::min(kWidth, (n + cols - 1) / cols * cols);
  const Index deepest = (g.k + depths - 1) / depths;
  T* packed_b = scratch<PackedB, T>(deepest * widest);
  const bool copy_a = g.op_a == Op::transpose;
  T* packed_a = copy_a ? scratch<PackedA, T>(deepest * std::min(m, kHeight)) : nullptr;
  const Index heights = (m + kHeight - 1) / kHeight;
  for (Index j = 0; j < n; j += kWidth) {
    const Index width = std::min(kWidth, n - j);
    for (Index d = 0; d < depths; ++d) {
      const Index p = cut(g.k, depths, d), depth = cut(g.k, depths, d + 1) - p;
      const bool transpose = g.op_b == Op::transpose;
      if (depth > 0) {
        const T* b = transpose ? g.b + (col + j) * g.ldb + p : g.b + p * g.ldb + col + j;
        const Block<T> block = {packed_b, b, g.ldb, transpose, depth, width};
        with_isa<PackB>(isa, &block);
      }
      for (Index h = 0; h < heights; ++h) {
        const Index top = row + cut(m, heights, h), height = row + cut(m, heights, h + 1) - top;
        if (copy_a)
          for (Index q = 0; q < depth; ++q)
            std::memcpy(packed_a + q * height, g.a + (p + q) * g.lda + top, static_cast<std::size_t>(height) * sizeof(T));
        const Index panels = (height + rows - 1) / rows;
        for (Index c = 0; c < width; c += cols)
          for (Index i = 0; i < panels; ++i) {
            const Index first = cut(height, panels, i), count = cut(height, panels, i + 1) - first;
            const Tile<T> tile = {.a = depth == 0 ? nullptr
                                       : copy_a   ? packed_a + first
                                                  : g.a + (top + first) * g.lda + p,
                                  .row_step = copy_a ? 1 : g.lda,
                                  .k_step = copy_a ? height : 1,
                                  .b = packed_b + c * depth,
                                  .k = depth,
                                  .cols = std::min(cols, width - c),
                                  .c = g.c + (top + first) * g.ldc + col + j + c,
                                  .ldc = g.ldc,
                                  .alpha = g.alpha,
                                  .add = g.accumulate || d > 0,
                                  .bias = g.bias && d == 0 ? g.bias + col + j + c : nullptr};
            run_tile(isa, count, tile, std::make_integer_sequence<Index, 14>{});
          }
      }
    }
  }
}

}  // namespace detail

/// The product on the calling thread: for many small ones inside parallel_for.
template <class T>
void gemm_serial(const Gemm<T>& g, Isa isa = current_isa()) {
  detail::gemm_part(isa, g, 0, g.m, 0, g.n);
}

/// The product on all threads.
template <class T>
void gemm(const Gemm<T>& g, Isa isa = current_isa()) {
  if (g.m <= 0 || g.n <= 0) return;
  const Index cols = detail::tile_cols<T>(isa), panels = (g.n + cols - 1) / cols;
  const Index parts = std::min<Index>(threads(), panels);
  parallel_for(parts, 1, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      const Index first = detail::cut(panels, parts, part) * cols;
      const Index last = std::min(g.n, detail::cut(panels, parts, part + 1) * cols);
      detail::gemm_part(isa, g, 0, g.m, first, last - first);
    }
  });
}

}  // namespace anylead::cpu_ops
