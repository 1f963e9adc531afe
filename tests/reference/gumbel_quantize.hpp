#pragma once

#include "reference/similarity.hpp"

namespace anylead::reference {

inline Index argmax(const double* x, Index n) {
  Index best = 0;
  for (Index i = 1; i < n; ++i)
    if (x[i] > x[best]) best = i;
  return best;
}

inline std::vector<double> softmax(const double* x, Index n) {
  std::vector<double> p(x, x + n);
  const double l = log_sum_exp(x, n);
  for (double& v : p) v = std::exp(v - l);
  return p;
}

/// exp of the entropy of p, with the reference's 1e-7 inside the logarithm.
inline double perplexity_of(const double* p, Index n) {
  double entropy = 0;
  for (Index i = 0; i < n; ++i) entropy -= p[i] * std::log(p[i] + 1e-7);
  return std::exp(entropy);
}

inline void gumbel_quantize_forward(const Exec&, QuantizeDims d, bool shared, double* y, Index32* codes, double* usage,
                                    double* perplexity, const double* logits, const double* noise, const double* vars) {
  const Index all = d.groups * d.entries;
  for (Index i = 0; i < 2 * all; ++i) usage[i] = 0;
  for (Index r = 0; r < d.rows; ++r)
    for (Index g = 0; g < d.groups; ++g) {
      const Index o = r * all + g * d.entries;
      const std::vector<double> p = softmax(logits + o, d.entries);
      std::vector<double> noisy(logits + o, logits + o + d.entries);
      for (Index v = 0; v < d.entries; ++v) {
        usage[g * d.entries + v] += p[static_cast<std::size_t>(v)] / static_cast<double>(d.rows);
        if (noise) noisy[static_cast<std::size_t>(v)] += noise[o + v];
      }
      usage[all + g * d.entries + argmax(logits + o, d.entries)] += 1 / static_cast<double>(d.rows);
      const Index code = argmax(noisy.data(), d.entries);
      codes[r * d.groups + g] = static_cast<Index32>(code);
      for (Index c = 0; c < d.width; ++c)
        y[(r * d.groups + g) * d.width + c] = vars[((shared ? 0 : g * d.entries) + code) * d.width + c];
    }
  for (Index kind = 0; kind < 2; ++kind) {
    perplexity[kind] = 0;
    for (Index g = 0; g < d.groups; ++g)
      perplexity[kind] += perplexity_of(usage + (kind * d.groups + g) * d.entries, d.entries);
  }
}

inline void gumbel_quantize_backward(const Exec&, QuantizeDims d, bool shared, Grad<double> dlogits, Grad<double> dvars,
                                     const double* dy, const double* dperplexity, const double* logits, const double* noise,
                                     const double* vars, const Index32* codes, const double* usage, double tau) {
  const Index all = d.groups * d.entries;
  std::vector<double> gl = zeros(d.rows * all), gv = zeros((shared ? d.entries : all) * d.width);
  for (Index r = 0; r < d.rows; ++r)
    for (Index g = 0; g < d.groups; ++g) {
      const Index o = r * all + g * d.entries, first = shared ? 0 : g * d.entries;
      const double* from = dy ? dy + (r * d.groups + g) * d.width : nullptr;
      for (Index c = 0; c < d.width && dy; ++c)
        gv[static_cast<std::size_t>((first + codes[r * d.groups + g]) * d.width + c)] += from[c];
      if (dy && noise) {
        std::vector<double> x = zeros(d.entries);
        for (Index v = 0; v < d.entries; ++v) x[static_cast<std::size_t>(v)] = (logits[o + v] + noise[o + v]) / tau;
        const std::vector<double> p = softmax(x.data(), d.entries);
        double mean = 0;
        for (Index v = 0; v < d.entries; ++v)
          mean += p[static_cast<std::size_t>(v)] * dot(from, vars + (first + v) * d.width, d.width);
        for (Index v = 0; v < d.entries; ++v)
          gl[static_cast<std::size_t>(o + v)] +=
              p[static_cast<std::size_t>(v)] * (dot(from, vars + (first + v) * d.width, d.width) - mean) / tau;
      }
      if (dperplexity) {  // usage is the mean over rows of p = softmax(logits); d perplexity / d usage = slope
        const std::vector<double> p = softmax(logits + o, d.entries);
        const double* u = usage + g * d.entries;
        std::vector<double> slope = zeros(d.entries);
        double mean = 0;
        for (Index v = 0; v < d.entries; ++v) {
          slope[static_cast<std::size_t>(v)] =
              -perplexity_of(u, d.entries) * (std::log(u[v] + 1e-7) + u[v] / (u[v] + 1e-7)) * *dperplexity;
          mean += p[static_cast<std::size_t>(v)] * slope[static_cast<std::size_t>(v)];
        }
        for (Index v = 0; v < d.entries; ++v)
          gl[static_cast<std::size_t>(o + v)] +=
              p[static_cast<std::size_t>(v)] * (slope[static_cast<std::size_t>(v)] - mean) / static_cast<double>(d.rows);
      }
    }
  put(dlogits, gl);
  put(dvars, gv);
}

}  // namespace anylead::reference
