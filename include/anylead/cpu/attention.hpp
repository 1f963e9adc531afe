// Attention, one (segment, head) per task: the scores of a block of queries stay in cache. @see ops/attention.hpp
#pragma once

#include <anylead/cpu/gemm.hpp>
#include <anylead/cpu/similarity.hpp>

namespace anylead::cpu_ops {

/// Queries whose scores are in memory at a time: at the model's 156 frames all of them.
inline constexpr Index kQueryRows = 192;

/// Rows whose factors of dropout are drawn at a time: drawing begins and ends inside a block of random numbers.
inline constexpr Index kFactorRows = 16;

/// Calls row(r, factors of the row) for rows 0 .. rows - 1 of `time` numbers each, whose first has the given number.
template <Isa isa, class T, class F>
ANYLEAD_SIMD void with_factors(Index rows, Index time, const Dropout& dropout, std::uint64_t number, T* factors, F&& row) {
  for (Index first = 0; first < rows; first += kFactorRows) {
    const Index last = std::min(rows, first + kFactorRows);
    if (dropout.p != 0)
      dropout_factors<isa>(factors, dropout, number + static_cast<std::uint64_t>(first * time), (last - first) * time);
    for (Index r = first; r < last; ++r) row(r, factors + (r - first) * time);
  }
}

/// Scores of keys that are padding: no probability.
template <class T>
ANYLEAD_SIMD void mask_scores(Index time, T* scores, const Flag* padding) {
  if (padding)
    for (Index j = 0; j < time; ++j) scores[j] = padding[j] ? -std::numeric_limits<T>::infinity() : scores[j];
}

struct SoftmaxRowsPass {
  /// scores -> probabilities of rows `row` .. `row + rows - 1` (dropped out), and their log-sum-exp.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index time, T* scores, T* logsum, const Flag* padding, Dropout dropout,
                               std::uint64_t number, T* factors) {
    constexpr T kNone = -std::numeric_limits<T>::infinity();
    with_factors<isa>(rows, time, dropout, number, factors, [&](Index r, const T* kept) ANYLEAD_SIMD_LAMBDA {
      T* s = scores + r * time;
      mask_scores(time, s, padding);
      const RowLogSum<T> l = row_exp<isa>(s, s, time);
      const bool any = l.max != kNone;
      logsum[r] = any ? l.value() : T(0);
      const T inverse = T(1) / l.sum;
      for_lanes<isa, T>(time, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        auto p = at(s) * inverse;
        if (dropout.p != 0) p *= at(kept);
        at.store(s, p);
      });
    });
  }
};

struct AttentionBackwardRowsPass {
  /// scores -> dropped probabilities; dscores (gradient of these) -> gradient of the scores, times `factor`.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index time, T* scores, T* dscores, const T* logsum, const T* dy, const T* y,
                               Index stride, Index width, const Flag* padding, Dropout dropout, std::uint64_t number, T factor,
                               T* factors) {
    with_factors<isa>(rows, time, dropout, number, factors, [&](Index r, const T* kept) ANYLEAD_SIMD_LAMBDA {
      T *s = scores + r * time, *ds = dscores + r * time;
      mask_scores(time, s, padding);
      const T delta = dot<isa>(dy + r * stride, y + r * stride, width);  // = sum of P dP, dropped out or not
      for_lanes<isa, T>(time, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const auto p = exp_nonpositive(at(s) - logsum[r]);
        auto dp = at(ds), dropped = p;
        if (dropout.p != 0) {
          const auto f = at(kept);
          dp *= f;
          dropped *= f;
        }
        at.store(s, dropped);
        at.store(ds, p * (dp - delta) * factor);
      });
    });
  }
};

/// to [rows, T] = alpha a b^T of a head: some rows of a and all of b, as they lie between those of other heads.
template <class T>
void head_scores(const AttentionDims& d, Index rows, T* to, const T* a, const T* b, T alpha) {
  const Index stride = d.heads * d.head_width;
  gemm_serial(Gemm<T>{.m = rows,
                      .n = d.time,
                      .k = d.head_width,
                      .a = a,
                      .lda = stride,
                      .op_a = MatrixOp::none,
                      .b = b,
                      .ldb = stride,
                      .op_b = MatrixOp::transpose,
                      .c = to,
                      .ldc = d.time,
                      .alpha = alpha,
                      .precision = d.precision});
}

/// Rows of a head, one for each row of op(s): to = op(s) b, or to +=. s [rows, T] has scores of some rows; b has all T rows of
/// the head, or (transposed) those of s.
template <class T>
void head_sums(const AttentionDims& d, Index rows, Grad<T> to, const T* s, MatrixOp op, const T* b) {
  if (!to) return;
  const Index stride = d.heads * d.head_width;
  const bool turned = op == MatrixOp::transpose;
  gemm_serial(Gemm<T>{.m = turned ? d.time : rows,
                      .n = d.head_width,
                      .k = turned ? rows : d.time,
                      .a = s,
                      .lda = d.time,
                      .op_a = op,
                      .b = b,
                      .ldb = stride,
                      .op_b = MatrixOp::none,
                      .c = to.data,
                      .ldc = stride,
                      .accumulate = to.accumulates(),
                      .precision = d.precision});
}

