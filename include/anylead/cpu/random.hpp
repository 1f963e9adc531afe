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

/// High and low halves of a * m, lane by lane.
template <class W>
ANYLEAD_SIMD void multiply(typename W::Type a, std::uint32_t m, typename W::Type& high, typename W::Type& low) {
  using Word = typename W::Type;
  const auto pairs = reinterpret_cast<typename W::Long>(a);
  const auto even = (pairs & 0xFFFFFFFFu) * m, odd = (pairs >> 32) * m;
  high = reinterpret_cast<Word>((even >> 32) | (odd & 0xFFFFFFFF00000000u));
  low = reinterpret_cast<Word>((even & 0xFFFFFFFFu) | (odd << 32));
}

/// Numbers 64 group .. 64 group + 63 of stream.uniform: word w of the group's block b is number 16 w + b.
template <Isa isa>
ANYLEAD_SIMD void uniform_group(float* out, const RandomStream& stream, std::uint64_t group) {
  using W = Words<register_bytes(isa)>;
  using Word = typename W::Type;
  constexpr std::uint32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::uint64_t block = group * 16;
  for (std::uint32_t first = 0; first < 16; first += W::lanes) {
    Word c0;
    std::memcpy(&c0, numbers + first, sizeof c0);
    c0 += static_cast<std::uint32_t>(block);
    Word c1 = Word{} + stream.site, c2 = Word{} + static_cast<std::uint32_t>(stream.step);
    Word c3 =
        Word{} + (static_cast<std::uint32_t>((stream.step >> 32) & 0xFFFFFFu) | static_cast<std::uint32_t>(block >> 32) << 24);
    std::uint32_t key0 = static_cast<std::uint32_t>(stream.seed), key1 = static_cast<std::uint32_t>(stream.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      Word high0, low0, high1, low1;
      multiply<W>(c0, 0xD2511F53u, high0, low0);
      multiply<W>(c2, 0xCD9E8D57u, high1, low1);
      c0 = high1 ^ c1 ^ key0;
      c1 = low1;
      c2 = high0 ^ c3 ^ key1;
      c3 = low0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    const Word words[4] = {c0, c1, c2, c3};
    using V = Vec<float, register_bytes(isa)>;
    for (int w = 0; w < 4; ++w) {  // below 2^24: the signed conversion is exact, and there is one on every instruction set
      const auto top = reinterpret_cast<typename W::Signed>(words[w] >> 8);
      cpu_ops::store(out + 16 * w + first, V{__builtin_convertvector(top, typename V::Raw)} * 0x1p-24f);
    }
  }
}

}  // namespace detail

struct DropoutFactorsPass {
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(T* factors, Dropout dropout, std::uint64_t begin, std::uint64_t end) {
    const float kept = 1.f / (1.f - dropout.p);
    float u[64];
    for (std::uint64_t i = begin; i < end;) {
      const std::uint64_t group = i / 64 * 64, last = end < group + 64 ? end : group + 64;
      detail::uniform_group<isa>(u, dropout.stream, i / 64);
      for (; i < last; ++i) factors[i - begin] = T(u[i - group] >= dropout.p ? kept : 0.f);
    }
  }
};

/// factors [n]: Dropout::factor(begin), ..., bit-equal to the scalar form.
template <Isa isa, class T>
ANYLEAD_SIMD void dropout_factors(T* factors, const Dropout& dropout, std::uint64_t begin, Index n) {
  with_isa<DropoutFactorsPass>(isa, factors, dropout, begin, begin + static_cast<std::uint64_t>(n));
}

}  // namespace anylead::cpu_ops
