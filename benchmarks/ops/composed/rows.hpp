#pragma once

#include "ops/composed/passes.hpp"

namespace anylead::composed {

inline void lead_mask_forward(const Exec&, LeadMaskDims d, float* y, const float* x, const Flag* keep) {
  const Temporary kept(d.batch * d.leads * d.time);
  pass(d.batch * d.leads, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) row(kept + i * d.time, d.time) = row(x + i * d.time, d.time) * float(keep[i]);
  });
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first * d.leads * d.time; b < (first + m) * d.leads * d.time; b += d.leads * d.time)
      array(y + b, d.time, d.leads) = array(kept + b, d.leads, d.time).transpose();
  });
}

inline void lead_mask_backward(const Exec&, LeadMaskDims d, Grad<float> dx, const float* dy, const Flag* keep) {
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first * d.leads * d.time; b < (first + m) * d.leads * d.time; b += d.leads * d.time)
      array(dx.data + b, d.leads, d.time) = array(dy + b, d.time, d.leads).transpose();
  });
  pass(d.batch * d.leads, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) row(dx.data + i * d.time, d.time) *= float(keep[i]);
  });
}

inline void mask_rows_forward(const Exec&, RowDims d, float* y, const float* x, const float* mask_row, const Flag* mask) {
  pass(d.rows, [&](Index r, Index m) { array(y + r * d.cols, m, d.cols) = array(x + r * d.cols, m, d.cols); });
  pass(d.rows, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i)
      if (mask[i]) row(y + i * d.cols, d.cols) = row(mask_row, d.cols);
  });
}

inline void mask_rows_backward(const Exec&, RowDims d, Grad<float> dx, Grad<float> drow, const float* dy, const Flag* mask) {
  pass(d.rows, [&](Index r, Index m) { array(dx.data + r * d.cols, m, d.cols) = array(dy + r * d.cols, m, d.cols); });
  pass(d.rows, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i)
      if (mask[i]) row(dx.data + i * d.cols, d.cols).setZero();
  });
  row(drow.data, d.cols).setZero();
  for (Index i = 0; i < d.rows; ++i)
    if (mask[i]) row(drow.data, d.cols) += row(dy + i * d.cols, d.cols);
}

inline void gather_rows_forward(const Exec&, RowDims d, Index n, float* y, const float* x, const Index32* index) {
  pass(n, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) row(y + i * d.cols, d.cols) = row(x + index[i] * d.cols, d.cols);
  });
}

inline void gather_rows_backward(const Exec&, RowDims d, Index n, Grad<float> dx, const float* dy, const Index32* index) {
  pass(d.rows, [&](Index r, Index m) { array(dx.data + r * d.cols, m, d.cols).setZero(); });
  pass(n, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) row(dx.data + index[i] * d.cols, d.cols) += row(dy + i * d.cols, d.cols);
  });
}

/// e = exp(x - max) of each row; sum and max of each. e may be x.
inline void exp_rows(RowDims d, float* e, float* max, float* sum, const float* x) {
  pass(d.rows, [&](Index r, Index m) { array(max + r, m) = array(x + r * d.cols, m, d.cols).rowwise().maxCoeff(); });
  pass(d.rows, [&](Index r, Index m) {
    array(e + r * d.cols, m, d.cols) = (array(x + r * d.cols, m, d.cols).colwise() - array(max + r, m)).exp();
  });
  pass(d.rows, [&](Index r, Index m) { array(sum + r, m) = array(e + r * d.cols, m, d.cols).rowwise().sum(); });
}

/// x = softmax of its rows.
inline void softmax_rows(RowDims d, float* x) {
  const Temporary max(d.rows), sum(d.rows);
  exp_rows(d, x, max, sum, x);
  pass(d.rows, [&](Index r, Index m) { array(x + r * d.cols, m, d.cols).colwise() /= array(sum + r, m); });
}

inline void log_softmax_forward(const Exec&, RowDims d, float* y, const float* x) {
  const Temporary max(d.rows), sum(d.rows), e(d.rows * d.cols);
  exp_rows(d, e, max, sum, x);
  pass(d.rows, [&](Index r, Index m) { array(sum + r, m) = array(sum + r, m).log() + array(max + r, m); });
  pass(d.rows, [&](Index r, Index m) {
    array(y + r * d.cols, m, d.cols) = array(x + r * d.cols, m, d.cols).colwise() - array(sum + r, m);
  });
}

