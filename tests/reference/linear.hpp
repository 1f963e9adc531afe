#pragma once

#include <algorithm>

#include "reference/elementwise.hpp"

namespace anylead::reference {

inline void linear_forward(const Exec&, LinearDims d, double* y, const double* x, const double* weight, const double* bias) {
  for (Index r = 0; r < d.rows; ++r)
    for (Index o = 0; o < d.out; ++o) {
      double sum = 0;
      for (Index i = 0; i < d.in; ++i) sum += x[r * d.in + i] * weight[o * d.in + i];
      y[r * d.out + o] = bias ? sum + bias[o] : sum;
    }
}

/// The plain order is as good as any.
inline Index linear_prepared_size(const Exec&, LinearDims d) { return d.in * d.out; }
inline void linear_prepare(const Exec&, LinearDims d, double* prepared, const double* weight) {
  std::copy_n(weight, d.in * d.out, prepared);
}

inline void linear_backward(const Exec&, LinearDims d, Grad<double> dx, Grad<double> dweight, Grad<double> dbias,
                            const double* dy, const double* x, const double* weight) {
  for (Index r = 0; r < d.rows && dx; ++r)
    for (Index i = 0; i < d.in; ++i) {
      double sum = 0;
      for (Index o = 0; o < d.out; ++o) sum += dy[r * d.out + o] * weight[o * d.in + i];
      put(dx, r * d.in + i, sum);
    }
  for (Index o = 0; o < d.out; ++o) {
    double total = 0;
    for (Index r = 0; r < d.rows; ++r) total += dy[r * d.out + o];
    put(dbias, o, total);
    for (Index i = 0; i < d.in && dweight; ++i) {
      double sum = 0;
      for (Index r = 0; r < d.rows; ++r) sum += dy[r * d.out + o] * x[r * d.in + i];
      put(dweight, o * d.in + i, sum);
    }
  }
}

inline void gelu_linear_forward(const Exec& e, LinearDims d, double* y, double* h, const double* z, const double* weight,
                                const double* bias) {
  gelu_forward(e, d.rows * d.in, h, z);
  linear_forward(e, d, y, h, weight, bias);
}

inline void gelu_linear_backward(const Exec& e, LinearDims d, Grad<double> dz, Grad<double> dweight, Grad<double> dbias,
                                 double*, const double* dy, const double* z, const double* weight) {
  std::vector<double> h = zeros(d.rows * d.in), dh = zeros(d.rows * d.in);
  gelu_forward(e, d.rows * d.in, h.data(), z);
  linear_backward(e, d, whole(dh), dweight, dbias, dy, h.data(), weight);
  gelu_backward(e, d.rows * d.in, dz, dh.data(), z);
}

}  // namespace anylead::reference