template <class T>
void attention_forward(const Exec&, AttentionDims d, T* y, T* logsum, const T* q, const T* k, const T* v, const Flag* padding,
                       Dropout dropout) {
  const Index stride = d.heads * d.head_width, time = d.time, block = std::min(time, kQueryRows);
  const T factor = static_cast<T>(1 / std::sqrt(static_cast<double>(d.head_width)));
  parallel_for(d.batch * d.heads, 1, [&](Index begin, Index end) {
    struct Scores;
    struct Factors;
    T* scores = scratch<Scores, T>(block * time);
    T* factors = scratch<Factors, T>(kFactorRows * time);
    for (Index i = begin; i < end; ++i) {
      const Index b = i / d.heads, o = b * time * stride + i % d.heads * d.head_width;
      for (Index first = 0; first < time; first += block) {
        const Index rows = std::min(block, time - first);
        head_scores(d, rows, scores, q + o + first * stride, k + o, factor);
        with_isa<SoftmaxRowsPass>(rows, time, scores, logsum + i * time + first, padding ? padding + b * time : padding,
                                  dropout, static_cast<std::uint64_t>((i * time + first) * time), factors);
        head_sums(d, rows, Grad<T>{y + o + first * stride, GradMode::overwrite}, scores, MatrixOp::none, v + o);
      }
    }
  });
}

template <class T>
void attention_backward(const Exec&, AttentionDims d, Grad<T> dq, Grad<T> dk, Grad<T> dv, const T* dy, const T* y,
                        const T* logsum, const T* q, const T* k, const T* v, const Flag* padding, Dropout dropout) {
  const Index stride = d.heads * d.head_width, time = d.time, width = d.head_width, block = std::min(time, kQueryRows);
  const T factor = static_cast<T>(1 / std::sqrt(static_cast<double>(width)));
  parallel_for(d.batch * d.heads, 1, [&](Index begin, Index end) {
    struct Scores;
    struct ScoreGradients;
    struct Factors;
    T* scores = scratch<Scores, T>(block * time);
    T* dscores = scratch<ScoreGradients, T>(block * time);
    T* factors = scratch<Factors, T>(kFactorRows * time);
    for (Index i = begin; i < end; ++i) {
      const Index b = i / d.heads, o = b * time * stride + i % d.heads * width;
      Grad<T> own_dv = advanced(dv, o), own_dk = advanced(dk, o);
      for (Index first = 0; first < time; first += block) {
        const Index rows = std::min(block, time - first), from = o + first * stride;
        head_scores(d, rows, scores, q + from, k + o, factor);
        head_scores(d, rows, dscores, dy + from, v + o, T(1));
        with_isa<AttentionBackwardRowsPass>(rows, time, scores, dscores, logsum + i * time + first, dy + from, y + from, stride,
                                            width, padding ? padding + b * time : padding, dropout,
                                            static_cast<std::uint64_t>((i * time + first) * time), factor, factors);
        head_sums(d, rows, own_dv, scores, MatrixOp::transpose, dy + from);
        head_sums(d, rows, advanced(dq, from), dscores, MatrixOp::none, k + o);
        head_sums(d, rows, own_dk, dscores, MatrixOp::transpose, q + from);
        for (Grad<T>* g : {&own_dv, &own_dk})
          if (*g) g->mode = GradMode::accumulate;  // further queries
      }
    }
  });
}

struct AttentionWeightsPass {
  /// weights += probabilities of one head, or = those of the first one; those of the last one make them the mean.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index time, T* weights, T* scores, const T* logsum, const Flag* padding, Index head,
                               Index heads) {
    const T share = head + 1 == heads ? T(1) / static_cast<T>(heads) : T(1);
    for (Index r = 0; r < rows; ++r, weights += time, scores += time) {
      mask_scores(time, scores, padding);
      for_lanes<isa, T>(time, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        auto p = exp_nonpositive(at(scores) - logsum[r]);
        if (head > 0) p += at(weights);
        at.store(weights, p * share);
      });
    }
  }
};

template <class T>
void attention_weights(const Exec&, AttentionDims d, T* weights, const T* logsum, const T* q, const T* k, const Flag* padding) {
  constexpr Index kRows = 64;
  const Index stride = d.heads * d.head_width, time = d.time, blocks = (time + kRows - 1) / kRows;
  const T factor = static_cast<T>(1 / std::sqrt(static_cast<double>(d.head_width)));
  parallel_for(d.batch * blocks, 1, [&](Index begin, Index end) {
    struct Scores;
    T* scores = scratch<Scores, T>(kRows * time);
    for (Index i = begin; i < end; ++i) {
      const Index b = i / blocks, first = i % blocks * kRows, rows = std::min(kRows, time - first);
      for (Index h = 0; h < d.heads; ++h) {
        const Index o = b * time * stride + h * d.head_width;
        head_scores(d, rows, scores, q + o + first * stride, k + o, factor);
        with_isa<AttentionWeightsPass>(rows, time, weights + (b * time + first) * time, scores,
                                       logsum + (b * d.heads + h) * time + first, padding ? padding + b * time : padding, h,
                                       d.heads);
      }
    }
  });
}

}  // namespace anylead::cpu_ops
