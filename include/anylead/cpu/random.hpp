// Sixteen Philox blocks at a time. @see core/random.hpp
#pragma once

#include <cstdint>

#include <anylead/core/dims.hpp>
#include <anylead/core/random.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

namespace detail {

typedef std::uint32_t Words __attribute__((vector_size(64)));
typedef std::uint64_t LongWords __attribute__((vector_size(64)));

/// High and low halves of a * m, lane by lane.
ANYLEAD_SIMD void multiply(Words a, std::uint32_t m, Words& high, Words& low) {
  const LongWords pairs = reinterpret_cast<LongWords>(a);
  const LongWords even = (pairs & 0xFFFFFFFFu) * m, odd = (pairs >> 32) * m;
  high = reinterpret_cast<Words>((even >> 32) | (odd & 0xFFFFFFFF00000000u));
  low = reinterpret_cast<Words>((even & 0xFFFFFFFFu) | (odd << 32));
}

/// Numbers 64 group .. 64 group + 63 of stream.uniform.
ANYLEAD_SIMD void uniform_group(float* out, const RandomStream& stream, std::uint64_t group) {
  constexpr Words lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::uint64_t block = group * 16;
  Words c0 = lane + static_cast<std::uint32_t>(block), c1 = Words{} + stream.site;
  Words c2 = Words{} + static_cast<std::uint32_t>(stream.step);
  Words c3 =
      Words{} + (static_cast<std::uint32_t>((stream.step >> 32) & 0xFFFFFFu) | static_cast<std::uint32_t>(block >> 32) << 24);
  std::uint32_t key0 = static_cast<std::uint32_t>(stream.seed), key1 = static_cast<std::uint32_t>(stream.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    Words high0, low0, high1, low1;
    multiply(c0, 0xD2511F53u, high0, low0);
    multiply(c2, 0xCD9E8D57u, high1, low1);
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const Words words[4] = {c0, c1, c2, c3};
  typedef std::int32_t Signed __attribute__((vector_size(64)));
  for (int w = 0; w < 4; ++w) {  // below 2^24: the signed conversion is exact, and there is one on every instruction set
    const Signed top = reinterpret_cast<Signed>(words[w] >> 8);
    cpu_ops::store(out + 16 * w, Vec<float>{__builtin_convertvector(top, Vec<float>::Raw)} * 0x1p-24f);
  }
}

}  // namespace detail

/// out [n] = stream.uniform(begin), ..., bit-equal to the scalar form.
ANYLEAD_SIMD void uniforms(float* out, const RandomStream& stream, std::uint64_t begin, Index n) {
  std::uint64_t i = begin;
  const std::uint64_t end = begin + static_cast<std::uint64_t>(n);
  float group[64];
  while (i < end) {
    const std::uint64_t first = i % 64, last = end - (i - first) < 64 ? end - (i - first) : 64;
    if (last - first == 64) {
      detail::uniform_group(out, stream, i / 64);
    } else {
      detail::uniform_group(group, stream, i / 64);
      std::memcpy(out, group + first, (last - first) * sizeof(float));
    }
    out += last - first;
    i += last - first;
  }
}

/// factors [n]: Dropout::factor(begin), ...
template <class T>
ANYLEAD_SIMD void dropout_factors(T* factors, const Dropout& dropout, std::uint64_t begin, Index n) {
  const float kept = 1.f / (1.f - dropout.p);
  float u[64];
  for (Index i = 0; i < n; i += 64) {
    const Index m = n - i < 64 ? n - i : 64;
    uniforms(u, dropout.stream, begin + static_cast<std::uint64_t>(i), m);
    for (Index j = 0; j < m; ++j) factors[i + j] = T(u[j] >= dropout.p ? kept : 0.f);
  }
}

}  // namespace anylead::cpu_ops
