// The first block of the feature extractor, out of leads as they are recorded. @see ops/conv1d.hpp
//
// A term of the convolution's sum is a tap of a lead that is kept. A tile of z, some frames of a vector of channels, stays in
// registers while the terms run: samples are read where they lie in the recording [B, C, T], each for a whole vector; nobody
// turns, masks or copies the recording first. Tasks are stripes of channels of a segment. Forward, a stripe of z stays in the
// second cache between the sums of its norm and the GELU, and memory sees the recording and y alone. Backward takes tiles of z
// anew, since they cost less than z would to read, makes of them n and u, and multiplies those with the samples at once:
//
//   u = dy gelu'(n w + b), n = (z - mean) rstd;  dz = (u w - mean(u w) - n mean(u w n)) rstd
//   dweight = sum over segments of rstd (w U - mean(u w) S - mean(u w n) N),  U = u^T X, N = n^T X, S = sum of the rows of X
//
// with X [T', terms] the samples of each frame, as difference from each lead's first: dz sums to 0 over a segment, so that this
// changes nothing but the rounding, where a signal's mean is large.
#pragma once

#include <cmath>

#include <anylead/cpu/conv1d.hpp>

namespace anylead::cpu_ops {

namespace detail {

inline constexpr Index kLeadStripe = 64;  // channels of a task

/// Frames of a tile.
template <Isa isa, class T>
inline constexpr Index kLeadRows = isa == Isa::avx512 && sizeof(T) == 4 ? 12 : 4;

/// The sum of a stripe of a segment: z[t] = sum over terms of x[term][t stride] weight[term].
template <class T>
struct LeadTerms {
  Index count, stride;
  const T* const* x;       ///< [count]
  const T* const* weight;  ///< [count], of this stripe
};

/// kRows frames from t on, of the vector of channels from c on.
template <Index kRows, class V, class T>
ANYLEAD_SIMD void lead_tile(typename V::Raw (&z)[kRows], const LeadTerms<T>& terms, Index t, Index c, typename V::Raw start) {
#pragma GCC unroll 12
  for (Index i = 0; i < kRows; ++i) z[i] = start;
  for (Index p = 0; p < terms.count; ++p) {
    const T* x = terms.x[p] + t * terms.stride;
    const auto w = load_as<V>(terms.weight[p] + c).raw;
#pragma GCC unroll 12
    for (Index i = 0; i < kRows; ++i) z[i] = z[i] + x[i * terms.stride] * w;
  }
}

/// A stripe of a segment on its way forward. Its vectors are whole: what lies behind its width is 0.
template <class T>
struct LeadForward {
  LeadTerms<T> terms;
  Index time, width, vectors_width, pitch;
  const T *bias, *weight, *shift;  ///< [vectors_width]
  T *z, *mean, *rstd;              ///< [time, vectors_width], [vectors_width]
  T* y;                            ///< rows [width], pitch apart
  T eps;
};

struct LeadForwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(T*, const LeadForward<T>* task) {
    const LeadForward<T> s = *task;
    constexpr Index rows = kLeadRows<isa, T>;
    Index t = 0;
    std::fill(s.mean, s.mean + s.vectors_width, T(0));
    for (; t + rows <= s.time; t += rows) products<isa, rows>(s, t);
    for (; t < s.time; ++t) products<isa, 1>(s, t);
    const T share = T(1) / static_cast<T>(s.time);
    for (Index c = 0; c < s.vectors_width; ++c) s.mean[c] *= share;
    std::fill(s.rstd, s.rstd + s.vectors_width, T(0));
    for (Index first = 0; first < s.time; first += kSumRows) {
      const Index last = first + kSumRows < s.time ? first + kSumRows : s.time;
      for_lanes<isa, T>(s.vectors_width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
        const auto m = at(s.mean);
        Vec<T, register_bytes(isa)> squares = {};
        for (Index r = first; r < last; ++r) {
          const auto v = at(s.z + r * s.vectors_width) - m;
          squares += v * v;
        }
        at.store(s.rstd, at(s.rstd) + squares);
      });
    }
    for (Index c = 0; c < s.vectors_width; ++c) s.rstd[c] = T(1) / std::sqrt(s.rstd[c] * share + s.eps);
    NormalizeColumnsPass::run<isa>(s.time, s.width, true, s.y, s.pitch, static_cast<const T*>(s.z), s.vectors_width,
                                   ColumnNorm<T>{s.mean, s.rstd, s.weight, s.shift});
  }

