// How a segment cache lies in its file: header, signals [S, N, T] from byte kSignals on, index. The header is written last.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/hash.hpp>

namespace anylead::data::detail {

/// "anldseg2" as a little-endian word. Its last digit counts the ways in which segments were ever stored or prepared: a cache
/// that another release would fill with other numbers must not be taken for one of this.
inline constexpr std::uint64_t kCacheMagic = 0x32676573646c6e61;
inline constexpr std::size_t kSignals = 4096;

struct CacheHeader {
  std::uint64_t magic, key;
  std::int64_t segments, leads, samples;
  std::uint64_t index_bytes, index_hash;
};
static_assert(std::is_trivially_copyable_v<CacheHeader> && sizeof(CacheHeader) <= kSignals);

/// Numbers and texts one after another.
class IndexWriter {
 public:
  template <class N>
  requires std::is_arithmetic_v<N>
  void put(N number) { put(&number, sizeof number); }
  void put(const std::string& text) {
    put(std::uint64_t{text.size()});
    put(text.data(), text.size());
  }
  template <class N>
  void put(const std::vector<N>& numbers) {
    put(std::uint64_t{numbers.size()});
    put(numbers.data(), numbers.size() * sizeof(N));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(const void* data, std::size_t bytes) { bytes_.append(static_cast<const char*>(data), bytes); }
  std::string bytes_;
};

/// The same backwards; never reads past the end, never allocates more than is left.
class IndexReader {
 public:
  IndexReader(const std::string& file, std::span<const std::byte> bytes, std::size_t offset)
      : file_(file), bytes_(bytes), offset_(offset) {}

  template <class N>
  N number() {
    N value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::uint64_t count(std::size_t bytes_each) {
    const auto n = number<std::uint64_t>();
    if (n > (bytes_.size() - at_) / bytes_each) fail(str("a count of ", n, " does not fit"));
    return n;
  }
  std::string text() {
    const auto n = count(1);
    return {reinterpret_cast<const char*>(take(n)), n};
  }
  template <class N>
  std::vector<N> numbers() {
    std::vector<N> values(count(sizeof(N)));
    if (!values.empty()) std::memcpy(values.data(), take(values.size() * sizeof(N)), values.size() * sizeof(N));
    return values;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  [[noreturn]] void fail(const std::string& problem) const { throw FormatError(file_, str("byte ", offset_ + at_), problem); }

 private:
  const std::byte* take(std::size_t bytes) {
    if (bytes > bytes_.size() - at_) fail("the index ends early");
    at_ += bytes;
    return bytes_.data() + at_ - bytes;
  }
  const std::string& file_;
  std::span<const std::byte> bytes_;
  std::size_t offset_, at_ = 0;
};

/// Checksum of the index.
inline std::uint64_t hash_of(const void* data, std::size_t bytes) {
  Hash64 hash;
  hash.add(data, bytes);
  return hash.value();
}

}  // namespace anylead::data::detail
