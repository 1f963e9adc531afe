// Grouped convolutions with long kernels, stride 1, by Fourier transforms (128 taps: 7 to 10 times fewer operations than sums).
//
// A signal is cut into blocks that one transform of N values covers; lanes of a vector are channels, and two real signals make
// one complex one. In the frequency domain each of the N / 2 + 1 bins is a small complex product of matrices:
//   Y(f) [rows, K/G]  = X(f) [rows, C/G] conj W(f) [C/G, K/G]      forward, rows = segments x blocks
//   dX(f) [rows, C/G] = dY(f) [rows, K/G] W(f) [K/G, C/G]          gradient of the input
//   dW(f) [K/G, C/G]  = conj dY(f)^T [K/G, rows] X(f) [rows, C/G]  gradient of the weight
// A conjugate is the transform of the signal read backwards, so all three are plain products. One group at a time: its spectra
// are scratch, except those of taps that were prepared for inference. Short signals (T + padding <= N) need one block, since
// what wraps around meets only zeros; longer ones overlap by L - 1 frames and keep the outputs that nothing wraps into. Frame i
// of x sits at position i + padding, as in the padded signal, and tap l at l: spectra of taps depend on N alone.
#pragma once

#include <algorithm>

#include <anylead/core/dims.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/cpu/fft.hpp>
#include <anylead/cpu/scratch.hpp>
#include <anylead/cpu/transpose.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// Some real signals side by side, one a lane, and their place in a transform: value i of lane v is
/// data[i frame_stride + v lane_stride]; it sits at position (start + i) mod N, or (start - i) mod N if backwards.
/// One of the strides is 1.
template <class T>
struct Signals {
  T* data = nullptr;
  Index frame_stride = 0, lane_stride = 0, count = 0, start = 0;
  bool backwards = false;
  Index lanes = 0;

  ANYLEAD_SIMD Index position(Index i, Index n) const { return (backwards ? start - i : start + i) & (n - 1); }
};

/// Spectra of real signals: bins of `slots` complex vectors, real and imaginary part side by side.
template <class T>
struct Spectra {
  T* data;
  Index bin;  ///< values from a bin to the next

  static constexpr Index kSlot = 2 * kLanes<T>;
  static Index bin_size(Index slots) { return (slots | 1) * kSlot; }  // odd: bins fall into different sets of the cache
  ANYLEAD_SIMD T* at(Index f, Index slot) const { return data + f * bin + slot * kSlot; }
};

/// Where imaginary parts begin in the working memory of a transform: not a power of two behind the real ones, whose sets of the
/// cache they would share.
template <class T>
constexpr Index imaginary(Index n) {
  return (n + 1) * kLanes<T>;
}

// Values lie in rows of kLanes, a cache line each, whatever the registers; passes go through them register by register.

/// to [N, kLanes] = signals at their places, zeros elsewhere.
struct ReadPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(T* to, Signals<const T> from, Index n) {
    using V = Vec<T, register_bytes(isa)>;
    if (from.count < n) std::memset(to, 0, static_cast<std::size_t>(n * kLanes<T>) * sizeof(T));
    if (from.lane_stride == 1) {
      const T* data = from.data;
      for (Index i = 0; i < from.count; ++i, data += from.frame_stride) {
        T* row = to + from.position(i, n) * kLanes<T>;
        for (Index lane = 0; lane < kLanes<T>; lane += V::lanes)
          store(row + lane, Lanes<T, register_bytes(isa)>{lane, std::max<Index>(0, from.lanes - lane)}(data));
      }
      return;
    }
    for (Index i = 0; i < from.count; i += V::lanes)
      for (Index lane = 0; lane < kLanes<T>; lane += V::lanes) {
        const Lanes<T, register_bytes(isa)> at = {i, from.count - i};
        typename V::Raw row[V::lanes] = {};
        for (Index v = 0; v < std::min(V::lanes, from.lanes - lane); ++v)
          row[v] = at(from.data + (lane + v) * from.lane_stride).raw;
        transpose<V::lanes>(row);
        for (Index j = 0; j < std::min(V::lanes, at.n); ++j) store(to + from.position(i + j, n) * kLanes<T> + lane, V{row[j]});
      }
  }
};

