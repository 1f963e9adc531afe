// Vectors on GCC's vector extensions: one body for every instruction set (core/isa.hpp), with vectors as wide as its registers
// (wider ones g++ keeps in memory and takes apart into scalars where it compares or chooses).
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <anylead/core/isa.hpp>
#include <anylead/core/types.hpp>

namespace anylead::cpu_ops {

#define ANYLEAD_SIMD_LAMBDA __attribute__((always_inline))  // between the parameters and the body of a lambda inside a pass

/// Bytes of a register.
constexpr Index register_bytes(Isa isa) { return isa == Isa::avx512 ? 64 : isa == Isa::avx2 ? 32 : 16; }

/// Lanes of a vector of 64 bytes, the size of a cache line.
template <class T>
inline constexpr Index kLanes = 64 / static_cast<Index>(sizeof(T));

/// The first n values of p, or as many as a vector has, then zeros; nothing behind p + n is touched. g++ makes one masked load
/// of the loop; a copy of n bytes would be a string move, which costs as much as a hundred values.
template <class Raw, class T>
ANYLEAD_SIMD Raw load_some(const T* p, Index n) {
  constexpr int lanes = static_cast<int>(sizeof(Raw) / sizeof(T));
  Raw raw;
  if (n >= lanes) {
    std::memcpy(&raw, p, sizeof raw);
  } else {
    T lane[lanes];
    for (int i = 0; i < lanes; ++i) lane[i] = i < static_cast<int>(n) ? p[i] : T(0);
    std::memcpy(&raw, lane, sizeof raw);
  }
  return raw;
}

/// The first n values of a vector, or all, to p. @see load_some
template <class Raw, class T>
ANYLEAD_SIMD void store_some(T* p, const Raw& raw, Index n) {
  constexpr int lanes = static_cast<int>(sizeof(Raw) / sizeof(T));
  if (n >= lanes) {
    std::memcpy(p, &raw, sizeof raw);
  } else {
    T lane[lanes];
    std::memcpy(lane, &raw, sizeof raw);
    for (int i = 0; i < lanes; ++i)
      if (i < static_cast<int>(n)) p[i] = lane[i];
  }
}

/// Some bytes of T. Comparisons give a mask for `select`.
template <class T, Index kBytes = 64>
struct Vec {
  static constexpr Index lanes = kBytes / static_cast<Index>(sizeof(T));
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Raw __attribute__((vector_size(kBytes)));
  typedef Integer Mask __attribute__((vector_size(kBytes)));
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

template <class V, class T>
ANYLEAD_SIMD V broadcast(T x) {
  return {x - typename V::Raw{}};
}

/// Lane by lane: mask ? a : b.
template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> select(typename Vec<T, kBytes>::Mask mask, Vec<T, kBytes> a, Vec<T, kBytes> b) {
  return {mask ? a.raw : b.raw};
}

template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> max(Vec<T, kBytes> a, Vec<T, kBytes> b) {
  return select(a > b, a, b);
}

/// b where it is less than a, else a: a NaN of a stays.
template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> min(Vec<T, kBytes> a, Vec<T, kBytes> b) {
  return select(a > b, b, a);
}

template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> abs(Vec<T, kBytes> x) {
  using V = Vec<T, kBytes>;
  using Bits = typename V::Mask;
  return {reinterpret_cast<typename V::Raw>(reinterpret_cast<Bits>(x.raw) & std::numeric_limits<typename V::Integer>::max())};
}

template <class V, class T>
ANYLEAD_SIMD V load_as(const T* p) {
  typename V::Raw raw;  // of the bare vector: a struct of it is copied in 16-byte pieces
  std::memcpy(&raw, p, sizeof raw);
  return {raw};
}

template <class T, Index kBytes>
ANYLEAD_SIMD void store(T* p, Vec<T, kBytes> v) {
  const typename Vec<T, kBytes>::Raw raw = v.raw;
  std::memcpy(p, &raw, sizeof raw);
}

/// One lane from all: f of the two halves until one lane is left. f takes vectors of any size and is commutative. Written as
/// shuffles: of loops over the lanes g++ makes scalar additions in memory.
template <class T, Index kBytes, class F>
ANYLEAD_SIMD T fold(Vec<T, kBytes> v, F&& f) {
  using V = Vec<T, kBytes>;
  if constexpr (kBytes > 16) {
    using Half = Vec<T, kBytes / 2>;
    return [&]<std::size_t... i>(std::index_sequence<i...>) ANYLEAD_SIMD_LAMBDA {
      return fold(f(Half{__builtin_shufflevector(v.raw, v.raw, i...)},
                    Half{__builtin_shufflevector(v.raw, v.raw, (i + sizeof...(i))...)}),
                  f);
    }
    (std::make_index_sequence<Half::lanes>{});
  } else if constexpr (V::lanes == 4) {
    const V pairs = f(v, V{__builtin_shufflevector(v.raw, v.raw, 2, 3, 0, 1)});
    return f(pairs, V{__builtin_shufflevector(pairs.raw, pairs.raw, 1, 0, 3, 2)}).raw[0];
  } else {
    static_assert(V::lanes == 2);
    return f(v, V{__builtin_shufflevector(v.raw, v.raw, 1, 0)}).raw[0];
  }
}

/// Sum of the lanes.
template <class T, Index kBytes>
ANYLEAD_SIMD T sum(Vec<T, kBytes> v) {
  return fold(v, [](auto a, auto b) ANYLEAD_SIMD_LAMBDA { return a + b; });
}

/// Largest lane.
template <class T, Index kBytes>
ANYLEAD_SIMD T max(Vec<T, kBytes> v) {
  return fold(v, [](auto a, auto b) ANYLEAD_SIMD_LAMBDA { return max(a, b); });
}

/// Access to some lanes of arrays, from element i on: a whole vector, or (n lanes) what is left at the end.
template <class T, Index kBytes>
struct Lanes {
  using V = Vec<T, kBytes>;
  Index i, n;
  ANYLEAD_SIMD V operator()(const T* p) const { return {load_some<typename V::Raw>(p + i, n)}; }
  /// v with zeros in the lanes behind the end.
  ANYLEAD_SIMD V keep(V v) const {
    if (n >= V::lanes) return v;
    T lane[V::lanes];
    std::memcpy(lane, &v.raw, sizeof lane);
    return {load_some<typename V::Raw>(lane, n)};
  }
  ANYLEAD_SIMD void store(T* p, V v) const { store_some(p + i, v.raw, n); }
};

/// Loops have code of its own for whole vectors, which need not ask where the end is. Not for double, to compile sooner.
template <class T>
inline constexpr bool kEndApart = sizeof(T) == 4;

/// Calls f(at) with an `at` for each vector of [0, n): at(p) loads lanes (zeros behind the end), at.store(p, v) stores them.
template <Isa isa, class T, class F>
ANYLEAD_SIMD void for_lanes(Index n, F&& f) {
  using At = Lanes<T, register_bytes(isa)>;
  Index i = 0;
  if constexpr (kEndApart<T>)
    for (; i + At::V::lanes <= n; i += At::V::lanes) f(At{i, At::V::lanes});
  for (; i < n; i += At::V::lanes) f(At{i, n - i});
}

/// Sum over i < n of f(at): f returns the vector of terms and must give 0 in lanes behind the end (it does where it is a
/// product of loaded values). Two accumulators take turns.
template <Isa isa, class T, class F>
ANYLEAD_SIMD T sum_lanes(Index n, F&& f) {
  using At = Lanes<T, register_bytes(isa)>;
  typename At::V a = {}, b = {};
  Index i = 0;
  if constexpr (kEndApart<T>)
    for (; i + At::V::lanes <= n; i += At::V::lanes) {
      const auto next = a + f(At{i, At::V::lanes});
      a = b;
      b = next;
    }
  for (; i < n; i += At::V::lanes) {
    const auto next = a + f(At{i, n - i});
    a = b;
    b = next;
  }
  return sum(a + b);
}

/// terms[0] + terms[1] x + ... + terms[degree] x^degree by Horner's rule. It begins with a number times a vector: of a vector
/// of equal numbers g++ 12 makes sixteen inserts, in every round of a loop.
template <int degree, class T, Index kBytes, std::size_t n>
ANYLEAD_SIMD Vec<T, kBytes> polynomial(Vec<T, kBytes> x, const double (&terms)[n]) {
  static_assert(0 < degree && degree < n);
  Vec<T, kBytes> p = x * T(terms[degree]) + T(terms[degree - 1]);
  for (int k = degree - 2; k >= 0; --k) p = p * x + T(terms[k]);
  return p;
}

/// ln 2 in two parts: the first has so few digits that its product with an exponent is exact.
template <class T>
inline constexpr T kLn2High = sizeof(T) == 4 ? T(0.693359375) : T(0.693147180369123816490);
template <class T>
inline constexpr T kLn2Low = sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);

/// e^x for x from -87.3 to 87.9 (double: -708.3 to 709), nothing of which is checked: relative error below 2 units in the last
/// place. Cody-Waite reduction x = n ln 2 + r, |r| <= ln(2)/2, and a polynomial of e^r, whose exponent n is added to: in float
/// that of least relative error among those that begin with 1 + r (3e-9, Remez exchange in 40 digits), in double Taylor's.
template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> exp_in_range(Vec<T, kBytes> x) {
  using V = Vec<T, kBytes>;
  using Bits = typename V::Mask;
  constexpr bool single = sizeof(T) == 4;
  constexpr int mantissa = single ? 23 : 52;
  constexpr T magic =
      single ? T(12582912.0) : T(6755399441055744.0);  // 1.5 * 2^(mantissa bits): adding it rounds to an integer
  constexpr double float_terms[] = {
      1, 1, 0.49999993447796487, 0.16666520631709497, 0.041668388045313997, 0.0083687168797281399, 0.0013814598646664034};
  constexpr double double_terms[] = {
      1,         1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,
      1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};
  const V shifted = x * T(1.4426950408889634) + magic;
  const V n = shifted - magic;
  const V reduced = x - n * kLn2High<T>;
  const V r = reduced - n * kLn2Low<T>;
  const V p = single ? polynomial<6>(r, float_terms) : polynomial<13>(r, double_terms);
  return {reinterpret_cast<typename V::Raw>(reinterpret_cast<Bits>(p.raw) +
                                            (reinterpret_cast<Bits>(shifted.raw) << mantissa))};  // n: its last bits
}

/// e^x of x that are at most 0, or not much more (87.9; double: 709): relative error below 2 ulp, 0 below -87.3 (double:
/// -708.3). NaN stays NaN.
template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> exp_nonpositive(Vec<T, kBytes> x) {
  using V = Vec<T, kBytes>;
  constexpr T low = sizeof(T) == 4 ? T(-87.3) : T(-708.3);
  const V y = exp_in_range(select(x > low, x, broadcast<V>(low)));
  return select(x > low, y, select(x < T(0), V{}, x));  // neither: NaN
}

/// log x of a positive, normal, finite x, nothing of which is checked: relative error below 1 ulp. x = 2^k (1 + f) with 1 + f
/// from sqrt(1/2) to sqrt(2), and with s = f / (2 + f): log(1 + f) = 2 artanh(s) = f - s (f - r), where r = 2 artanh(s) / s - 2
/// is small and a polynomial in s^2 (that of least error in Chebyshev's points, computed in 40 digits).
template <Index kBytes>
ANYLEAD_SIMD Vec<double, kBytes> log_in_range(Vec<double, kBytes> x) {
  using V = Vec<double, kBytes>;
  using Raw = typename V::Raw;
  typedef std::uint64_t Bits __attribute__((vector_size(kBytes)));
  constexpr double terms[] = {0.66666666666666696883, 0.39999999999899443233, 0.28571428626003268742, 0.22222211130259877029,
                              0.18182889455674946039, 0.15331710618210771568, 0.14616585424888621989};
  constexpr std::uint64_t one = 0x3FF0000000000000u, root_half = 0x3FE6A09E667F3BCDu, mantissa = 0x000FFFFFFFFFFFFFu;
  constexpr std::uint64_t two52 = 0x4330000000000000u;  // 2^52, whose last bits hold a whole number
  // the exponent grows at sqrt(1/2) from here on, not at 1
  const Bits shifted = reinterpret_cast<Bits>(x.raw) + (one - root_half);
  const V k = V{reinterpret_cast<Raw>((shifted >> 52) | two52)} - (0x1p52 + 1023);
  const V f = V{reinterpret_cast<Raw>((shifted & mantissa) + root_half)} - 1.0;
  const V s = f / (f + 2.0), z = s * s;
  const V r = z * polynomial<6>(z, terms);
  const V small = s * (f - r) - k * kLn2Low<double>;
  return k * kLn2High<double> - (small - f);
}

/// Square root of x >= 0, relative error below 1 ulp (float: Newton's iteration on 1 / sqrt x from the usual estimate of its
/// bits and a last correction, since std::sqrt does not vectorise while it may set errno; double: std::sqrt).
template <class T, Index kBytes>
ANYLEAD_SIMD Vec<T, kBytes> sqrt(Vec<T, kBytes> x) {
  using V = Vec<T, kBytes>;
  if constexpr (sizeof(T) == 8) {
    for (Index i = 0; i < V::lanes; ++i) x.raw[i] = std::sqrt(x.raw[i]);
    return x;
  } else {
    using Raw = typename V::Raw;
    using Bits = typename V::Mask;
    const auto tiny = x < T(0x1p-100);
    const V v = select(tiny, x * T(0x1p60), x);
    V r = {reinterpret_cast<Raw>(0x5f3759df - (reinterpret_cast<Bits>(v.raw) >> 1))};
    for (int k = 0; k < 3; ++k) r = r * (broadcast<V>(T(1.5)) - v * T(0.5) * r * r);
    V s = v * r;
    s = s + r * T(0.5) * (v - s * s);
    return select(x > T(0), select(tiny, s * T(0x1p-30), s), V{});
  }
}

/// Distribution function and density of the standard normal distribution.
template <class V>
struct Normal {
  V cdf, density;
};

/// Phi(x) and phi(x); beyond |x| = 13 (double: 37.5) their values there. Relative error of Phi(x) below 6 ulp for x > -1.5, and
/// in the lower tail below 2 (1 + x^2 / 2) ulp (the rounding of x^2 / 2 is amplified). Phi(-|x|) = exp(-x^2 / 2) s P(2 c s - 1)
/// with s = 1 / (|x| + c) and P a polynomial, that of least relative error (float 1.1e-8, double 6e-17, Remez exchange in 40
/// digits; the form goes back to Shepherd and Laframboise 1981).
template <class T, Index kBytes>
ANYLEAD_SIMD Normal<Vec<T, kBytes>> normal(Vec<T, kBytes> x) {
  using V = Vec<T, kBytes>;
  constexpr bool single = sizeof(T) == 4;
  constexpr double float_terms[] = {0.751357367174,    0.592348116725,    0.360038081348,     0.15857767161,    0.041883482618,
                                    0.000286653937026, -0.00421572785825, -0.000738858172162, 0.000463193578774};
  constexpr double double_terms[] = {0.78020377946123383483,      0.71382224390663357908,     0.59677160990736847972,
                                     0.45468743486349679701,      0.3143552688744420557,      0.1959145835146163641,
                                     0.10898017884094567152,      0.053287075829924433396,    0.02233255718425865035,
                                     0.0076532137738497054235,    0.0019171440734788393233,   0.00021182228125387269655,
                                     -0.000081915018418336527747, -0.00005000178528898903456, -9.0003618338774577831e-6,
                                     2.3744566693836312179e-6,    1.6785578358229194014e-6,   1.511738412102380556e-7,
                                     -1.7892318454168089478e-7,   -3.857956701506750444e-8,   1.7968443878536004147e-8};
  constexpr T limit = single ? T(13) : T(37.5), c = single ? T(3.8) : T(6.5);

  const V size = min(abs(x), broadcast<V>(limit));
  const V e = exp_in_range(size * size * T(-0.5));
  const V s = broadcast<V>(T(1)) / (size + c);
  const V u = s * (2 * c) - T(1);
  const V p = single ? polynomial<8>(u, float_terms) : polynomial<20>(u, double_terms);
  const V tail = e * s * p;  // Phi(-|x|)
  return {select(x < T(0), tail, broadcast<V>(T(1)) - tail), e * T(0.39894228040143267794)};
}

}  // namespace anylead::cpu_ops