 private:
  /// kRows frames of z, and their sums.
  template <Isa isa, Index kRows, class T>
  ANYLEAD_SIMD static void products(const LeadForward<T>& s, Index t) {
    using V = Vec<T, register_bytes(isa)>;
    for (Index c = 0; c < s.vectors_width; c += V::lanes) {
      typename V::Raw z[kRows];
      lead_tile<kRows, V>(z, s.terms, t, c, load_as<V>(s.bias + c).raw);
      typename V::Raw sum = z[0];
#pragma GCC unroll 12
      for (Index i = 1; i < kRows; ++i) sum = sum + z[i];
#pragma GCC unroll 12
      for (Index i = 0; i < kRows; ++i) store(s.z + (t + i) * s.vectors_width + c, V{z[i]});
      store(s.mean + c, load_as<V>(s.mean + c) + V{sum});
    }
  }
};

/// The same backward. The sums start as 0.
template <class T>
struct LeadBackward {
  LeadTerms<T> terms;
  Index time, width, vectors_width, pitch;
  const T *mean, *rstd, *weight, *shift;  ///< [vectors_width]
  const T* dy;                            ///< rows [width], pitch apart
  T *u, *n;                               ///< [terms, vectors_width]: sums over frames of u and n times the term's samples
  T *sum_u, *sum_un, *sum_n;              ///< [vectors_width]
};

struct LeadBackwardPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(T*, const LeadBackward<T>* task) {
    const LeadBackward<T> s = *task;
    constexpr Index rows = kLeadRows<isa, T>;
    Index t = 0;
    for (; t + rows <= s.time; t += rows) frames<isa, rows>(s, t);
    for (; t < s.time; ++t) frames<isa, 1>(s, t);
  }

 private:
  template <Isa isa, Index kRows, class T>
  ANYLEAD_SIMD static void frames(const LeadBackward<T>& s, Index t) {
    using V = Vec<T, register_bytes(isa)>;
    for_lanes<isa, T>(s.width, [&](auto at) ANYLEAD_SIMD_LAMBDA {
      typename V::Raw z[kRows], u[kRows];
      lead_tile<kRows, V>(z, s.terms, t, at.i, typename V::Raw{});
      const V m = load_as<V>(s.mean + at.i), r = load_as<V>(s.rstd + at.i), w = load_as<V>(s.weight + at.i);
      const V shift = load_as<V>(s.shift + at.i);
      V sum_u = load_as<V>(s.sum_u + at.i), sum_un = load_as<V>(s.sum_un + at.i), sum_n = load_as<V>(s.sum_n + at.i);
      for (Index i = 0; i < kRows; ++i) {
        const V n = (V{z[i]} - m) * r, v = n * w + shift;
        const V slope = at(s.dy + (t + i) * s.pitch) * gelu_slope(v, normal(v));
        sum_u += slope;
        sum_un += slope * n;
        sum_n += n;
        z[i] = n.raw;
        u[i] = slope.raw;
      }
      store(s.sum_u + at.i, sum_u);
      store(s.sum_un + at.i, sum_un);
      store(s.sum_n + at.i, sum_n);
      for (Index p = 0; p < s.terms.count; ++p) {
        const T* x = s.terms.x[p] + t * s.terms.stride;
        T *to_u = s.u + p * s.vectors_width + at.i, *to_n = s.n + p * s.vectors_width + at.i;
        auto total_u = load_as<V>(to_u).raw, total_n = load_as<V>(to_n).raw;
#pragma GCC unroll 12
        for (Index i = 0; i < kRows; ++i) {
          const T sample = x[i * s.terms.stride];
          total_u = total_u + sample * u[i];
          total_n = total_n + sample * z[i];
        }
        store(to_u, V{total_u});
        store(to_n, V{total_n});
      }
    });
  }
};

/// Rows of weights by term, and what is padded to whole vectors beside them.
template <class T>
class LeadWeights {
 public:
  /// Keeps working memory of this thread until the next is made.
  LeadWeights(const Conv1dDims& d, const T* weight, const T* bias, const T* norm_weight, const T* norm_bias)
      : width_((d.out + kLanes<T> - 1) / kLanes<T> * kLanes<T>), terms_(d.in * d.taps) {
    struct Room;
    T* const all = scratch<Room, T>((terms_ + 3) * width_);
    data_ = all;
    parallel_for(terms_ + 3, 8, [&](Index begin, Index end) {
      const T* const rows[] = {bias, norm_weight, norm_bias};
      for (Index p = begin; p < end; ++p)
        for (Index k = 0; k < width_; ++k) {
          const T* const row = p < terms_ ? weight + p : rows[p - terms_];
          all[p * width_ + k] = k < d.out && row ? row[p < terms_ ? k * terms_ : k] : T(0);
        }
    });
  }