/// The other way, times `scale`, plus bias (by lane, or null): assigns or adds.
struct WritePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Signals<T> to, const T* from, const Fft<T>* fft, T scale, const T* bias, bool add) {
    using V = Vec<T, register_bytes(isa)>;
    const Index n = fft->size();
    if (to.lane_stride == 1) {
      T* data = to.data;
      for (Index i = 0; i < to.count; ++i, data += to.frame_stride) {
        const T* row = from + fft->position(to.position(i, n)) * kLanes<T>;
        for (Index lane = 0; lane < to.lanes; lane += V::lanes) {
          const Lanes<T, register_bytes(isa)> at = {lane, to.lanes - lane};
          V v = load_as<V>(row + lane) * scale;
          if (bias) v += at(bias);
          if (add) v += at(data);
          at.store(data, v);
        }
      }
      return;
    }
    for (Index i = 0; i < to.count; i += V::lanes)
      for (Index lane = 0; lane < to.lanes; lane += V::lanes) {
        const Lanes<T, register_bytes(isa)> at = {i, to.count - i};
        typename V::Raw row[V::lanes] = {};
        for (Index j = 0; j < std::min(V::lanes, at.n); ++j)
          row[j] = load_as<V>(from + fft->position(to.position(i + j, n)) * kLanes<T> + lane).raw * scale;
        transpose<V::lanes>(row);
        for (Index v = 0; v < std::min(V::lanes, to.lanes - lane); ++v) {
          T* p = to.data + (lane + v) * to.lane_stride;
          at.store(p, add ? V{row[v]} + at(p) : V{row[v]});
        }
      }
  }
};

struct FftPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Fft<T>* fft, T* re, T* im) {
    fft->template run<isa>(re, im);
  }
};

/// Twice the spectra of a and b, at bins 0 .. N/2 of two slots. work: 2 N + 1 rows.
struct TransformPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Fft<T>* fft, Signals<const T> a, Signals<const T> b, Spectra<T> to, Index slot, T* work) {
    using V = Vec<T, register_bytes(isa)>;
    const Index n = fft->size();
    T *re = work, *im = work + imaginary<T>(n);
    with_isa<ReadPass>(isa, re, a, n);
    with_isa<ReadPass>(isa, im, b, n);
    with_isa<FftPass>(isa, fft, re, im);
    for (Index f = 0; f <= n / 2; ++f) {
      const Index p = fft->position(f) * kLanes<T>, q = fft->position((n - f) & (n - 1)) * kLanes<T>;
      for (Index lane = 0; lane < kLanes<T>; lane += V::lanes) {
        const V rp = load_as<V>(re + p + lane), sp = load_as<V>(im + p + lane);
        const V rq = load_as<V>(re + q + lane), sq = load_as<V>(im + q + lane);
        T* first = to.at(f, slot) + lane;
        store(first, rp + rq);
        store(first + kLanes<T>, sp - sq);
        if (b.lanes == 0) continue;
        store(first + to.kSlot, sp + sq);
        store(first + to.kSlot + kLanes<T>, rq - rp);
      }
    }
  }
};

/// The inverse of TransformPass, times `scale` (1 / N gives the signals): reads two slots, assigns or adds to a and b.
struct InversePass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(const Fft<T>* fft, Spectra<T> from, Index slot, Signals<T> a, Signals<T> b, T scale,
                               const T* bias, bool add, T* work) {
    using V = Vec<T, register_bytes(isa)>;
    const Index n = fft->size();
    T *re = work, *im = work + imaginary<T>(n);
    for (Index f = 0; f <= n / 2; ++f) {  // z = a + i b
      const Index at = f * kLanes<T>, mirror = ((n - f) & (n - 1)) * kLanes<T>;
      for (Index lane = 0; lane < kLanes<T>; lane += V::lanes) {
        const T* first = from.at(f, slot) + lane;
        const V ra = load_as<V>(first), sa = load_as<V>(first + kLanes<T>);
        const V rb = b.lanes == 0 ? V{} : load_as<V>(first + from.kSlot);
        const V sb = b.lanes == 0 ? V{} : load_as<V>(first + from.kSlot + kLanes<T>);
        store(re + mirror + lane, ra + sb);
        store(im + mirror + lane, rb - sa);
        store(re + at + lane, ra - sb);
        store(im + at + lane, sa + rb);
      }
    }
    with_isa<FftPass>(isa, fft, im, re);
    with_isa<WritePass>(isa, a, static_cast<const T*>(re), fft, scale, bias, add);
    with_isa<WritePass>(isa, b, static_cast<const T*>(im), fft, scale, bias, add);
  }
};

