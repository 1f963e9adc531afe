#pragma once

#include "reference/put.hpp"

namespace anylead::reference {

inline void lead_mask_forward(const Exec&, LeadMaskDims d, double* y, const double* x, const Flag* keep) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index c = 0; c < d.leads; ++c)
      for (Index t = 0; t < d.time; ++t)
        y[(b * d.time + t) * d.leads + c] = !keep || keep[b * d.leads + c] ? x[(b * d.leads + c) * d.time + t] : 0;
}

inline void lead_mask_backward(const Exec&, LeadMaskDims d, Grad<double> dx, const double* dy, const Flag* keep) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index c = 0; c < d.leads; ++c)
      for (Index t = 0; t < d.time; ++t)
        put(dx, (b * d.leads + c) * d.time + t, !keep || keep[b * d.leads + c] ? dy[(b * d.time + t) * d.leads + c] : 0);
}

inline void mask_rows_forward(const Exec&, RowDims d, double* y, const double* x, const double* row, const Flag* mask) {
  for (Index r = 0; r < d.rows; ++r)
    for (Index c = 0; c < d.cols; ++c) y[r * d.cols + c] = mask[r] ? (row ? row[c] : 0) : x[r * d.cols + c];
}

inline void mask_rows_backward(const Exec&, RowDims d, Grad<double> dx, Grad<double> drow, const double* dy, const Flag* mask) {
  std::vector<double> sum = zeros(d.cols);
  for (Index r = 0; r < d.rows; ++r)
    for (Index c = 0; c < d.cols; ++c) {
      put(dx, r * d.cols + c, mask[r] ? 0 : dy[r * d.cols + c]);
      if (mask[r]) sum[static_cast<std::size_t>(c)] += dy[r * d.cols + c];
    }
  put(drow, sum);
}

inline void gather_rows_forward(const Exec&, RowDims d, Index n, double* y, const double* x, const Index32* index) {
  for (Index i = 0; i < n; ++i)
    for (Index c = 0; c < d.cols; ++c) y[i * d.cols + c] = x[index[i] * d.cols + c];
}

inline void gather_rows_backward(const Exec&, RowDims d, Index n, Grad<double> dx, const double* dy, const Index32* index) {
  std::vector<double> g = zeros(d.rows * d.cols);
  for (Index i = 0; i < n; ++i)
    for (Index c = 0; c < d.cols; ++c) g[static_cast<std::size_t>(index[i] * d.cols + c)] += dy[i * d.cols + c];
  put(dx, g);
}

}  // namespace anylead::reference