  Index width() const { return width_; }
  const T* term(Index p) const { return data_ + p * width_; }  ///< tap l of lead c is term c L + l
  const T* bias() const { return term(terms_); }
  const T* norm_weight() const { return term(terms_ + 1); }
  const T* norm_bias() const { return term(terms_ + 2); }

 private:
  Index width_, terms_;
  const T* data_;
};

/// Calls f(segment, first channel, channels, whole vectors of them) for every task, in parallel.
template <class T, class F>
void for_lead_stripes(const Conv1dDims& d, F&& f) {
  const Index stripes = (d.out + kLeadStripe - 1) / kLeadStripe;
  parallel_for(d.batch * stripes, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index c = i % stripes * kLeadStripe, width = std::min(kLeadStripe, d.out - c);
      f(i / stripes, c, width, (width + kLanes<T> - 1) / kLanes<T> * kLanes<T>);
    }
  });
}

/// Calls f(sizes, segment, its frames with zeros for masked leads) for one segment after the other: for blocks whose norm knows
/// no time, which are left to their parts without much memory. Once where there is no segment, too.
template <class T, class F>
void for_masked_segments(const Exec& exec, Conv1dDims d, const T* x, const Flag* keep, F&& f) {
  struct Masked;
  const Index batch = d.batch, size = d.time * d.in;
  T* const masked = scratch<Masked, T>(size);
  d.batch = std::min<Index>(1, batch);
  for (Index b = 0; b == 0 || b < batch; ++b) {
    lead_mask_forward<T>(exec, {d.batch, d.in, d.time}, masked, x + b * size, keep ? keep + b * d.in : nullptr);
    f(d, b, static_cast<const T*>(masked));
  }
}

}  // namespace detail

template <class T>
void lead_conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, T* y, T* mean, T* rstd, const T* x,
                                   const Flag* keep, const T* weight, const T* bias, const T* norm_weight, const T* norm_bias,
                                   T eps) {
  d.precision = Precision::full;
  if (norm != BlockNorm::group) {
    detail::for_masked_segments(exec, d, x, keep, [&](const Conv1dDims& own, Index b, const T* masked) {
      T* const to = y + b * own.out_time() * own.out;  // z is in the place of y until its norm is known
      const Index s = norm == BlockNorm::layer ? b * own.out_time() : 0;
      conv1d_norm_gelu_forward<T>(exec, own, norm, to, to, mean + s, rstd + s, masked, weight, bias, norm_weight, norm_bias,
                                  eps);
    });
    return;
  }
  const detail::LeadWeights<T> weights(d, weight, bias, norm_weight, norm_bias);
  const Index time = d.out_time();
  detail::for_lead_stripes<T>(d, [&](Index b, Index c, Index width, Index whole) {
    struct Room;
    struct Terms;
    const T** const rows = scratch<Terms, const T*>(2 * d.in * d.taps);
    detail::LeadTerms<T> terms = {0, d.stride, rows, rows + d.in * d.taps};
    for (Index p = 0; p < d.in * d.taps; ++p) {
      if (keep && !keep[b * d.in + p / d.taps]) continue;
      rows[terms.count] = x + (b * d.in + p / d.taps) * d.time + p % d.taps;
      rows[d.in * d.taps + terms.count++] = weights.term(p) + c;
    }
    T *own = scratch<Room, T>((time + 2) * whole), *own_rstd = own + whole, *z = own_rstd + whole;
    const detail::LeadForward<T> task = {terms,
                                         time,
                                         width,
                                         whole,
                                         d.out,
                                         weights.bias() + c,
                                         weights.norm_weight() + c,
                                         weights.norm_bias() + c,
                                         z,
                                         own,
                                         own_rstd,
                                         y + b * time * d.out + c,
                                         eps};
    with_isa<detail::LeadForwardPass>(z, &task);
    std::copy_n(own, width, mean + b * d.out + c);
    std::copy_n(own_rstd, width, rstd + b * d.out + c);
  });
}

