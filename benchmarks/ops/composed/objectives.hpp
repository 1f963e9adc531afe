#pragma once

#include <limits>
#include <vector>

#include "ops/composed/elementwise.hpp"
#include "ops/composed/rows.hpp"

namespace anylead::composed {

/// Which entry of each row and group is largest.
inline void argmax_rows(RowDims d, Index32* code, const float* x) {
  pass(d.rows, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) {
      Index best;
      row(x + i * d.cols, d.cols).maxCoeff(&best);
      code[i] = static_cast<Index32>(best);
    }
  });
}

/// one_hot [rows, cols]
inline void one_hot_rows(RowDims d, float* one_hot, const Index32* code) {
  pass(d.rows * d.cols, [&](Index i, Index m) { array(one_hot + i, m).setZero(); });
  pass(d.rows, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) one_hot[i * d.cols + code[i]] = 1;
  });
}

/// A tensor [R, G V] is one of R G rows of V entries.
inline RowDims entries(QuantizeDims d) { return {d.rows * d.groups, d.entries}; }

/// mean over rows of x [R, G V]
inline void row_means(QuantizeDims d, float* mean, const float* x) {
  const Index all = d.groups * d.entries;
  pass(all, [&](Index c, Index m) { row(mean + c, m) = array(x + c, d.rows, m, all).colwise().mean(); });
}

/// e^entropy of each group's row of p [G, V].
inline Eigen::ArrayXf perplexities(QuantizeDims d, const float* p) {
  const auto of_groups = array(p, d.groups, d.entries);
  return (-(of_groups * (of_groups + 1e-7f).log()).rowwise().sum()).exp();
}

/// Softmax, one-hot choices and their product with the codebook, all in memory; a codebook of their own for the groups.
inline void gumbel_quantize_forward(const Exec&, QuantizeDims d, bool, float* y, Index32* codes, float* usage,
                                    float* perplexity, const float* logits, const float* noise, const float* vars) {
  const RowDims rows = entries(d);
  const Index all = d.groups * d.entries, n = d.rows * all;
  const Temporary soft(n), one_hot(n), noisy(n);
  pass(n, [&](Index i, Index m) { array(soft + i, m) = array(logits + i, m); });
  softmax_rows(rows, soft);
  row_means(d, usage, soft);
  argmax_rows(rows, codes, logits);
  one_hot_rows(rows, one_hot, codes);
  row_means(d, usage + all, one_hot);
  for (Index kind = 0; kind < 2; ++kind) perplexity[kind] = perplexities(d, usage + kind * all).sum();
  pass(n, [&](Index i, Index m) { array(noisy + i, m) = array(logits + i, m) + array(noise + i, m); });
  argmax_rows(rows, codes, noisy);
  one_hot_rows(rows, one_hot, codes);
  for (Index g = 0; g < d.groups; ++g)
    product(y + g * d.width, d.groups * d.width,
            array(static_cast<const float*>(one_hot + g * d.entries), d.rows, d.entries, all).matrix(),
            array(vars + g * d.entries * d.width, d.entries, d.width).matrix());
}

inline void gumbel_quantize_backward(const Exec&, QuantizeDims d, bool, Grad<float> dlogits, Grad<float> dvars, const float* dy,
                                     const float* dperplexity, const float* logits, const float* noise, const float* vars,
                                     const Index32* codes, const float* usage, float tau) {
  const RowDims rows = entries(d);
  const Index all = d.groups * d.entries, n = d.rows * all, width = d.groups * d.width;
  const Temporary one_hot(n), soft(n), scores(n), along(rows.rows), slope(all);
  one_hot_rows(rows, one_hot, codes);
  for (Index g = 0; g < d.groups; ++g) {
    const auto dy_g = array(dy + g * d.width, d.rows, d.width, width).matrix();
    product(dvars.data + g * d.entries * d.width, d.width,
            array(static_cast<const float*>(one_hot + g * d.entries), d.rows, d.entries, all).matrix().transpose(), dy_g);
    product(scores + g * d.entries, all, dy_g, array(vars + g * d.entries * d.width, d.entries, d.width).matrix().transpose());
  }
  // the gradient of a softmax: p (s - <p, s>)
  const auto through = [&](float factor) {
    pass(rows.rows, [&](Index r, Index m) {
      array(along + r, m) =
          (array(soft + r * d.entries, m, d.entries) * array(scores + r * d.entries, m, d.entries)).rowwise().sum();
    });
    pass(rows.rows, [&](Index r, Index m) { array(scores + r * d.entries, m, d.entries).colwise() -= array(along + r, m); });
    pass(n, [&](Index i, Index m) { array(scores + i, m) = array(soft + i, m) * array(scores + i, m) * factor; });
  };
  pass(n, [&](Index i, Index m) { array(soft + i, m) = (array(logits + i, m) + array(noise + i, m)) / tau; });
  softmax_rows(rows, soft);
  through(1 / tau);
  pass(n, [&](Index i, Index m) { array(dlogits.data + i, m) = array(scores + i, m); });

  const Eigen::ArrayXf outer = perplexities(d, usage) * (-*dperplexity / static_cast<float>(d.rows));
  const auto p = array(usage, d.groups, d.entries);
  array(slope, d.groups, d.entries) = ((p + 1e-7f).log() + p / (p + 1e-7f)).colwise() * outer;
  pass(d.rows, [&](Index r, Index m) { array(scores + r * all, m, all) = row(slope, all).replicate(m, 1); });
  pass(n, [&](Index i, Index m) { array(soft + i, m) = array(logits + i, m); });
  softmax_rows(rows, soft);
  through(1);
  pass(n, [&](Index i, Index m) { array(dlogits.data + i, m) += array(scores + i, m); });
}