inline void log_softmax_backward(const Exec&, RowDims d, Grad<float> dx, const float* dy, const float* y) {
  const Temporary sum(d.rows), p(d.rows * d.cols);
  pass(d.rows, [&](Index r, Index m) { array(sum + r, m) = array(dy + r * d.cols, m, d.cols).rowwise().sum(); });
  pass(d.rows, [&](Index r, Index m) { array(p + r * d.cols, m, d.cols) = array(y + r * d.cols, m, d.cols).exp(); });
  pass(d.rows, [&](Index r, Index m) { array(p + r * d.cols, m, d.cols).colwise() *= array(sum + r, m); });
  pass(d.rows, [&](Index r, Index m) {
    array(dx.data + r * d.cols, m, d.cols) = array(dy + r * d.cols, m, d.cols) - array(p + r * d.cols, m, d.cols);
  });
}

/// Euclidean length of each row, at least eps.
inline void lengths(RowDims d, float* norm, const float* x, float eps) {
  pass(d.rows, [&](Index r, Index m) {
    array(norm + r, m) = array(x + r * d.cols, m, d.cols).square().rowwise().sum().sqrt().max(eps);
  });
}

inline void cosine_forward(const Exec&, RowDims d, Index repeats, float* y, const float* a, const float* b, float eps) {
  const Temporary na(d.rows), nb(repeats * d.rows), ab(d.rows * d.cols);
  lengths(d, na, a, eps);
  lengths({repeats * d.rows, d.cols}, nb, b, eps);
  for (Index s = 0; s < repeats; ++s) {
    const float* bs = b + s * d.rows * d.cols;
    pass(d.rows, [&](Index r, Index m) {
      array(ab + r * d.cols, m, d.cols) = array(a + r * d.cols, m, d.cols) * array(bs + r * d.cols, m, d.cols);
    });
    pass(d.rows, [&](Index r, Index m) {
      array(y + s * d.rows + r, m) =
          array(ab + r * d.cols, m, d.cols).rowwise().sum() / (array(na + r, m) * array(nb + s * d.rows + r, m));
    });
  }
}

/// Lengths are taken to be above eps.
inline void cosine_backward(const Exec&, RowDims d, Index repeats, Grad<float> da, Grad<float> db, const float* dy,
                            const float* y, const float* a, const float* b, float eps) {
  const Temporary na(d.rows), nb(repeats * d.rows), cross(repeats * d.rows), along_a(d.rows), along_b(d.rows);
  lengths(d, na, a, eps);
  lengths({repeats * d.rows, d.cols}, nb, b, eps);
  pass(d.rows, [&](Index r, Index m) { array(da.data + r * d.cols, m, d.cols).setZero(); });
  for (Index s = 0; s < repeats; ++s) {
    const Index o = s * d.rows;
    pass(d.rows, [&](Index r, Index m) {
      array(cross + o + r, m) = array(dy + o + r, m) / (array(na + r, m) * array(nb + o + r, m));
      array(along_a + r, m) = array(dy + o + r, m) * array(y + o + r, m) / array(na + r, m).square();
      array(along_b + r, m) = array(dy + o + r, m) * array(y + o + r, m) / array(nb + o + r, m).square();
    });
    pass(d.rows, [&](Index r, Index m) {
      array(da.data + r * d.cols, m, d.cols) += array(b + (o + r) * d.cols, m, d.cols).colwise() * array(cross + o + r, m) -
                                                array(a + r * d.cols, m, d.cols).colwise() * array(along_a + r, m);
    });
    pass(d.rows, [&](Index r, Index m) {
      array(db.data + (o + r) * d.cols, m, d.cols) = array(a + r * d.cols, m, d.cols).colwise() * array(cross + o + r, m) -
                                                     array(b + (o + r) * d.cols, m, d.cols).colwise() * array(along_b + r, m);
    });
  }
}

inline void mean_pool_forward(const Exec&, PoolDims d, bool, float* y, float* count, const float* x, const Flag*) {
  const Index segment = d.time * d.channels;
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first; b < first + m; ++b)
      row(count + b * d.channels, d.channels) =
          (array(x + b * segment, d.time, d.channels) != 0.f).cast<float>().colwise().sum();
  });
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first; b < first + m; ++b)
      row(y + b * d.channels, d.channels) =
          array(x + b * segment, d.time, d.channels).colwise().sum() / row(count + b * d.channels, d.channels);
  });
}

inline void mean_pool_backward(const Exec&, PoolDims d, Grad<float> dx, const float* dy, const float* count, const Flag*) {
  const Temporary share(d.batch * d.channels);
  pass(d.batch * d.channels, [&](Index i, Index m) { array(share + i, m) = array(dy + i, m) / array(count + i, m); });
  pass(d.batch, [&](Index first, Index m) {
    for (Index b = first; b < first + m; ++b)
      array(dx.data + b * d.time * d.channels, d.time, d.channels) =
          row(share + b * d.channels, d.channels).replicate(d.time, 1);
  });
}

}  // namespace anylead::composed
