// Vectors of 64 bytes on GCC's vector extensions: one body for every instruction set (core/isa.hpp), which the compiler cuts
// into the registers that the set has. Sums keep their lanes until the end, so every set adds in the same order.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <anylead/core/isa.hpp>
#include <anylead/core/types.hpp>

// Vectors never cross a function call, for everything here is inlined. Not popped: g++ warns at the end of the translation
// unit.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace anylead::cpu {

/// Lanes of a Vec<T>.
template <class T>
inline constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));

/// 64 bytes of T. Comparisons give a mask for `select`.
template <class T>
struct Vec {
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Raw __attribute__((vector_size(64)));
  typedef Integer Mask __attribute__((vector_size(64)));
  Raw raw;

  ANYLEAD_SIMD friend Vec operator+(Vec a, Vec b) { return {a.raw + b.raw}; }
  ANYLEAD_SIMD friend Vec operator-(Vec a, Vec b) { return {a.raw - b.raw}; }
  ANYLEAD_SIMD friend Vec operator*(Vec a, Vec b) { return {a.raw * b.raw}; }
  ANYLEAD_SIMD friend Vec operator/(Vec a, Vec b) { return {a.raw / b.raw}; }
  ANYLEAD_SIMD friend Vec operator+(Vec a, T b) { return {a.raw + b}; }
  ANYLEAD_SIMD friend Vec operator-(Vec a, T b) { return {a.raw - b}; }
  ANYLEAD_SIMD friend Vec operator*(Vec a, T b) { return {a.raw * b}; }
  ANYLEAD_SIMD friend Vec operator-(Vec a) { return {-a.raw}; }
  ANYLEAD_SIMD Vec& operator+=(Vec b) { return raw += b.raw, *this; }
  ANYLEAD_SIMD Vec& operator*=(Vec b) { return raw *= b.raw, *this; }
  ANYLEAD_SIMD friend Mask operator<(Vec a, T b) { return a.raw < b; }
  ANYLEAD_SIMD friend Mask operator>(Vec a, T b) { return a.raw > b; }
  ANYLEAD_SIMD friend Mask operator>(Vec a, Vec b) { return a.raw > b.raw; }
  ANYLEAD_SIMD friend Mask operator!=(Vec a, Vec b) { return a.raw != b.raw; }
};

template <class T>
ANYLEAD_SIMD Vec<T> broadcast(T x) {
  return {x - typename Vec<T>::Raw{}};
}

/// Lane by lane: mask ? a : b.
template <class T>
ANYLEAD_SIMD Vec<T> select(typename Vec<T>::Mask mask, Vec<T> a, Vec<T> b) {
  return {mask ? a.raw : b.raw};
}

template <class T>
ANYLEAD_SIMD Vec<T> max(Vec<T> a, Vec<T> b) {
  return select(a > b, a, b);
}

template <class T>
ANYLEAD_SIMD Vec<T> load(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
ANYLEAD_SIMD void store(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}

/// The first n < kLanes<T> values of p, then zeros; nothing behind p + n is touched.
template <class T>
ANYLEAD_SIMD Vec<T> load_tail(const T* p, Index n) {
  Vec<T> v = {};
  std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(T));
  return v;
}

template <class T>
ANYLEAD_SIMD void store_tail(T* p, Vec<T> v, Index n) {
  std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(T));
}

