// Arrays of numbers as files hold them: element type, shape, bytes.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/types.hpp>
#include <anylead/io/bytes.hpp>

namespace anylead::io {

static_assert(std::endian::native == std::endian::little, "the files hold little-endian numbers");

/// Element types. `boolean` is one byte, 0 or not 0.
enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

/// Bytes of one element.
constexpr Index width(DType type) {
  switch (type) {
    case DType::f64:
    case DType::i64:
    case DType::u64:
      return 8;
    case DType::f32:
    case DType::i32:
    case DType::u32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
    case DType::u16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  return 0;
}

/// "F32" and so on, as safetensors files write them.
ANYLEAD_INLINE std::string_view name(DType type);

/// A number in numpy's "half" format, 1 + 5 + 10 bits, exactly.
constexpr float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits} >> 15 << 31, exponent = bits >> 10 & 31u, fraction = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal
  return sign ? -magnitude : magnitude;
}

/// A number in bfloat16 format, the upper half of a float.
constexpr float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// Types that arrays are converted to.
template <class T>
concept Number = std::is_arithmetic_v<T> && !std::same_as<T, bool> && !std::same_as<T, char>;

/// Product of the sizes, -1 if a size is negative or the product exceeds the range of Index.
ANYLEAD_INLINE Index element_count(std::span<const Index> shape);

/// A row-major array that does not change. Copies share the bytes, which may be a view into a mapped file.
class Array {
 public:
  Array() = default;

  /// @throws OptionError unless the bytes are exactly those of the shape
  ANYLEAD_INLINE Array(DType type, std::vector<Index> shape, Bytes bytes);

  /// A copy of values in memory.
  template <Number T>
  static Array of(std::vector<Index> shape, std::span<const T> values) {
    return {dtype_of<T>(), std::move(shape), Bytes::copy_of(values.data(), values.size_bytes())};
  }
  template <Number T>
  static Array of(std::vector<Index> shape, const std::vector<T>& values) {
    return of(std::move(shape), std::span<const T>(values));
  }

  DType dtype() const { return type_; }
  const std::vector<Index>& shape() const { return shape_; }
  Index count() const { return static_cast<Index>(bytes_.size()) / width(type_); }

  /// Not necessarily aligned for the element type: files decide where an array begins.
  const Bytes& bytes() const { return bytes_; }

  /// All values as T. To a floating-point type the nearest value is taken.
  /// @throws FormatError if T is an integer type and a value is not exactly one of its numbers
  template <Number T>
  std::vector<T> to_vector() const;

  template <Number T>
  static constexpr DType dtype_of() {
    if constexpr (std::is_floating_point_v<T>) {
      static_assert(sizeof(T) == 4 || sizeof(T) == 8);
      return sizeof(T) == 8 ? DType::f64 : DType::f32;
    } else if constexpr (std::is_signed_v<T>) {
      return sizeof(T) == 8 ? DType::i64 : sizeof(T) == 4 ? DType::i32 : sizeof(T) == 2 ? DType::i16 : DType::i8;
    } else {
      return sizeof(T) == 8 ? DType::u64 : sizeof(T) == 4 ? DType::u32 : sizeof(T) == 2 ? DType::u16 : DType::u8;
    }
  }

 private:
  template <class Stored, class T, class Decode>
  void convert(std::vector<T>& to, Decode decode) const;

  DType type_ = DType::f32;
  std::vector<Index> shape_ = {0};
  Bytes bytes_;
};

/// Named arrays in the order they were added.
class Arrays {
 public:
  using value_type = std::pair<std::string, Array>;

  /// @throws OptionError if the name is taken
  ANYLEAD_INLINE void add(std::string name, Array array);

  /// nullptr if there is none.
  ANYLEAD_INLINE const Array* find(const std::string& name) const;

  /// @throws OptionError with the names that look alike if there is none
  ANYLEAD_INLINE const Array& at(const std::string& name) const;

  bool contains(const std::string& name) const { return find(name) != nullptr; }
  Index size() const { return static_cast<Index>(items_.size()); }
  bool empty() const { return items_.empty(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<value_type> items_;
  std::map<std::string, std::size_t> position_;  // a tree: no choice of names makes it slow
};

template <class Stored, class T, class Decode>
void Array::convert(std::vector<T>& to, Decode decode) const {
  const std::byte* from = bytes_.data();
  for (std::size_t i = 0; i < to.size(); ++i, from += sizeof(Stored)) {
    Stored stored;
    std::memcpy(&stored, from, sizeof stored);
    const auto value = decode(stored);
    if constexpr (std::is_integral_v<T>) {
      bool fits;
      if constexpr (std::is_floating_point_v<decltype(value)>) {
        const double bound = std::ldexp(1.0, std::numeric_limits<T>::digits), v = value;
        fits = v >= (std::is_signed_v<T> ? -bound : 0.0) && v < bound && v == std::trunc(v);
      } else {
        fits = std::in_range<T>(value);
      }
      if (!fits) throw FormatError(str("array: value ", value, " at position ", i, " is not an integer of the type asked for"));
    }
    to[i] = static_cast<T>(value);
  }
}

template <Number T>
std::vector<T> Array::to_vector() const {
  std::vector<T> to(static_cast<std::size_t>(count()));
  if (to.empty()) return to;
  if (type_ == dtype_of<T>()) {
    std::memcpy(to.data(), bytes_.data(), bytes_.size());
    return to;
  }
  const auto same = [](auto value) { return value; };
  switch (type_) {
    case DType::f64:
      convert<double>(to, same);
      break;
    case DType::f32:
      convert<float>(to, same);
      break;
    case DType::f16:
      convert<std::uint16_t>(to, half_to_float);
      break;
    case DType::bf16:
      convert<std::uint16_t>(to, bfloat16_to_float);
      break;
    case DType::i64:
      convert<std::int64_t>(to, same);
      break;
    case DType::i32:
      convert<std::int32_t>(to, same);
      break;
    case DType::i16:
      convert<std::int16_t>(to, same);
      break;
    case DType::i8:
      convert<std::int8_t>(to, same);
      break;
    case DType::u64:
      convert<std::uint64_t>(to, same);
      break;
    case DType::u32:
      convert<std::uint32_t>(to, same);
      break;
    case DType::u16:
      convert<std::uint16_t>(to, same);
      break;
    case DType::u8:
      convert<std::uint8_t>(to, same);
      break;
    case DType::boolean:
      convert<std::uint8_t>(to, [](std::uint8_t value) { return static_cast<std::uint8_t>(value != 0); });
      break;
  }
  return to;
}

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/array.ipp>
#endif