// Own parts: all candidates [1 + N, R, D] picked into memory, cosines, log softmax.

/// The candidates' rows: 0 is the row's own.
inline std::vector<Index32> candidate_rows(ContrastDims d, const Index32* negatives) {
  std::vector<Index32> rows(static_cast<std::size_t>((1 + d.negatives) * d.rows));
  for (Index s = 0; s <= d.negatives; ++s)
    for (Index r = 0; r < d.rows; ++r)
      rows[static_cast<std::size_t>(s * d.rows + r)] = s == 0 ? static_cast<Index32>(r) : negatives[r * d.negatives + s - 1];
  return rows;
}

inline void sampled_contrastive_forward(const Exec& e, ContrastDims d, float* loss, float* logits, Flag* correct,
                                        const float* context, const float* target, const Index32* negatives,
                                        const Index32* codes, Index code_groups, float temperature, float eps) {
  const Index all = 1 + d.negatives, n = all * d.rows;
  const std::vector<Index32> rows = candidate_rows(d, negatives);
  const Temporary candidates(n * d.width), cosines(n), log_p(n);
  own().gather_rows_forward(e, {d.candidates, d.width}, n, candidates, target, rows.data());
  own().cosine_forward(e, {d.rows, d.width}, all, cosines, context, candidates, eps);
  array(logits, d.rows, all) = array(cosines, all, d.rows).transpose() / temperature;
  for (Index r = 0; r < d.rows; ++r)
    for (Index s = 1; s < all; ++s) {
      const Index32 *a = codes + r * code_groups, *b = codes + rows[static_cast<std::size_t>(s * d.rows + r)] * code_groups;
      if (std::equal(a, a + code_groups, b)) logits[r * all + s] = -std::numeric_limits<float>::infinity();
    }
  own().log_softmax_forward(e, {d.rows, all}, log_p, logits);
  *loss = -array(log_p, d.rows, all).col(0).sum();
  const auto l = array(logits, d.rows, all);
  Eigen::Map<Eigen::Array<Flag, Eigen::Dynamic, 1>>(correct, d.rows) =
      (l.col(0) == l.rowwise().maxCoeff() && l.col(0) != l.rowwise().minCoeff()).cast<Flag>();
}

inline void sampled_contrastive_backward(const Exec& e, ContrastDims d, Grad<float> dcontext, Grad<float> dtarget,
                                         const float* dloss, const float* logits, const float* context, const float* target,
                                         const Index32* negatives, float temperature, float eps) {
  const Index all = 1 + d.negatives, n = all * d.rows;
  const std::vector<Index32> rows = candidate_rows(d, negatives);
  const Temporary candidates(n * d.width), slopes(n * d.width), cosines(n), dcosines(n), p(n);
  array(p, n) = array(logits, n);
  softmax_rows({d.rows, all}, p);
  array(p, d.rows, all).col(0) -= 1;
  array(dcosines, all, d.rows) = array(p, d.rows, all).transpose() * (*dloss / temperature);
  own().gather_rows_forward(e, {d.candidates, d.width}, n, candidates, target, rows.data());
  own().cosine_forward(e, {d.rows, d.width}, all, cosines, context, candidates, eps);
  own().cosine_backward(e, {d.rows, d.width}, all, dcontext, {slopes, GradMode::overwrite}, dcosines, cosines, context,
                        candidates, eps);
  array(dtarget.data, d.candidates * d.width).setZero();
  pass(d.width, [&](Index c, Index m) {  // columns apart: rows may meet
    for (Index i = 0; i < n; ++i)
      row(dtarget.data + rows[static_cast<std::size_t>(i)] * d.width + c, m) += row(slopes + i * d.width + c, m);
  });
}

/// u [n, E] = the given rows of z over their lengths
inline void unit_rows(PairDims d, Index n, float* u, const float* z, const float* norm, const Index32* rows) {
  gather_rows_forward({}, {d.rows, d.width}, n, u, z, rows);
  pass(n, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i) row(u + i * d.width, d.width) /= norm[rows[i]];
  });
}

inline void transpose(RowDims d, float* y, const float* x) {
  pass(d.cols, [&](Index c, Index m) { array(y + c * d.rows, m, d.rows) = array(x + c, d.rows, m, d.cols).transpose(); });
}