/// Where a scalar of `Spectra` is whose lanes and slots are channels: row r, channel c.
template <class T>
struct Scalars {
  Spectra<T> spectra;
  Index blocks;  ///< vectors of channels per row

  ANYLEAD_SIMD Index row_step() const { return blocks * Spectra<T>::kSlot; }
  ANYLEAD_SIMD static Index channel(Index c) { return c / kLanes<T> * Spectra<T>::kSlot + c % kLanes<T>; }
};

/// to(f, i) = sum over p < sums of a(f; i, p) b(f, first + p step), i < count, for every bin. a's scalar is (row i, channel p),
/// or (row p, channel i) if by_channel.
struct BinProductsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index bins, Index count, Index sums, Spectra<T> to, Scalars<T> a, bool by_channel, Spectra<T> b,
                               Index first, Index step) {
    using V = Vec<T, register_bytes(isa)>;
    constexpr Index rows = 4;  // with two registers each, two of b and a scalar or two, they fit the sixteen of every set
    const Index i_step = by_channel ? 1 : a.row_step();
    for (Index f = 0; f < bins; ++f)
      for (Index lane = 0; lane < kLanes<T>; lane += V::lanes) {
        Index i = 0;
        for (; i + rows <= count; i += rows) tile<V, rows>(f, lane, i, i_step, sums, to, a, by_channel, b, first, step);
        for (; i < count; ++i) tile<V, 1>(f, lane, i, i_step, sums, to, a, by_channel, b, first, step);
      }
  }

  template <class V, Index kRows, class T>
  ANYLEAD_SIMD static void tile(Index f, Index lane, Index i, Index i_step, Index sums, Spectra<T> to, const Scalars<T>& a,
                                bool by_channel, const Spectra<T>& b, Index first, Index step) {
    V re[kRows] = {}, im[kRows] = {};
    const T* scalars = a.spectra.at(f, 0) + (by_channel ? a.channel(i) : i * a.row_step());
    for (Index p = 0; p < sums; ++p) {
      const T* vector = b.at(f, first + p * step) + lane;
      const V br = load_as<V>(vector), bi = load_as<V>(vector + kLanes<T>);
      const T* x = scalars + (by_channel ? p * a.row_step() : a.channel(p));
#pragma GCC unroll 4
      for (Index r = 0; r < kRows; ++r, x += i_step) {
        re[r] += br * x[0];
        im[r] += bi * x[0];
        re[r] += bi * -x[kLanes<T>];
        im[r] += br * x[kLanes<T>];
      }
    }
#pragma GCC unroll 4
    for (Index r = 0; r < kRows; ++r) {
      T* y = to.at(f, i + r) + lane;
      store(y, re[r]);
      store(y + kLanes<T>, im[r]);
    }
  }
};

/// How signals are cut into blocks of one transform.
template <class T>
struct FftPlan {
  Conv1dDims d;
  Index out_time;  ///< frames of y that exist
  Index log2_size = 0;
  bool whole;  ///< one block covers a segment
  Index hop;   ///< frames that a block yields
  Index group_in, group_out, in_blocks, out_blocks;

  FftPlan(const Conv1dDims& dims, Index out)
      : d(dims),
        out_time(out),
        group_in(d.in / d.groups),
        group_out(d.out / d.groups),
        in_blocks((group_in + kLanes<T> - 1) / kLanes<T>),
        out_blocks((group_out + kLanes<T> - 1) / kLanes<T>) {
    whole = std::max(d.time + d.padding, out_time + d.taps - 1 - d.padding) <= 4 * d.taps;
    const Index least = whole ? std::max({d.time + d.padding, out_time + d.taps - 1 - d.padding, d.taps}) : 4 * d.taps;
    while (size() < least) ++log2_size;
    hop = size() - d.taps + 1;
  }

  Index size() const { return Index{1} << log2_size; }
  Index bins() const { return size() / 2 + 1; }
  Index blocks(Index time) const { return whole ? 1 : (time + hop - 1) / hop; }
  const Fft<T>& transform() const { return fft<T>(log2_size); }

  /// Lanes of vector v of `width` channels.
  static Index lanes(Index width, Index v) { return std::min(kLanes<T>, width - v * kLanes<T>); }

