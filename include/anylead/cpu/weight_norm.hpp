// Weight normalisation. @see ops/weight_norm.hpp
#pragma once

#include <cmath>

#include <anylead/cpu/elementwise.hpp>

namespace anylead::cpu_ops {

/// Calls f(i) for the elements of each kept index, kept indices in parallel.
template <class F>
void for_kept(WeightNormDims d, F&& f) {
  parallel_for(d.kept, 4, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k)
      f(k, [&](auto&& element) {
        for (Index o = 0; o < d.outer; ++o)
          for (Index i = (o * d.kept + k) * d.inner; i < (o * d.kept + k + 1) * d.inner; ++i) element(i);
      });
  });
}

template <class T>
void weight_norm_forward(const Exec&, WeightNormDims d, T* w, T* norm, const T* v, const T* g) {
  for_kept(d, [&](Index k, auto&& each) {
    double square = 0;
    each([&](Index i) { square += double(v[i]) * double(v[i]); });
    norm[k] = static_cast<T>(std::sqrt(square));
    const T factor = g[k] / norm[k];
    each([&](Index i) { w[i] = v[i] * factor; });
  });
}

template <class T>
void weight_norm_backward(const Exec&, WeightNormDims d, Grad<T> dv, Grad<T> dg, const T* dw, const T* v, const T* g,
                          const T* norm) {
  for_kept(d, [&](Index k, auto&& each) {
    double along = 0;  // <dw, v>
    each([&](Index i) { along += double(dw[i]) * double(v[i]); });
    deliver(dg, k, static_cast<T>(along / norm[k]));
    if (!dv) return;
    const T factor = g[k] / norm[k], back = static_cast<T>(along / (double(norm[k]) * norm[k]));
    each([&](Index i) { deliver(dv, i, factor * (dw[i] - v[i] * back)); });
  });
}

}  // namespace anylead::cpu_ops
