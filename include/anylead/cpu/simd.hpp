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

namespace anylead::cpu_ops {

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
  /// v with zeros in the lanes behind the end.
  ANYLEAD_SIMD Vec<T> keep(Vec<T> v) const {
    if (n - i >= kLanes<T>) return v;
    Vec<T> kept = {};
    std::memcpy(&kept, &v, static_cast<std::size_t>(n - i) * sizeof(T));
    return kept;
  }
  ANYLEAD_SIMD void store(T* p, Vec<T> v) const { n - i >= kLanes<T> ? cpu_ops::store(p + i, v) : store_tail(p + i, v, n - i); }
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

/// Square root of x >= 0, relative error below 1 ulp (float: Newton's iteration on 1 / sqrt x from the usual estimate of its
/// bits and a last correction, since std::sqrt does not vectorise while it may set errno; double: std::sqrt).
template <class T>
ANYLEAD_SIMD Vec<T> sqrt(Vec<T> x) {
  if constexpr (sizeof(T) == 8) {
    for (Index i = 0; i < kLanes<T>; ++i) x.raw[i] = std::sqrt(x.raw[i]);
    return x;
  } else {
    using Raw = typename Vec<T>::Raw;
    using Bits = typename Vec<T>::Mask;
    const auto tiny = x < T(0x1p-100);
    const Vec<T> v = select(tiny, x * T(0x1p60), x);
    Vec<T> r = {reinterpret_cast<Raw>(0x5f3759df - (reinterpret_cast<Bits>(v.raw) >> 1))};
    for (int k = 0; k < 3; ++k) r = r * (broadcast(T(1.5)) - v * T(0.5) * r * r);
    Vec<T> s = v * r;
    s = s + r * T(0.5) * (v - s * s);
    return select(x > T(0), select(tiny, s * T(0x1p-30), s), Vec<T>{});
  }
}

/// Distribution function and density of the standard normal distribution.
template <class T>
struct Normal {
  Vec<T> cdf, density;
};

/// Phi(x) and phi(x), |x| at most 13 in float (38 in double), beyond which the tail is 0. Relative error below 8 ulp for x >
/// -1.5, and in the lower tail below 4 (1 + x^2 / 2) ulp (the rounding of x^2 / 2 is amplified). |x| < sqrt 2: Phi = 1/2 + t
/// erf(t) / (2 t), a polynomial in t^2, t = |x| / sqrt 2; beyond: exp(-t^2) erfcx(t) / 2 with (1 + 2 t) erfcx(t) as a
/// polynomial in (t - 4) / (t + 4) (the form of Shepherd and Laframboise 1981; coefficients: Chebyshev interpolation in 40
/// digits).
template <class T>
ANYLEAD_SIMD Normal<T> normal(Vec<T> x) {
  constexpr bool single = sizeof(T) == 4;
  constexpr double middle_single[] = {1.128379167061543415,     -0.376126384680287104,   0.1128378249523684454,
                                      -0.02686543072767024289,  0.005221031807858022797, -0.0008484080405535106294,
                                      0.0001126595902560660897, -9.667044571486996415e-6};
  constexpr double middle_double[] = {1.128379167095512574,     -0.3761263890318374806,   0.1128379167095487867,
                                      -0.02686617064507679325,  0.005223977624818014467,  -0.0008548326980833789905,
                                      0.0001205533111164271092, -1.492559526683118157e-5, 1.646100048412136803e-6,
                                      -1.635031270105469501e-7, 1.465977527404743581e-8,  -1.137284885679167367e-9,
                                      5.957176147748911404e-11};
  constexpr double tail_single[] = {1.232995066390590996,    -0.1396211715558108174, 0.01538787753463474397,
                                    0.06810216016541991025,  -0.1012426994984730701, 0.09357421543592304575,
                                    -0.06468326871576795402, 0.03879373259513027216, -0.02056023315522737235};
  constexpr double tail_double[] = {
      1.232995118625552412,     -0.1396211168405637714,  0.01537965210266019799,    0.06809705425484333586,
      -0.1010390660390862836,   0.0937328349935131528,   -0.0663303657378118995,    0.03716751559615282895,
      -0.01619773506310193858,  0.005031969780193209447, -0.0007577656147267304185, -0.0001992584152965337921,
      0.0001505872132401501147, -2.43801681116184325e-5, -1.113242950958563935e-5,  5.634579587355792467e-6,
      1.719486243672184308e-7,  -6.84791471326506028e-7, 1.328208699376218128e-7};
  constexpr int middle_degree = single ? 7 : 12, tail_degree = single ? 8 : 18;
  constexpr T limit = single ? T(13) : T(38);

  const Vec<T> size = select(x < T(0), -x, x);
  const Vec<T> bounded = select(size > limit, broadcast(limit), size);
  const Vec<T> half_square = bounded * bounded * T(0.5);
  const Vec<T> e = exp(-half_square);
  const Vec<T> t = bounded * T(0.70710678118654752440);

  Vec<T> middle = broadcast(T(single ? middle_single[middle_degree] : middle_double[middle_degree]));
  for (int k = middle_degree - 1; k >= 0; --k) middle = middle * half_square + T(single ? middle_single[k] : middle_double[k]);
  middle = t * T(0.5) * middle;  // Phi(|x|) - 1/2

  const Vec<T> q = (t - T(4)) / (t + T(4));
  Vec<T> tail = broadcast(T(single ? tail_single[tail_degree] : tail_double[tail_degree]));
  for (int k = tail_degree - 1; k >= 0; --k) tail = tail * q + T(single ? tail_single[k] : tail_double[k]);
  tail = e * T(0.5) * tail / (t * T(2) + T(1));  // 1 - Phi(|x|)

  const auto inside = size < T(1.4142135623730950488);
  const Vec<T> half = broadcast(T(0.5));
  const Vec<T> lower = select(inside, half - middle, tail), upper = select(inside, half + middle, broadcast(T(1)) - tail);
  const Vec<T> cdf = select(x < T(0), lower, upper);
  return {select(x != x, x, cdf), e * T(0.39894228040143267794)};
}

}  // namespace anylead::cpu_ops
