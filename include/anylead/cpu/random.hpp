// Philox blocks, as many at a time as a register has lanes. @see core/random.hpp
#pragma once

#include <cstdint>

#include <anylead/core/dims.hpp>
#include <anylead/core/random.hpp>
#include <anylead/cpu/simd.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// Words of as many Philox blocks as a register has lanes.
template <Index kBytes>
struct Words {
  typedef std::uint32_t Type __attribute__((vector_size(kBytes)));
  typedef std::uint64_t Long __attribute__((vector_size(kBytes)));
  typedef std::int32_t Signed __attribute__((vector_size(kBytes)));
  static constexpr std::uint32_t lanes = kBytes / 4;
};

/// x in all lanes. By name: inside a loop g++ would insert it into one lane after the other.
template <Isa isa, class Long>
ANYLEAD_SIMD Long spread(std::uint64_t x) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (isa != Isa::portable) {
    Long lanes;
    asm("vpbroadcastq %1, %0" : "=v"(lanes) : "m"(x));
    return lanes;
  }
#endif
  return Long{} + x;
}

/// Products of the low halves of lanes. By name: g++ would multiply whole lanes, which takes two or three times as long.
template <Isa isa, class Long>
ANYLEAD_SIMD Long product(Long a, Long b) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (isa == Isa::portable)
    asm("pmuludq %1, %0" : "+x"(a) : "x"(b));
  else
    asm("vpmuludq %2, %1, %0" : "=v"(a) : "v"(a), "v"(b));
  return a;
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

/// Ten rounds of as many Philox blocks as there are lanes of 64 bits. Only the low halves of lanes count: the high ones hold
/// what products left there.
template <Isa isa, class Long>
ANYLEAD_SIMD void philox(Long (&c)[4], std::uint64_t seed) {
  std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  const Long factor0 = spread<isa, Long>(0xD2511F53u), factor2 = spread<isa, Long>(0xCD9E8D57u);
  for (int round = 0; round < 10; ++round) {
    const Long one = product<isa>(c[0], factor0), two = product<isa>(c[2], factor2);
    c[0] = (two >> 32) ^ c[1] ^ key0;
    c[1] = two;
    c[2] = (one >> 32) ^ c[3] ^ key1;
    c[3] = one;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// Calls f(i, words) with words i, i + 1, ... of a group of 64, those of the stream's numbers 64 group .. 64 group + 63, a
/// register at a time: word w of the group's block b is number 16 w + b.
template <Isa isa, class F>
ANYLEAD_SIMD void words_of_group(const RandomStream& stream, std::uint64_t group, F&& f) {
  using W = Words<register_bytes(isa)>;
  using Word = typename W::Type;
  using Long = typename W::Long;
  constexpr std::uint32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::uint64_t block = group * 16;
  const std::uint32_t low = static_cast<std::uint32_t>(stream.step);
  const std::uint32_t high =
      static_cast<std::uint32_t>((stream.step >> 32) & 0xFFFFFFu) | static_cast<std::uint32_t>(block >> 32) << 24;
  for (std::uint32_t first = 0; first < 16; first += W::lanes) {
    Word blocks;
    std::memcpy(&blocks, numbers + first, sizeof blocks);
    blocks += static_cast<std::uint32_t>(block);
    const Long both = reinterpret_cast<Long>(blocks);
    Long even[4] = {both, spread<isa, Long>(stream.site), spread<isa, Long>(low), spread<isa, Long>(high)};
    Long odd[4] = {both >> 32, even[1], even[2], even[3]};
    philox<isa>(even, stream.seed);
    philox<isa>(odd, stream.seed);
    for (std::uint32_t w = 0; w < 4; ++w) f(16 * w + first, reinterpret_cast<Word>((even[w] & 0xFFFFFFFFu) | (odd[w] << 32)));
  }
}

/// Numbers 64 group .. 64 group + 63 of stream.uniform.
template <Isa isa>
ANYLEAD_SIMD void uniform_group(float* out, const RandomStream& stream, std::uint64_t group) {
  using W = Words<register_bytes(isa)>;
  using V = Vec<float, register_bytes(isa)>;
  // Below 2^24: the signed conversion is exact, and there is one on every instruction set.
  words_of_group<isa>(stream, group, [&](std::uint32_t i, typename W::Type words) ANYLEAD_SIMD_LAMBDA {
    const auto top = reinterpret_cast<typename W::Signed>(words >> 8);
    cpu_ops::store(out + i, V{__builtin_convertvector(top, typename V::Raw)} * 0x1p-24f);
  });
}

}  // namespace detail

struct DropoutFactorsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(T* factors, Dropout dropout, std::uint64_t begin, std::uint64_t end) {
    float some[64];
    for (std::uint64_t i = begin; i < end;) {
      const std::uint64_t group = i / 64 * 64, last = end < group + 64 ? end : group + 64;
      if constexpr (sizeof(T) == sizeof(float))
        if (last - i == 64) {
          factors_of_group<isa>(factors + (i - begin), dropout, group / 64);
          i = last;
          continue;
        }
      factors_of_group<isa>(some, dropout, group / 64);
      for (; i < last; ++i) factors[i - begin] = T(some[i - group]);
    }
  }

  /// u >= p for u = (word >> 8) / 2^24 is a comparison of whole numbers: p 2^24 is exact.
  template <Isa isa>
  ANYLEAD_SIMD static void factors_of_group(float* factors, const Dropout& dropout, std::uint64_t group) {
    using W = detail::Words<register_bytes(isa)>;
    using V = Vec<float, register_bytes(isa)>;
    const V kept = broadcast<V>(1.f / (1.f - dropout.p));
    const float scaled = dropout.p * 0x1p24f;
    const std::int32_t whole = static_cast<std::int32_t>(scaled), least = whole + (static_cast<float>(whole) < scaled);
    detail::words_of_group<isa>(dropout.stream, group, [&](std::uint32_t i, typename W::Type words) ANYLEAD_SIMD_LAMBDA {
      const auto top = reinterpret_cast<typename W::Signed>(words >> 8);
      cpu_ops::store(factors + i, select(top >= least, kept, V{}));
    });
  }
};

/// factors [n]: Dropout::factor(begin), ..., bit-equal to the scalar form.
template <Isa isa, class T>
ANYLEAD_SIMD void dropout_factors(T* factors, const Dropout& dropout, std::uint64_t begin, Index n) {
  with_isa<DropoutFactorsPass>(isa, factors, dropout, begin, begin + static_cast<std::uint64_t>(n));
}

}  // namespace anylead::cpu_ops
