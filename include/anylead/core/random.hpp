// Keyed random numbers: a pure function of (seed, step, site, index), the same on every device and for any thread count.
//
// Generator: Philox 4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <anylead/core/host_device.hpp>

namespace anylead {

/// Four 32-bit words of one Philox block.
struct PhiloxBlock {
  std::uint32_t word[4];
};

/// Philox 4x32-10 of a 128-bit counter under a 64-bit key.
ANYLEAD_HD constexpr PhiloxBlock philox(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// Key of a place that draws numbers, from its name (32-bit FNV-1a): `site_key("encoder.layers.3.dropout")`.
constexpr std::uint32_t site_key(std::string_view name, std::uint32_t parent = 2166136261u) {
  for (const char c : name) parent = (parent ^ static_cast<unsigned char>(c)) * 16777619u;
  return parent;
}

/// The random numbers of one place in one step. Number i of a stream never depends on which numbers were asked for before.
/// POD, so that kernels take it by value.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;  ///< below 2^56
  std::uint32_t site = 0;  ///< @see site_key

  /// Words 4 b .. 4 b + 3; b below 2^40.
  ANYLEAD_HD constexpr PhiloxBlock block(std::uint64_t b) const {
    return philox({{static_cast<std::uint32_t>(b), site, static_cast<std::uint32_t>(step),
                    static_cast<std::uint32_t>((step >> 32) & 0xFFFFFFu) | static_cast<std::uint32_t>(b >> 32) << 24}},
                  static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }

  /// Word i. Words are dealt out so that sixteen lanes, each with a block of its own, draw 64 consecutive ones without a
  /// shuffle.
  ANYLEAD_HD constexpr std::uint32_t bits(std::uint64_t i) const { return block(i / 64 * 16 + i % 16).word[i / 16 % 4]; }

  /// The number that comes from word w of block b: bits(number(b, w)) == block(b).word[w].
  ANYLEAD_HD static constexpr std::uint64_t number(std::uint64_t b, std::uint64_t w) { return b / 16 * 64 + w * 16 + b % 16; }

  /// Uniform in [0, 1), a multiple of 2^-24.
  ANYLEAD_HD constexpr float uniform(std::uint64_t i) const { return uniform_of(bits(i)); }
  ANYLEAD_HD static constexpr float uniform_of(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

  /// Uniform in [low, high).
  double uniform(std::uint64_t i, double low, double high) const { return low + (high - low) * double{uniform(i)}; }

  /// Uniform integer in {0, ..., n - 1}; n in 1 .. 2^32 - 1. The bias is below n / 2^32.
  ANYLEAD_HD constexpr std::uint32_t below(std::uint64_t i, std::uint32_t n) const {
    return static_cast<std::uint32_t>((std::uint64_t{bits(i)} * n) >> 32);
  }

  /// Standard normal (Box and Muller 1958); number i takes half a block of its own.
  double normal(std::uint64_t i) const {
    const PhiloxBlock b = block(i / 2);
    const std::uint32_t u = b.word[2 * (i % 2)], v = b.word[2 * (i % 2) + 1];
    return std::sqrt(-2 * std::log((double(u >> 8) + 0.5) * 0x1p-24)) * std::cos(6.283185307179586 * double(v >> 8) * 0x1p-24);
  }

  /// Standard Gumbel: -log(-log u), u uniform in (0, 1).
  ANYLEAD_HD double gumbel(std::uint64_t i) const { return gumbel_of(bits(i)); }
  ANYLEAD_HD static double gumbel_of(std::uint32_t word) { return -std::log(-std::log((double(word >> 8) + 0.5) * 0x1p-24)); }
};

/// A stream read one number after another, for host code whose order of draws is fixed: synthesis, augmentation, shuffling.
class RandomSequence {
 public:
  explicit constexpr RandomSequence(RandomStream stream) : stream_(stream) {}
  double uniform() { return double{stream_.uniform(next_++)}; }
  double uniform(double low, double high) { return stream_.uniform(next_++, low, high); }
  std::uint32_t below(std::uint32_t n) { return stream_.below(next_++, n); }
  double normal() { return normals_.normal(next_normal_++); }
  double normal(double mean, double deviation) { return mean + deviation * normal(); }

 private:
  RandomStream stream_;
  RandomStream normals_{stream_.seed, stream_.step, site_key("normal", stream_.site)};
  std::uint64_t next_ = 0, next_normal_ = 0;
};

}  // namespace anylead
