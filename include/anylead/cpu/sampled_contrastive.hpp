// Cosine logits against sampled rows; negatives are never copied. @see ops/sampled_contrastive.hpp
#pragma once

#include <anylead/cpu/similarity.hpp>

namespace anylead::cpu_ops {

struct RowNormPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index width, T* norm, const T* x) {
    for (Index r = 0; r < rows; ++r) norm[r] = std::sqrt(dot<isa>(x + r * width, x + r * width, width));
  }
};

/// Euclidean length of each row.
template <class T>
void row_norms(Index rows, Index width, T* norm, const T* x) {
  parallel_for(rows, row_grain(width),
               [&](Index begin, Index end) { with_isa<RowNormPass>(end - begin, width, norm + begin, x + begin * width); });
}

struct ContrastRowPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(ContrastDims d, Index r, T* logits, T* loss, Flag* correct, const T* context, const T* target,
                               const Index32* negatives, const Index32* codes, Index code_groups, T context_norm,
                               const T* target_norm, T temperature, T eps, T* scratch) {
    constexpr T kNone = -std::numeric_limits<T>::infinity();
    const T scale = T(1) / (at_least(eps, context_norm) * temperature);
    T best = kNone, worst = -kNone;
    for (Index n = 0; n <= d.negatives; ++n) {
      const Index j = n == 0 ? r : negatives[n - 1];
      bool equal = n > 0;
      if (n > 0 && codes)
        for (Index g = 0; g < code_groups; ++g) equal = equal && codes[j * code_groups + g] == codes[r * code_groups + g];
      else if (n > 0)
        for (Index c = 0; equal && c < d.width; ++c) equal = target[j * d.width + c] == target[r * d.width + c];
      logits[n] = equal ? kNone : dot<isa>(context, target + j * d.width, d.width) * scale / at_least(eps, target_norm[j]);
      best = logits[n] > best ? logits[n] : best;
      worst = logits[n] < worst ? logits[n] : worst;
    }
    *loss = row_exp<isa>(scratch, logits, d.negatives + 1).value() - logits[0];
    *correct = logits[0] == best && logits[0] != worst;
  }
};

template <class T>
void sampled_contrastive_forward(const Exec&, ContrastDims d, T* loss, T* logits, Flag* correct, const T* context,
                                 const T* target, const Index32* negatives, const Index32* codes, Index code_groups,
                                 T temperature, T eps) {
  struct Norms;
  struct Losses;
  struct Exps;
  T* norms = scratch<Norms, T>(d.rows + d.candidates);
  T* losses = scratch<Losses, T>(d.rows);
  row_norms(d.rows, d.width, norms, context);
  row_norms(d.candidates, d.width, norms + d.rows, target);
  parallel_for(d.rows, 8, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      with_isa<ContrastRowPass>(d, r, logits + r * (1 + d.negatives), losses + r, correct + r, context + r * d.width, target,
                                negatives + r * d.negatives, codes, code_groups, norms[r],
                                static_cast<const T*>(norms + d.rows), temperature, eps, scratch<Exps, T>(1 + d.negatives));
  });
  double total = 0;
  for (Index r = 0; r < d.rows; ++r) total += double(losses[r]);
  *loss = static_cast<T>(total);
}

struct ContrastSlopePass {
  /// slopes [1 + N] = (softmax(logits) - one at 0) * factor
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index n, T* slopes, const T* logits, T factor) {
    const T scale = factor / row_exp<isa>(slopes, logits, n).sum;
    for_lanes<isa, T>(n, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(slopes, at(slopes) * scale); });
    slopes[0] -= factor;
  }
};

struct ContrastColumnsPass {
  /// Columns [0, width) of dcontext and dtarget, all rows in order.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(ContrastDims d, Index width, Grad<T> dcontext, T* dtarget, const T* slopes, const T* logits,
                               const T* context, const T* target, const Index32* negatives, const T* norms, T temperature,
                               T eps) {
    const T* target_norm = norms + d.rows;
    for (Index r = 0; r < d.rows; ++r) {
      const T *a = slopes + r * (1 + d.negatives), *l = logits + r * (1 + d.negatives);
      const T own = norms[r], own_bounded = at_least(eps, own);
      const T* c = context + r * d.width;
      T dc[64] = {};
      T shrink = 0;  // along the context itself: the cosine does not change with its length
      for (Index n = 0; n <= d.negatives; ++n) {
        if (a[n] == T(0) || l[n] == -std::numeric_limits<T>::infinity()) continue;  // the same candidate as the target
        const Index j = n == 0 ? r : negatives[r * d.negatives + n - 1];
        const T bounded = at_least(eps, target_norm[j]), cross = a[n] / (own_bounded * bounded), cosine = l[n] * temperature;
        shrink += a[n] * cosine;
        const T back = target_norm[j] > eps ? a[n] * cosine / (bounded * bounded) : T(0);
        const T* y = target + j * d.width;
        T* dy = dtarget ? dtarget + j * d.width : nullptr;
        for_lanes<isa, T>(width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
          at.store(dc, at(dc) + at(y) * cross);
          if (dy) at.store(dy, at(dy) + at(c) * cross - at(y) * back);
        });
      }
      const T along = own > eps ? shrink / (own * own) : T(0);
      for_lanes<isa, T>(width,
                        [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, dcontext, r * d.width, at(dc) - at(c) * along); });
    }
  }
};

template <class T>
void sampled_contrastive_backward(const Exec& exec, ContrastDims d, Grad<T> dcontext, Grad<T> dtarget, const T* dloss,
                                  const T* logits, const T* context, const T* target, const Index32* negatives, T temperature,
                                  T eps) {
  struct Norms;
  struct Slopes;
  const Index n = 1 + d.negatives;
  T* norms = scratch<Norms, T>(d.rows + d.candidates);
  T* slopes = scratch<Slopes, T>(d.rows * n);
  row_norms(d.rows, d.width, norms, context);
  row_norms(d.candidates, d.width, norms + d.rows, target);
  const T factor = *dloss / temperature;
  parallel_for(d.rows, 32, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) with_isa<ContrastSlopePass>(n, slopes + r * n, logits + r * n, factor);
  });
  if (dtarget && !dtarget.accumulates()) fill(exec, d.candidates * d.width, dtarget.data, T(0));
  parallel_for(d.width, 64, [&](Index begin, Index end) {
    with_isa<ContrastColumnsPass>(d, end - begin, advanced(dcontext, begin), dtarget ? dtarget.data + begin : dtarget.data,
                                  static_cast<const T*>(slopes), logits, context + begin, target + begin, negatives,
                                  static_cast<const T*>(norms), temperature, eps);
  });
}

}  // namespace anylead::cpu_ops
