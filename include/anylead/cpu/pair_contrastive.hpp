// Contrast between two sets of rows. @see ops/pair_contrastive.hpp
#pragma once

#include <anylead/cpu/gemm.hpp>
#include <anylead/cpu/sampled_contrastive.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// u [n, E] = rows of z divided by max(norm, eps)
template <class T>
void unit_rows(Index n, Index width, T* u, const T* z, const T* norm, const Index32* rows, T eps) {
  parallel_for(n, row_grain(width), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const T factor = T(1) / at_least(eps, norm[rows[i]]);
      for (Index c = 0; c < width; ++c) u[i * width + c] = z[rows[i] * width + c] * factor;
    }
  });
}

/// log sum exp of row i (columns = false) or column i of s [n, m], in double.
template <class T>
double line_logsum(const T* s, Index n, Index m, Index i, bool column) {
  const Index count = column ? n : m, first = column ? i : i * m, step = column ? m : 1;
  double best = -std::numeric_limits<double>::infinity(), sum = 0;
  for (Index k = 0; k < count; ++k) best = std::max(best, double(s[first + k * step]));
  for (Index k = 0; k < count; ++k) sum += std::exp(double(s[first + k * step]) - best);
  return best + std::log(sum);
}

/// logsums [n + m] of all rows, then of all columns.
template <class T>
void line_logsums(const PairDims& d, double* logsums, const T* scores) {
  parallel_for(d.first + d.second, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      logsums[i] = i < d.first ? line_logsum(scores, d.first, d.second, i, false)
                               : line_logsum(scores, d.first, d.second, i - d.first, true);
  });
}

}  // namespace detail

template <class T>
void pair_contrastive_forward(const Exec&, PairDims d, T* loss, T* scores, T* norm, const T* z, const Index32* first,
                              const Index32* second, const Index32* id, T temperature, T eps) {
  struct Units;
  struct Logsums;
  row_norms(d.rows, d.width, norm, z);
  T* u = scratch<Units, T>((d.first + d.second) * d.width);
  detail::unit_rows(d.first, d.width, u, z, norm, first, eps);
  detail::unit_rows(d.second, d.width, u + d.first * d.width, z, norm, second, eps);
  gemm(Gemm<T>{.m = d.first,
               .n = d.second,
               .k = d.width,
               .a = u,
               .lda = d.width,
               .op_a = Op::none,
               .b = u + d.first * d.width,
               .ldb = d.width,
               .op_b = Op::transpose,
               .c = scores,
               .ldc = d.second,
               .alpha = T(1) / temperature});
  double* logsums = scratch<Logsums, double>(d.first + d.second);
  detail::line_logsums(d, logsums, scores);
  double total = 0, positives = 0;
  for (Index i = 0; i < d.first; ++i)
    for (Index j = 0; j < d.second; ++j)
      if (id[first[i]] == id[second[j]]) {
        total += logsums[i] + logsums[d.first + j] - 2 * double(scores[i * d.second + j]);
        positives += 1;
      }
  *loss = positives > 0 ? static_cast<T>(total / (2 * positives)) : T(0);
}

template <class T>
void pair_contrastive_backward(const Exec& exec, PairDims d, bool detached, Grad<T> dz, T* dscores, const T* dloss,
                               const T* scores, const T* norm, const T* z, const Index32* first, const Index32* second,
                               const Index32* id, T temperature, T eps) {
  if (!dz) return;
  struct Units;
  struct UnitGradients;
  struct Logsums;
  const Index n = d.first, m = d.second;
  double* logsums = scratch<Logsums, double>(2 * (n + m));
  double *row_count = logsums + n + m, *column_count = row_count + n;
  detail::line_logsums(d, logsums, scores);
  std::fill(row_count, row_count + n + m, 0.0);
  double positives = 0;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < m; ++j)
      if (id[first[i]] == id[second[j]]) {
        row_count[i] += 1;
        column_count[j] += 1;
        positives += 1;
      }
  const double factor = positives > 0 ? double(*dloss) / (2 * positives * double(temperature)) : 0;
  parallel_for(n, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      for (Index j = 0; j < m; ++j) {
        const double s = double(scores[i * m + j]), positive = id[first[i]] == id[second[j]] ? 2 : 0;
        dscores[i * m + j] = static_cast<T>(
            factor * (row_count[i] * std::exp(s - logsums[i]) + column_count[j] * std::exp(s - logsums[n + j]) - positive));
      }
  });
  T* u = scratch<Units, T>((n + m) * d.width);
  T* du = scratch<UnitGradients, T>((n + m) * d.width);
  detail::unit_rows(n, d.width, u, z, norm, first, eps);
  detail::unit_rows(m, d.width, u + n * d.width, z, norm, second, eps);
  gemm(Gemm<T>{.m = n,
               .n = d.width,
               .k = m,
               .a = dscores,
               .lda = m,
               .op_a = Op::none,
               .b = u + n * d.width,
               .ldb = d.width,
               .op_b = Op::none,
               .c = du,
               .ldc = d.width});
  gemm(Gemm<T>{.m = m,
               .n = d.width,
               .k = n,
               .a = dscores,
               .lda = m,
               .op_a = Op::transpose,
               .b = u,
               .ldb = d.width,
               .op_b = Op::none,
               .c = du + n * d.width,
               .ldc = d.width});
  if (!dz.accumulates()) fill(exec, d.rows * d.width, dz.data, T(0));
  for (Index i = 0; i < n + m; ++i) {
    const Index r = i < n ? first[i] : second[i - n];
    const T *g = du + i * d.width, *unit = u + i * d.width;
    double along = 0;
    if (!detached && norm[r] > eps)
      for (Index c = 0; c < d.width; ++c) along += double(g[c]) * double(unit[c]);
    const T inverse = T(1) / at_least(eps, norm[r]);
    for (Index c = 0; c < d.width; ++c) dz.data[r * d.width + c] += (g[c] - static_cast<T>(along) * unit[c]) * inverse;
  }
}

}  // namespace anylead::cpu_ops