template <class T>
void lead_conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<T> dweight, Grad<T> dbias,
                                    Grad<T> dnorm_weight, Grad<T> dnorm_bias, const T* dy, const T* x, const Flag* keep,
                                    const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, const T* mean,
                                    const T* rstd) {
  d.precision = Precision::full;
  const Index time = d.out_time(), all_terms = d.in * d.taps;
  if (norm != BlockNorm::group) {
    struct Frames;
    const Index n = time * d.out;
    T *const z = scratch<Frames, T>(2 * n), *const dz = z + n;
    detail::for_masked_segments(exec, d, x, keep, [&](const Conv1dDims& own, Index b, const T* masked) {
      const Index s = norm == BlockNorm::layer ? b * time : 0;
      conv1d_forward<T>(exec, own, z, masked, weight, bias);
      conv1d_norm_gelu_backward<T>(exec, own, norm, {}, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy + b * n, masked, z,
                                   weight, norm_weight, norm_bias, mean + s, rstd + s);
      for (Grad<T>* g : {&dweight, &dbias, &dnorm_weight, &dnorm_bias})
        if (*g) g->mode = GradMode::accumulate;
    });
    return;
  }
  struct Parts;
  const detail::LeadWeights<T> weights(d, weight, bias, norm_weight, norm_bias);
  const Index sums = all_terms + 3, part_size = sums * d.out;  // of a segment: dweight by terms, dbias, sums of u n and u
  T* const parts = scratch<Parts, T>(d.batch * part_size);
  detail::for_lead_stripes<T>(d, [&](Index b, Index c, Index width, Index whole) {
    struct Room;
    struct Terms;
    const T** const rows = scratch<Terms, const T*>(2 * all_terms);
    detail::LeadTerms<T> terms = {0, d.stride, rows, rows + all_terms};
    T* const u = scratch<Room, T>((2 * all_terms + 5) * whole + d.in * d.time);
    T *n = u + all_terms * whole, *sum_u = n + all_terms * whole, *sum_un = sum_u + whole, *sum_n = sum_un + whole,
      *m = sum_n + whole, *s = m + whole, *moved = s + whole;
    std::fill(u, m, T(0));
    for (Index k = 0; k < whole; ++k) {
      m[k] = k < width ? mean[b * d.out + c + k] - weights.bias()[c + k] : T(0);
      s[k] = k < width ? rstd[b * d.out + c + k] : T(0);
    }
    for (Index lead = 0; lead < d.in; ++lead) {
      if (keep && !keep[b * d.in + lead]) continue;
      const T *from = x + (b * d.in + lead) * d.time, first = from[0];
      T* const to = moved + lead * d.time;
      for (Index t = 0; t < d.time; ++t) to[t] = from[t] - first;
      for (Index l = 0; l < d.taps; ++l) {
        const T* w = weights.term(lead * d.taps + l) + c;
        rows[terms.count] = to + l;
        rows[all_terms + terms.count++] = w;
        for (Index k = 0; k < width; ++k) m[k] -= w[k] * first;
      }
    }
    const detail::LeadBackward<T> task = {
        terms, time, width, whole,  d.out, m, s, weights.norm_weight() + c, weights.norm_bias() + c, dy + b * time * d.out + c,
        u,     n,    sum_u, sum_un, sum_n};
    with_isa<detail::LeadBackwardPass>(u, &task);
    T* const part = parts + b * part_size + c;
    const T* w = weights.norm_weight() + c;
    for (Index k = 0; k < width; ++k) {
      part[all_terms * d.out + k] = -s[k] * sum_un[k] * w[k] / static_cast<T>(time) * sum_n[k];
      part[(all_terms + 1) * d.out + k] = sum_un[k];
      part[(all_terms + 2) * d.out + k] = sum_u[k];
    }
    Index kept = 0;
    for (Index p = 0; p < all_terms; ++p) {
      T* const to = part + p * d.out;
      if (keep && !keep[b * d.in + p / d.taps]) {
        std::fill(to, to + width, T(0));
        continue;
      }
      T lane[8] = {};  // of a sum that a chain of additions would take long for
      for (Index t = 0; t < time; ++t) lane[t % 8] += rows[kept][t * d.stride];
      const T samples = ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
      for (Index k = 0; k < width; ++k)
        to[k] =
            s[k] * w[k] * (u[kept * whole + k] - (sum_u[k] * samples + sum_un[k] * n[kept * whole + k]) / static_cast<T>(time));
      ++kept;
    }
  });
  parallel_for(sums, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Grad<T> to = i < all_terms ? dweight : i == all_terms ? dbias : i == all_terms + 1 ? dnorm_weight : dnorm_bias;
      if (!to) continue;
      for (Index k = 0; k < d.out; ++k) {
        T total = 0;
        for (Index b = 0; b < d.batch; ++b) total += parts[b * part_size + i * d.out + k];
        deliver(to, i < all_terms ? k * all_terms + i : k, total);
      }
    }
  });
}

}  // namespace anylead::cpu_ops
