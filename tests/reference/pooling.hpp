#pragma once

#include "reference/put.hpp"

namespace anylead::reference {

inline void mean_pool_forward(const Exec&, PoolDims d, bool non_zero, double* y, double* count, const double* x,
                              const Flag* padding) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index c = 0; c < d.channels; ++c) {
      double sum = 0, n = 0;
      for (Index t = 0; t < d.time; ++t) {
        if (padding && padding[b * d.time + t]) continue;
        const double v = x[(b * d.time + t) * d.channels + c];
        sum += v;
        n += non_zero && v == 0 ? 0 : 1;
      }
      y[b * d.channels + c] = n == 0 ? 0 : sum / n;
      count[b * d.channels + c] = n;
    }
}

inline void mean_pool_backward(const Exec&, PoolDims d, Grad<double> dx, const double* dy, const double* count,
                               const Flag* padding) {
  for (Index b = 0; b < d.batch; ++b)
    for (Index t = 0; t < d.time; ++t)
      for (Index c = 0; c < d.channels; ++c) {
        const Index o = b * d.channels + c;
        const bool used = !(padding && padding[b * d.time + t]) && count[o] != 0;
        put(dx, (b * d.time + t) * d.channels + c, used ? dy[o] / count[o] : 0);
      }
}

}  // namespace anylead::reference