  /// Frames of one block, beginning at frame `first` (which may lie before 0), at most n of them.
  template <class U>
  Signals<U> frames(U* x, Index time, Index channels, Index first, Index n, Index start, bool backwards, Index lanes) const {
    const Index begin = std::max<Index>(0, first), end = std::min(time, first + n);
    return {x + begin * channels,
            channels,
            1,
            std::max<Index>(0, end - begin),
            start + (begin - first) * (backwards ? -1 : 1),
            backwards,
            lanes};
  }

  /// Block j of x, or of y backwards (for the weight's gradient).
  Signals<const T> input(const T* x, Index j, Index lanes) const {
    return frames(x, d.time, d.in, whole ? 0 : j * hop - d.padding, size(), whole ? d.padding : 0, false, lanes);
  }
  template <class U>
  Signals<U> output(U* y, Index j, bool backwards, Index lanes) const {
    return frames(y, out_time, d.out, whole ? 0 : j * hop, whole ? size() : hop, 0, backwards, lanes);
  }
  /// Block j of dy as the input's gradient needs it, and what it yields of dx.
  Signals<const T> output_around(const T* dy, Index j, Index lanes) const {
    return frames(dy, out_time, d.out, whole ? 0 : j * hop - (d.taps - 1) + d.padding, size(), 0, false, lanes);
  }
  Signals<T> input_gradient(T* dx, Index j, Index lanes) const {
    return whole ? frames(dx, d.time, d.in, 0, size(), d.padding, false, lanes)
                 : frames(dx, d.time, d.in, j * hop, hop, d.taps - 1, false, lanes);
  }
  /// Taps of lanes with the given stride.
  template <class U>
  Signals<U> taps(U* weight, Index lane_stride, bool backwards, Index lanes) const {
    return {weight, 1, lane_stride, d.taps, 0, backwards, lanes};
  }

  /// Spectra of the taps of vector v of group g's outputs, in an array [G, vectors] of them.
  Spectra<T> taps_of(T* prepared, Index g, Index v) const {
    const Index bin = Spectra<T>::bin_size(group_in);
    return {prepared + (g * out_blocks + v) * bins() * bin, bin};
  }
  Index prepared_size() const { return d.groups * out_blocks * bins() * Spectra<T>::bin_size(group_in); }
};

/// Calls f(slot, first, second) for pairs of the signals signal(0) .. signal(count - 1); the last of each `run` of them may be
/// alone. The two halves of a transform round each other's last bits, so signals of different segments are never paired where a
/// segment's numbers must not depend on its neighbours in the batch.
template <class Signal, class F>
void for_pairs(Index count, Index run, Signal&& signal, F&& f) {
  for (Index i = 0; i < count;) {
    const bool paired = (i + 1) % run != 0 && i + 1 < count;
    const auto first = signal(i);
    auto second = first;
    if (paired)
      second = signal(i + 1);
    else
      second.lanes = second.count = 0;
    f(i, first, second);
    i += paired ? 2 : 1;
  }
}

/// Scratch of one group and its steps. Purpose-typed buffers live as long as the thread.
template <class T>
class FftGroup {
 public:
  FftGroup(const FftPlan<T>& plan) : p_(plan), fft_(plan.transform()) {
    struct Work;
    work_ = scratch<Work, T>(2 * imaginary<T>(plan.size()));
  }

  template <class Purpose>
  Spectra<T> spectra(Index slots) const {
    const Index bin = Spectra<T>::bin_size(slots);
    return {scratch<Purpose, T>(p_.bins() * bin), bin};
  }

  template <class Signal>
  void transform(const Spectra<T>& to, Index count, Index run, Signal&& signal) const {
    for_pairs(count, run, signal,
              [&](Index slot, const Signals<const T>& a, const Signals<const T>& b) { transform_pair(to, slot, a, b); });
  }

  /// The taps of vector v of group g's outputs, for the products of the forward pass.
  void transform_taps(const Spectra<T>& to, const T* weight, Index g, Index v) const {
    const Index stride = p_.group_in * p_.d.taps, first = g * p_.group_out + v * kLanes<T>;
    transform(to, p_.group_in, p_.group_in, [&](Index c) {
      return p_.taps(weight + first * stride + c * p_.d.taps, stride, true, p_.lanes(p_.group_out, v));
    });
  }

