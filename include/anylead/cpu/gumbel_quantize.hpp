// The product quantiser as a row pick. @see ops/gumbel_quantize.hpp
#pragma once

#include <anylead/cpu/gemm.hpp>
#include <anylead/cpu/similarity.hpp>

namespace anylead::cpu_ops {

inline constexpr Index kQuantizeRows = 32;
inline constexpr double kPerplexityEpsilon = 1e-7;

struct SoftmaxSumPass {
  static constexpr bool kOnce = true;
  /// Adds softmax of one group's logits to sums [V]; e [V] is scratch.
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index entries, T* sums, const T* logits, T* e) {
    const T inverse = T(1) / row_exp<isa>(e, logits, entries).sum;
    for_lanes<isa, T>(entries, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(sums, at(sums) + at(e) * inverse); });
  }
};

template <class T>
Index argmax(const T* x, const T* noise, Index n) {
  Index best = 0;
  T value = noise ? x[0] + noise[0] : x[0];
  for (Index i = 1; i < n; ++i)
    if (const T v = noise ? x[i] + noise[i] : x[i]; v > value) {
      best = i;
      value = v;
    }
  return best;
}

template <class T>
void gumbel_quantize_forward(const Exec&, QuantizeDims d, bool shared, T* y, Index32* codes, T* usage, T* perplexity,
                             const T* logits, const T* noise, const T* vars) {
  struct Partials;
  struct Exps;
  const Index all = d.groups * d.entries, chunks = (d.rows + kQuantizeRows - 1) / kQuantizeRows;
  T* partials = scratch<Partials, T>(chunks * 2 * all);
  parallel_for(d.rows, kQuantizeRows, [&](Index begin, Index end) {
    T* soft = partials + begin / kQuantizeRows * 2 * all;
    std::fill(soft, soft + 2 * all, T(0));
    for (Index r = begin; r < end; ++r)
      for (Index g = 0; g < d.groups; ++g) {
        const T* row = logits + r * all + g * d.entries;
        with_isa<SoftmaxSumPass>(d.entries, soft + g * d.entries, row, scratch<Exps, T>(d.entries));
        const Index plain = argmax(row, static_cast<const T*>(nullptr), d.entries);
        soft[all + g * d.entries + plain] += T(1);
        const Index code = noise ? argmax(row, noise + r * all + g * d.entries, d.entries) : plain;
        codes[r * d.groups + g] = static_cast<Index32>(code);
        std::copy_n(vars + ((shared ? 0 : g * d.entries) + code) * d.width, d.width, y + (r * d.groups + g) * d.width);
      }
  });
  for (Index i = 0; i < 2 * all; ++i) {
    T total = 0;
    for (Index c = 0; c < chunks; ++c) total += partials[c * 2 * all + i];
    usage[i] = d.rows ? total / static_cast<T>(d.rows) : T(0);
  }
  for (Index kind = 0; kind < 2; ++kind) {
    double total = 0;
    for (Index g = 0; g < d.groups; ++g) {
      double entropy = 0;
      for (Index v = 0; v < d.entries; ++v) {
        const double p = double(usage[(kind * d.groups + g) * d.entries + v]);
        entropy -= p * std::log(p + kPerplexityEpsilon);
      }
      total += std::exp(entropy);
    }
    perplexity[kind] = static_cast<T>(total);
  }
}

