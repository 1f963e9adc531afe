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

template <class T>
void mask_rows_backward(const Exec&, RowDims d, Grad<T> dx, Grad<T> drow, const T* dy, const Flag* mask) {
  if (dx)
    parallel_for(d.rows, row_grain(d.cols), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r)
        for (Index c = r * d.cols; c < (r + 1) * d.cols; ++c) deliver(dx, c, mask[r] ? T(0) : dy[c]);
    });
  if (drow)
    parallel_for(d.cols, 64, [&](Index begin, Index end) {
      if (!drow.accumulates()) std::fill(drow.data + begin, drow.data + end, T(0));
      for (Index r = 0; r < d.rows; ++r)
        if (mask[r])
          for (Index c = begin; c < end; ++c) drow.data[c] += dy[r * d.cols + c];
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
void gather_rows_backward(const Exec& exec, RowDims d, Index n, Grad<T> dx, const T* dy, const Index32* index) {
  if (!dx) return;
  if (!dx.accumulates()) fill(exec, d.rows * d.cols, dx.data, T(0));
  parallel_for(n, row_grain(d.cols), [&](Index begin, Index end) {  // distinct rows: no two chunks meet
    for (Index i = begin; i < end; ++i)
      for (Index c = 0; c < d.cols; ++c) dx.data[index[i] * d.cols + c] += dy[i * d.cols + c];
  });
}

}  // namespace anylead::cpu_ops