  template <class Signal>
  void inverse(const Spectra<T>& from, Index count, Index run, Signal&& signal, const T* bias, bool add) const {
    const T scale = T(1) / static_cast<T>(4 * p_.size());  // each of two transforms gave twice the spectrum
    for_pairs(count, run, signal,
              [&](Index slot, const Signals<T>& a, const Signals<T>& b) { inverse_pair(from, slot, a, b, scale, bias, add); });
  }

  [[gnu::noinline]] void products(Index count, Index sums, const Spectra<T>& to, const Scalars<T>& a, bool by_channel,
                                  const Spectra<T>& b, Index first, Index step) const {
    with_isa<BinProductsPass>(p_.bins(), count, sums, to, a, by_channel, b, first, step);
  }

 private:
  // Not inlined: their arguments are copied at length, and would be at every call.
  [[gnu::noinline]] void transform_pair(const Spectra<T>& to, Index slot, const Signals<const T>& a,
                                        const Signals<const T>& b) const {
    with_isa<TransformPass>(&fft_, a, b, to, slot, work_);
  }
  [[gnu::noinline]] void inverse_pair(const Spectra<T>& from, Index slot, const Signals<T>& a, const Signals<T>& b, T scale,
                                      const T* bias, bool add) const {
    with_isa<InversePass>(&fft_, from, slot, a, b, scale, bias, add, work_);
  }

  const FftPlan<T>& p_;
  const Fft<T>& fft_;
  T* work_;
};

struct InputSpectra;
struct OutputSpectra;
struct TapSpectra;
struct ResultSpectra;

}  // namespace detail

/// Whether conv1d_fft_* compute this convolution.
inline bool conv1d_fft_applies(const Conv1dDims& d) { return d.stride == 1 && d.padding < d.taps; }

/// Whether they are also faster than products on overlapping rows. Measured with 16 groups of 16 and of 48 channels: from 5
/// taps on, with 15 taps 2.7 times, with 128 taps 13 to 15 times. Threads share groups, so there must be some.
inline bool conv1d_fft_pays(const Conv1dDims& d) { return conv1d_fft_applies(d) && d.taps >= 8 && d.groups >= 4; }

/// Values of the taps' spectra for the convolution below: equal where the spectra are.
template <class T>
Index conv1d_fft_prepared_size(const Conv1dDims& d, Index out_time) {
  return detail::FftPlan<T>(d, out_time).prepared_size();
}

/// prepared [conv1d_fft_prepared_size] = spectra of the taps of weight [K, C/G, L].
template <class T>
void conv1d_fft_prepare(const Conv1dDims& d, Index out_time, T* prepared, const T* weight) {
  const detail::FftPlan<T> p(d, out_time);
  parallel_for(d.groups, 1, [&](Index begin, Index end) {
    const detail::FftGroup<T> group(p);
    for (Index g = begin; g < end; ++g)
      for (Index v = 0; v < p.out_blocks; ++v) group.transform_taps(p.taps_of(prepared, g, v), weight, g, v);
  });
}

/// The first out_time frames of y [B, out_time, K] = convolution of x [B, T, C] with weight [K, C/G, L] + bias [K] (or null).
/// out_time <= T'. prepared: the spectra of the weight, which is not read then, or null. @see conv1d_fft_applies
template <class T>
void conv1d_fft_forward(const Conv1dDims& d, Index out_time, T* y, const T* x, const T* weight, const T* bias,
                        const T* prepared = nullptr) {
  const detail::FftPlan<T> p(d, out_time);
  parallel_for(d.groups, 1, [&](Index begin, Index end) {
    const detail::FftGroup<T> group(p);
    const Index blocks = p.blocks(out_time), rows = d.batch * blocks;
    const auto inputs = group.template spectra<detail::InputSpectra>(rows * p.in_blocks);
    const detail::Spectra<T> own_taps =
        prepared ? detail::Spectra<T>{} : group.template spectra<detail::TapSpectra>(p.group_in);
    const auto results = group.template spectra<detail::ResultSpectra>(rows);
    for (Index g = begin; g < end; ++g) {
      group.transform(inputs, rows * p.in_blocks, blocks * p.in_blocks, [&](Index i) {
        const Index row = i / p.in_blocks, v = i % p.in_blocks;
        return p.input(x + row / blocks * d.time * d.in + g * p.group_in + v * kLanes<T>, row % blocks, p.lanes(p.group_in, v));
      });
      for (Index v = 0; v < p.out_blocks; ++v) {
        const Index first = g * p.group_out + v * kLanes<T>, lanes = p.lanes(p.group_out, v);
        const auto taps = prepared ? p.taps_of(const_cast<T*>(prepared), g, v) : own_taps;  // prepared ones are only read
        if (!prepared) group.transform_taps(taps, weight, g, v);
        group.products(rows, p.group_in, results, {inputs, p.in_blocks}, false, taps, 0, 1);
        group.inverse(
            results, rows, blocks,
            [&](Index row) { return p.output(y + row / blocks * out_time * d.out + first, row % blocks, false, lanes); },
            bias ? bias + first : bias, false);
      }
    }
  });
}