/// Sum of the lanes: halves are added to each other until one is left.
template <class T>
ANYLEAD_SIMD T sum(Vec<T> v) {
  T lane[kLanes<T>];
  std::memcpy(lane, &v, sizeof v);
  for (Index half = kLanes<T> / 2; half > 0; half /= 2)
    for (Index i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

/// Largest lane.
template <class T>
ANYLEAD_SIMD T max(Vec<T> v) {
  T lane[kLanes<T>];
  std::memcpy(lane, &v, sizeof v);
  for (Index half = kLanes<T> / 2; half > 0; half /= 2)
    for (Index i = 0; i < half; ++i) lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
  return lane[0];
}

/// Access to lanes i .. i + kLanes - 1 of arrays of n values: whole vectors inside, the existing lanes at the end.
template <class T>
struct Lanes {
  Index i, n;
  ANYLEAD_SIMD Vec<T> operator()(const T* p) const { return n - i >= kLanes<T> ? load(p + i) : load_tail(p + i, n - i); }
  ANYLEAD_SIMD void store(T* p, Vec<T> v) const { n - i >= kLanes<T> ? cpu::store(p + i, v) : store_tail(p + i, v, n - i); }
};

/// Calls f(at) with an `at` for each vector of [0, n): at(p) loads lanes (zeros behind the end), at.store(p, v) stores them.
template <class T, class F>
ANYLEAD_SIMD void for_lanes(Index n, F&& f) {
  Index i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) f(Lanes<T>{i, i + kLanes<T>});
  if (i < n) f(Lanes<T>{i, n});
}

/// Sum over i < n of f(at): f returns the vector of terms and must give 0 in lanes behind the end (it does where it is a
/// product of loaded values). Two accumulators.
template <class T, class F>
ANYLEAD_SIMD T sum_lanes(Index n, F&& f) {
  Vec<T> a = {}, b = {};
  Index i = 0;
  for (; i + 2 * kLanes<T> <= n; i += 2 * kLanes<T>) {
    a += f(Lanes<T>{i, i + kLanes<T>});
    b += f(Lanes<T>{i + kLanes<T>, i + 2 * kLanes<T>});
  }
  for (; i < n; i += kLanes<T>) a += f(Lanes<T>{i, i + kLanes<T> < n ? i + kLanes<T> : n});
  return sum(a + b);
}

#define ANYLEAD_SIMD_LAMBDA __attribute__((always_inline))  // between the parameters and the body of a lambda inside a pass

/// e^x. float: relative error below 2 units in the last place for |x| <= 87, 0 below -87.3, infinity above 88.7; NaN stays NaN.
/// double: below 2 ulp, 0 below -708.
/// Cody-Waite reduction x = n ln 2 + r, |r| <= ln(2)/2, and the Taylor polynomial of e^r.
template <class T>
ANYLEAD_SIMD Vec<T> exp(Vec<T> x) {
  using Raw = typename Vec<T>::Raw;
  using Bits = typename Vec<T>::Mask;
  constexpr bool single = sizeof(T) == 4;
  constexpr T low = single ? T(-87.3) : T(-708.3), high = single ? T(88.7) : T(709.7);
  const Vec<T> clamped = select(x < low, broadcast(low), select(x > high, broadcast(high), x));
  constexpr T magic =
      single ? T(12582912.0) : T(6755399441055744.0);  // 1.5 * 2^(mantissa bits): adding it rounds to an integer
  const Vec<T> n = (clamped * T(1.4426950408889634) + magic) - magic;
  constexpr T ln2_high = single ? T(0.693359375) : T(0.693147180369123816490);
  constexpr T ln2_low = single ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
  const Vec<T> r = (clamped - n * ln2_high) - n * ln2_low;
  constexpr int degree = single ? 7 : 13;
  constexpr double inverse_factorial[] = {
      1,         1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,
      1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};
  Vec<T> p = broadcast(T(inverse_factorial[degree]));
  for (int k = degree - 1; k >= 0; --k) p = p * r + T(inverse_factorial[k]);
  // 2^n in two halves: n may be 128, and 2^n then overflows although the product does not
  constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023;
  const Bits whole = __builtin_convertvector(n.raw, Bits);
  const Bits half = whole >> 1;
  const Vec<T> scale1 = {reinterpret_cast<Raw>((half + bias) << mantissa)};
  const Vec<T> scale2 = {reinterpret_cast<Raw>((whole - half + bias) << mantissa)};
  const Vec<T> y = p * scale1 * scale2;
  return select(x < low, Vec<T>{}, select(x > high, broadcast(std::numeric_limits<T>::infinity()), select(x != x, x, y)));
}

}  // namespace anylead::cpu
