// Masks of leads and frames, row picks. @see ops/masking.hpp
#pragma once

#include <cstring>

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

template <class T>
void lead_mask_forward(const Exec&, LeadMaskDims d, T* y, const T* x, const Flag* keep) {
  constexpr Index kFrames = 256;  // a stretch of all leads stays in L1 while it is transposed
  const Index stretches = (d.time + kFrames - 1) / kFrames;
  parallel_for(d.batch * stretches, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index b = i / stretches, first = i % stretches * kFrames, last = std::min(d.time, first + kFrames);
      for (Index c = 0; c < d.leads; ++c) {
        const T* from = x + (b * d.leads + c) * d.time;
        T* to = y + b * d.time * d.leads + c;
        if (!keep || keep[b * d.leads + c])
          for (Index t = first; t < last; ++t) to[t * d.leads] = from[t];
        else
          for (Index t = first; t < last; ++t) to[t * d.leads] = 0;
      }
    }
  });
}

template <class T>
void lead_mask_backward(const Exec&, LeadMaskDims d, Grad<T> dx, const T* dy, const Flag* keep) {
  if (!dx) return;
  parallel_for(d.batch * d.leads, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const T* from = dy + i / d.leads * d.time * d.leads + i % d.leads;
      const bool kept = !keep || keep[i];
      for (Index t = 0; t < d.time; ++t) deliver(dx, i * d.time + t, kept ? from[t * d.leads] : T(0));
    }
  });
}

inline Index row_grain(Index cols) { return std::max<Index>(1, kElementGrain / std::max<Index>(1, cols)); }

template <class T>
void mask_rows_forward(const Exec&, RowDims d, T* y, const T* x, const T* row, const Flag* mask) {
  const std::size_t bytes = static_cast<std::size_t>(d.cols) * sizeof(T);
  parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      if (mask[r] && !row)
        std::memset(y + r * d.cols, 0, bytes);
      else if (mask[r])
        std::memcpy(y + r * d.cols, row, bytes);
      else if (y != x)
        std::memcpy(y + r * d.cols, x + r * d.cols, bytes);
    }
  });
}

struct MaskRowsBackwardPass {
  /// dx of some rows; adds dy of the masked ones to sums [cols] unless null.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, Grad<T> dx, T* sums, const T* dy, const Flag* mask) {
    for (Index r = 0; r < rows; ++r) {
      const Index o = r * cols;
      if (mask[r] && sums) for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(sums, at(sums) + at(dy + o)); });
      if (!mask[r])
        for_lanes<isa, T>(cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, dx, o, at(dy + o)); });
      else if (dx.mode == GradMode::overwrite)
        std::memset(dx.data + o, 0, static_cast<std::size_t>(cols) * sizeof(T));
    }
  }
};

/// One pass for both: dy of a row is wanted by one of them. Row chunks have sums of their own, added up in order.
template <class T>
void mask_rows_backward(const Exec&, RowDims d, Grad<T> dx, Grad<T> drow, const T* dy, const Flag* mask) {
  struct Partials;
  constexpr Index kRows = 32;
  const Index chunks = (d.rows + kRows - 1) / kRows;
  T* partials = drow ? scratch<Partials, T>(chunks * d.cols) : nullptr;
  parallel_for(d.rows, kRows, [&](Index begin, Index end) {
    T* own = drow ? partials + begin / kRows * d.cols : nullptr;
    if (drow) std::fill(own, own + d.cols, T(0));
    with_isa<MaskRowsBackwardPass>(end - begin, d.cols, advanced(dx, begin * d.cols), own, dy + begin * d.cols, mask + begin);
  });
  if (drow)
    parallel_for(d.cols, 256, [&](Index begin, Index end) {
      with_isa<ColumnSumsPass>(chunks, d.cols, end - begin, advanced(drow, begin), static_cast<const T*>(partials + begin));
    });
}

template <class T>
void gather_rows_forward(const Exec&, RowDims d, Index n, T* y, const T* x, const Index32* index) {
  parallel_for(n, row_grain(d.cols), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      std::memcpy(y + i * d.cols, x + index[i] * d.cols, static_cast<std::size_t>(d.cols) * sizeof(T));
  });
}

template <class T>
void gather_rows_backward(const Exec&, RowDims d, Index n, Grad<T> dx, const T* dy, const Index32* index) {
  if (!dx) return;
  if (dx.accumulates()) {
    parallel_for(n, row_grain(d.cols), [&](Index begin, Index end) {  // distinct rows: no two chunks meet
      for (Index i = begin; i < end; ++i) with_isa<ScalePass>(d.cols, advanced(dx, index[i] * d.cols), dy + i * d.cols, T(1));
    });
    return;
  }
  struct Sources;
  Index32* source = scratch<Sources, Index32>(d.rows);  // of each row of dx: a row of dy, or none
  std::fill_n(source, d.rows, Index32{-1});
  for (Index i = 0; i < n; ++i) source[index[i]] = static_cast<Index32>(i);
  const std::size_t bytes = static_cast<std::size_t>(d.cols) * sizeof(T);
  parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      if (source[r] < 0)
        std::memset(dx.data + r * d.cols, 0, bytes);
      else
        std::memcpy(dx.data + r * d.cols, dy + source[r] * d.cols, bytes);
    }
  });
}

}  // namespace anylead::cpu_ops