/// positives [n, m]: 1 where the ids are equal
inline void positives(PairDims d, float* p, const Index32* first, const Index32* second, const Index32* id) {
  pass(d.first, [&](Index r, Index m) {
    for (Index i = r; i < r + m; ++i)
      for (Index j = 0; j < d.second; ++j) p[i * d.second + j] = float(id[first[i]] == id[second[j]]);
  });
}

/// All scores; a, b: the unit vectors of both sets, norm [R]: the lengths.
inline void pair_scores(PairDims d, float* scores, float* norm, float* a, float* b, const float* z, const Index32* first,
                        const Index32* second, float temperature, float eps) {
  lengths({d.rows, d.width}, norm, z, eps);
  unit_rows(d, d.first, a, z, norm, first);
  unit_rows(d, d.second, b, z, norm, second);
  product(scores, d.second, array(static_cast<const float*>(a), d.first, d.width).matrix(),
          array(static_cast<const float*>(b), d.second, d.width).matrix().transpose());
  pass(d.first * d.second, [&](Index i, Index m) { array(scores + i, m) /= temperature; });
}

/// lines are not kept: backward makes all scores again.
inline void pair_contrastive_forward(const Exec& e, PairDims d, float* loss, float*, const float* z, const Index32* first,
                                     const Index32* second, const Index32* id, float temperature, float eps) {
  const Index n = d.first * d.second;
  const Temporary a(d.first * d.width), b(d.second * d.width), norm(d.rows), scores(n), along_rows(n), turned(n),
      along_columns(n), same(n);
  pair_scores(d, scores, norm, a, b, z, first, second, temperature, eps);
  log_softmax_forward(e, {d.first, d.second}, along_rows, static_cast<const float*>(scores));
  transpose({d.first, d.second}, turned, scores);
  log_softmax_forward(e, {d.second, d.first}, turned, static_cast<const float*>(turned));
  transpose({d.second, d.first}, along_columns, turned);
  positives(d, same, first, second, id);
  *loss = -(array(same, n) * (array(along_rows, n) + array(along_columns, n))).sum() / (2 * array(same, n).sum());
}

/// The norm counts as a constant.
inline void pair_contrastive_backward(const Exec&, PairDims d, bool, Grad<float> dz, const float* dloss, const float*,
                                      const float* z, const Index32* first, const Index32* second, const Index32* id,
                                      float temperature, float eps) {
  const Index n = d.first * d.second;
  const Temporary a(d.first * d.width), b(d.second * d.width), da(d.first * d.width), db(d.second * d.width), norm(d.rows),
      scores(n), dscores(n), p(n), turned(n), same(n);
  pair_scores(d, scores, norm, a, b, z, first, second, temperature, eps);
  positives(d, same, first, second, id);
  const float factor = *dloss / (2 * temperature * array(same, n).sum());
  pass(n, [&](Index i, Index m) { array(p + i, m) = array(static_cast<const float*>(scores) + i, m); });
  softmax_rows({d.first, d.second}, p);
  transpose({d.first, d.second}, turned, scores);
  softmax_rows({d.second, d.first}, turned);
  // the softmax of a row counts once for each of its positives
  const auto slope_of = [&](RowDims dims, float* probabilities, const float* ones) {
    const Temporary counts(dims.rows);
    pass(dims.rows,
         [&](Index r, Index m) { array(counts + r, m) = array(ones + r * dims.cols, m, dims.cols).rowwise().sum(); });
    pass(dims.rows,
         [&](Index r, Index m) { array(probabilities + r * dims.cols, m, dims.cols).colwise() *= array(counts + r, m); });
  };
  const Temporary same_turned(n), columns(n);
  transpose({d.first, d.second}, same_turned, same);
  slope_of({d.first, d.second}, p, same);
  slope_of({d.second, d.first}, turned, same_turned);
  transpose({d.second, d.first}, columns, turned);
  pass(n, [&](Index i, Index m) {
    array(dscores + i, m) = (array(p + i, m) + array(columns + i, m) - 2 * array(same + i, m)) * factor;
  });
  const auto ds = array(static_cast<const float*>(dscores), d.first, d.second).matrix();
  product(da, d.width, ds, array(static_cast<const float*>(b), d.second, d.width).matrix());
  product(db, d.width, ds.transpose(), array(static_cast<const float*>(a), d.first, d.width).matrix());
  pass(d.rows * d.width, [&](Index i, Index m) { array(dz.data + i, m).setZero(); });
  for (Index i = 0; i < d.first; ++i)
    row(dz.data + first[i] * d.width, d.width) += row(da + i * d.width, d.width) / norm[first[i]];
  for (Index j = 0; j < d.second; ++j)
    row(dz.data + second[j] * d.width, d.width) += row(db + j * d.width, d.width) / norm[second[j]];
}

}  // namespace anylead::composed