/// Gradients of x and weight of the above from dy [B, out_time, K].
template <class T>
void conv1d_fft_backward(const Conv1dDims& d, Index out_time, Grad<T> dx, Grad<T> dweight, const T* dy, const T* x,
                         const T* weight) {
  const detail::FftPlan<T> p(d, out_time);
  const Index tap_stride = p.group_in * d.taps;
  parallel_for(d.groups, 1, [&](Index begin, Index end) {
    const detail::FftGroup<T> group(p);
    for (Index g = begin; g < end; ++g) {
      const Index first_in = g * p.group_in, first_out = g * p.group_out;
      const Index first_tap = first_out * tap_stride;
      if (dx) {
        const Index blocks = p.blocks(d.time), rows = d.batch * blocks;
        const auto outputs = group.template spectra<detail::OutputSpectra>(rows * p.out_blocks);
        const auto taps = group.template spectra<detail::TapSpectra>(p.group_out);
        const auto results = group.template spectra<detail::ResultSpectra>(rows);
        group.transform(outputs, rows * p.out_blocks, blocks * p.out_blocks, [&](Index i) {
          const Index row = i / p.out_blocks, v = i % p.out_blocks;
          return p.output_around(dy + row / blocks * out_time * d.out + first_out + v * kLanes<T>, row % blocks,
                                 p.lanes(p.group_out, v));
        });
        for (Index v = 0; v < p.in_blocks; ++v) {
          const Index lanes = p.lanes(p.group_in, v);
          group.transform(taps, p.group_out, p.group_out, [&](Index k) {
            return p.taps(weight + first_tap + k * tap_stride + v * kLanes<T> * d.taps, d.taps, false, lanes);
          });
          group.products(rows, p.group_out, results, {outputs, p.out_blocks}, false, taps, 0, 1);
          group.inverse(
              results, rows, blocks,
              [&](Index row) {
                return p.input_gradient(dx.data + row / blocks * d.time * d.in + first_in + v * kLanes<T>, row % blocks, lanes);
              },
              static_cast<const T*>(nullptr), dx.accumulates());
        }
      }
      if (dweight) {
        const Index blocks = p.blocks(out_time), rows = d.batch * blocks;
        const auto outputs = group.template spectra<detail::OutputSpectra>(rows * p.out_blocks);
        const auto inputs = group.template spectra<detail::InputSpectra>(rows * p.in_blocks);
        const auto results = group.template spectra<detail::ResultSpectra>(p.group_out);
        group.transform(outputs, rows * p.out_blocks, rows * p.out_blocks, [&](Index i) {
          const Index row = i / p.out_blocks, v = i % p.out_blocks;
          return p.output(dy + row / blocks * out_time * d.out + first_out + v * kLanes<T>, row % blocks, true,
                          p.lanes(p.group_out, v));
        });
        group.transform(inputs, rows * p.in_blocks, rows * p.in_blocks, [&](Index i) {
          const Index row = i / p.in_blocks, v = i % p.in_blocks;
          return p.input(x + row / blocks * d.time * d.in + first_in + v * kLanes<T>, row % blocks, p.lanes(p.group_in, v));
        });
        for (Index v = 0; v < p.in_blocks; ++v) {
          group.products(p.group_out, rows, results, {outputs, p.out_blocks}, true, inputs, v, p.in_blocks);
          T* to = dweight.data + first_tap + v * kLanes<T> * d.taps;
          group.inverse(
              results, p.group_out, p.group_out,
              [&](Index k) { return p.taps(to + k * tap_stride, d.taps, false, p.lanes(p.group_in, v)); },
              static_cast<const T*>(nullptr), dweight.accumulates());
        }
      }
    }
  });
}

}  // namespace anylead::cpu_ops
