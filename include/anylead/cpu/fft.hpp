// Fourier transforms of many signals at once: lane i of a vector belongs to signal i, so no shuffle is ever needed.
#pragma once

#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

/// A complex transform of n values, n a power of two: X(f) = sum_t x(t) exp(-2 pi i f t / n).
/// In place, radix 4 (and one radix 2), decimation in frequency; X(f) ends at place position(f).
template <class T>
class Fft {
 public:
  explicit Fft(Index n) : n_(n), cosine_(static_cast<std::size_t>(n)), sine_(cosine_.size()), position_(cosine_.size()) {
    for (Index i = 0; i < n; ++i) {
      const double angle = 6.283185307179586476925 * static_cast<double>(i) / static_cast<double>(n);
      cosine_[static_cast<std::size_t>(i)] = static_cast<T>(std::cos(angle));
      sine_[static_cast<std::size_t>(i)] = static_cast<T>(std::sin(angle));
      position_[static_cast<std::size_t>(i)] = static_cast<Index32>(place(i, n));
    }
  }

  Index size() const { return n_; }
  /// Where X(f) is, 0 <= f < n.
  Index position(Index f) const { return position_[static_cast<std::size_t>(f)]; }

  /// re, im: [n, kLanes] each, in place. The inverse, times n, is the same with re and im exchanged.
  template <Isa isa>
  ANYLEAD_SIMD void run(T* re, T* im) const {
    using V = Vec<T, register_bytes(isa)>;
    for (Index lane = 0; lane < kLanes<T>; lane += V::lanes) run_lanes<V>(re + lane, im + lane);
  }

 private:
  /// One register's lanes of all n values.
  template <class V>
  ANYLEAD_SIMD void run_lanes(T* re, T* im) const {
    Index m = n_;
    for (; m > 4; m /= 4)
      for (Index block = 0; block < n_; block += m)
        radix4<V, true>(re + block * kLanes<T>, im + block * kLanes<T>, m / 4, n_ / m);
    if (m == 4)
      for (Index block = 0; block < n_; block += 4) radix4<V, false>(re + block * kLanes<T>, im + block * kLanes<T>, 1, 0);
    if (m == 2)
      for (Index i = 0; i < n_; i += 2) {
        T *r = re + i * kLanes<T>, *s = im + i * kLanes<T>;
        const V r0 = load_as<V>(r), r1 = load_as<V>(r + kLanes<T>), s0 = load_as<V>(s), s1 = load_as<V>(s + kLanes<T>);
        store(r, r0 + r1);
        store(s, s0 + s1);
        store(r + kLanes<T>, r0 - r1);
        store(s + kLanes<T>, s0 - s1);
      }
  }

  static Index place(Index f, Index n) { return n <= 2 ? f : f % 4 * (n / 4) + place(f / 4, n / 4); }

  /// One round on 4 q values: y_r(j) = w^(r j) sum_s (-i)^(r s) x(j + s q), w = exp(-2 pi i / (4 q)); `step` n-ths of a turn
  /// make one step of w. Without turns: all w are 1.
  template <class V, bool kTurns>
  ANYLEAD_SIMD void radix4(T* re, T* im, Index q, Index step) const {
    const Index quarter = q * kLanes<T>;
    for (Index j = 0; j < q; ++j, re += kLanes<T>, im += kLanes<T>) {
      const V r0 = load_as<V>(re), r1 = load_as<V>(re + quarter), r2 = load_as<V>(re + 2 * quarter),
              r3 = load_as<V>(re + 3 * quarter);
      const V s0 = load_as<V>(im), s1 = load_as<V>(im + quarter), s2 = load_as<V>(im + 2 * quarter),
              s3 = load_as<V>(im + 3 * quarter);
      const V ra = r0 + r2, sa = s0 + s2, rb = r0 - r2, sb = s0 - s2;
      const V rc = r1 + r3, sc = s1 + s3, rd = s1 - s3, sd = r3 - r1;  // d = -i (x1 - x3)
      store(re, ra + rc);
      store(im, sa + sc);
      turn<V, kTurns>(re + quarter, im + quarter, rb + rd, sb + sd, j * step);
      turn<V, kTurns>(re + 2 * quarter, im + 2 * quarter, ra - rc, sa - sc, 2 * j * step);
      turn<V, kTurns>(re + 3 * quarter, im + 3 * quarter, rb - rd, sb - sd, 3 * j * step);
    }
  }

  /// Stores x exp(-2 pi i k / n).
  template <class V, bool kTurns>
  ANYLEAD_SIMD void turn(T* re, T* im, const V& r, const V& s, Index k) const {
    if constexpr (!kTurns) {
      store(re, r);
      store(im, s);
      return;
    }
    const T c = cosine_[static_cast<std::size_t>(k)], d = sine_[static_cast<std::size_t>(k)];
    store(re, r * c + s * d);
    store(im, s * c - r * d);
  }

  Index n_;
  std::vector<T> cosine_, sine_;
  std::vector<Index32> position_;
};

/// The transform of 2^log2_size values, made at its first use and kept.
template <class T>
const Fft<T>& fft(Index log2_size) {
  struct Made {
    std::once_flag once;
    std::unique_ptr<const Fft<T>> fft;
  };
  static Made made[31];
  Made& mine = made[log2_size];
  std::call_once(mine.once, [&] { mine.fft = std::make_unique<const Fft<T>>(Index{1} << log2_size); });
  return *mine.fft;
}

}  // namespace anylead::cpu_ops
