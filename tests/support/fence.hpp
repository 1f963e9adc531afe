// Buffers between guard bands.
#pragma once

#include <cstring>
#include <vector>

#include <anylead/core/tensor.hpp>

namespace anylead::test {

/// n values on a device between two guard bands; the first value lies one element behind an aligned address, so that an op that
/// assumes alignment is found out, and one that writes beside its output too.
template <class T>
class Fenced {
 public:
  Fenced(const std::vector<T>& values, const Device& device)
      : count_(values.size()),
        bytes_(image(values)),
        memory_(Tensor<Flag>::from_host(bytes_, {Index(bytes_.size())}, device)) {}

  T* data() const { return reinterpret_cast<T*>(memory_.data() + kBefore); }

  std::vector<T> values() const {
    const std::vector<Flag> now = memory_.to_host();
    std::vector<T> v(count_);
    if (count_) std::memcpy(v.data(), now.data() + kBefore, count_ * sizeof(T));
    return v;
  }

  /// No byte beside the values has changed.
  bool intact() const {
    const std::vector<Flag> now = memory_.to_host();
    const std::size_t end = kBefore + count_ * sizeof(T);
    return std::memcmp(now.data(), bytes_.data(), kBefore) == 0 &&
           std::memcmp(now.data() + end, bytes_.data() + end, bytes_.size() - end) == 0;
  }

 private:
  static constexpr std::size_t kBand = 256, kBefore = kBand + sizeof(T);

  static std::vector<Flag> image(const std::vector<T>& values) {
    std::vector<Flag> bytes(kBefore + values.size() * sizeof(T) + kBand);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<Flag>(0x5B + 37 * i);
    if (!values.empty()) std::memcpy(bytes.data() + kBefore, values.data(), values.size() * sizeof(T));
    return bytes;
  }

  std::size_t count_;
  std::vector<Flag> bytes_;
  Tensor<Flag> memory_;
};

}  // namespace anylead::test