struct QuantizeBackwardPass {
  static constexpr bool kOnce = true;
  /// d logits of one group: straight-through softmax with temperature (if scores), and the perplexity's slope (if not null).
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index entries, Grad<T> dlogits, const T* logits, const T* noise, const T* scores, const T* slope,
                               T tau, T* soft) {
    const T inverse_tau = T(1) / tau;
    Index o = 0;
    if (scores) {
      for_lanes<isa, T>(entries, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(soft, (at(logits) + at(noise)) * inverse_tau); });
      row_softmax<isa>(soft, soft, entries);
      const T along = dot<isa>(soft, scores, entries);
      for_lanes<isa, T>(entries, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        deliver(at, dlogits, o, at(soft) * (at(scores) - along) * inverse_tau);
      });
      dlogits.mode = GradMode::accumulate;
    }
    if (slope) {
      row_softmax<isa>(soft, logits, entries);
      const T along = dot<isa>(soft, slope, entries);
      for_lanes<isa, T>(entries, [&](auto at) ANYLEAD_SIMD_LAMBDA { deliver(at, dlogits, o, at(soft) * (at(slope) - along)); });
      dlogits.mode = GradMode::accumulate;
    }
    if (dlogits.mode == GradMode::overwrite)  // neither reaches the logits
      std::fill_n(dlogits.data, entries, T(0));
  }
};

template <class T>
void gumbel_quantize_backward(const Exec&, QuantizeDims d, bool shared, Grad<T> dlogits, Grad<T> dvars, const T* dy,
                              const T* dperplexity, const T* logits, const T* noise, const T* vars, const Index32* codes,
                              const T* usage, T tau) {
  const Index all = d.groups * d.entries, y_width = d.groups * d.width;
  if (dvars) {
    if (!dvars.accumulates()) std::fill_n(dvars.data, (shared ? d.entries : all) * d.width, T(0));
    if (dy)
      parallel_for(d.width, 16, [&](Index begin, Index end) {  // columns apart: rows of one code never race
        for (Index r = 0; r < d.rows; ++r)
          for (Index g = 0; g < d.groups; ++g) {
            T* to = dvars.data + ((shared ? 0 : g * d.entries) + codes[r * d.groups + g]) * d.width;
            const T* from = dy + r * y_width + g * d.width;
            for (Index c = begin; c < end; ++c) to[c] += from[c];
          }
      });
  }
  if (!dlogits) return;
  struct Slope;
  struct Scores;
  struct Soft;
  T* slope = nullptr;
  if (dperplexity && d.rows > 0) {
    slope = scratch<Slope, T>(all);
    for (Index g = 0; g < d.groups; ++g) {
      double entropy = 0;
      for (Index v = g * d.entries; v < (g + 1) * d.entries; ++v)
        entropy -= double(usage[v]) * std::log(double(usage[v]) + kPerplexityEpsilon);
      const double outer = -std::exp(entropy) * double(*dperplexity) / static_cast<double>(d.rows);
      for (Index v = g * d.entries; v < (g + 1) * d.entries; ++v) {
        const double p = double(usage[v]);
        slope[v] = static_cast<T>(outer * (std::log(p + kPerplexityEpsilon) + p / (p + kPerplexityEpsilon)));
      }
    }
  }
  const bool through = dy && noise;
  parallel_for(d.rows, kQuantizeRows, [&](Index begin, Index end) {
    T* soft = scratch<Soft, T>(d.entries);
    T* scores = scratch<Scores, T>(kQuantizeRows * d.entries);
    for (Index g = 0; g < d.groups; ++g) {
      if (through)  // scores [rows, V]: how much each entry would help
        gemm_serial(Gemm<T>{.m = end - begin,
                            .n = d.entries,
                            .k = d.width,
                            .a = dy + begin * y_width + g * d.width,
                            .lda = y_width,
                            .op_a = MatrixOp::none,
                            .b = vars + (shared ? 0 : g * d.entries * d.width),
                            .ldb = d.width,
                            .op_b = MatrixOp::transpose,
                            .c = scores,
                            .ldc = d.entries});
      for (Index r = begin; r < end; ++r) {
        const Index o = r * all + g * d.entries;
        with_isa<QuantizeBackwardPass>(d.entries, advanced(dlogits, o), logits + o, noise ? noise + o : noise,
                                       through ? scores + (r - begin) * d.entries : static_cast<T*>(nullptr),
                                       slope ? slope + g * d.entries : slope, tau, soft);
      }
    }
  });
}

}  // namespace anylead::cpu_ops
