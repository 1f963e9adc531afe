// A 64-bit hash of bytes for identities: equal recordings, cache keys, splits. Not for adversaries.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace anylead::data {

/// Hash of a sequence of words and texts, the same in every run and on every little-endian machine. Each word passes through
/// the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class Hash64 {
 public:
  void add(std::uint64_t word) { state_ = mix(state_ + 0x9E3779B97F4A7C15u + mix(word)); }
  void add(double number) {
    std::uint64_t word;
    std::memcpy(&word, &number, sizeof word);
    add(word);
  }
  void add(std::string_view text) { add(text.data(), text.size()); }

  /// The bytes and their number.
  void add(const void* data, std::size_t bytes) {
    add(std::uint64_t{bytes});
    const char* p = static_cast<const char*>(data);
    for (; bytes > 0;) {
      std::uint64_t word = 0;
      const std::size_t part = bytes < sizeof word ? bytes : sizeof word;
      std::memcpy(&word, p, part);
      add(word);
      p += part;
      bytes -= part;
    }
  }

  std::uint64_t value() const { return state_; }

 private:
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  std::uint64_t state_ = 0;
};

}  // namespace anylead::data
