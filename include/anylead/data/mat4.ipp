#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/data/mat4.hpp>

namespace anylead::data {
namespace detail {

inline constexpr Index kMat4Fixed = 20;  ///< bytes before the name
inline constexpr std::array<Index, 6> kMat4Size = {8, 4, 4, 2, 2, 1};

/// An unsigned number of sizeof(U) bytes at an offset; the caller has checked that it is there.
template <class U>
U load(std::span<const std::byte> bytes, Index at, bool big_endian) {
  U value = 0;
  for (std::size_t i = 0; i < sizeof(U); ++i) {
    const std::size_t shift = 8 * (big_endian ? sizeof(U) - 1 - i : i);
    value = static_cast<U>(value | static_cast<U>(static_cast<U>(bytes[static_cast<std::size_t>(at) + i]) << shift));
  }
  return value;
}

inline double mat4_value(std::span<const std::byte> bytes, Index at, Mat4Number number, bool big) {
  switch (number) {
    case Mat4Number::float64:
      return std::bit_cast<double>(load<std::uint64_t>(bytes, at, big));
    case Mat4Number::float32:
      return static_cast<double>(std::bit_cast<float>(load<std::uint32_t>(bytes, at, big)));
    case Mat4Number::int32:
      return static_cast<std::int32_t>(load<std::uint32_t>(bytes, at, big));
    case Mat4Number::int16:
      return static_cast<std::int16_t>(load<std::uint16_t>(bytes, at, big));
    case Mat4Number::uint16:
      return load<std::uint16_t>(bytes, at, big);
    case Mat4Number::uint8:
      return load<std::uint8_t>(bytes, at, big);
  }
  return 0;
}

}  // namespace detail

ANYLEAD_INLINE Mat4Header parse_mat4_header(std::span<const std::byte> bytes, std::string_view file) {
  const auto fail = [&](Index at, const auto&... problem) { throw FormatError(file, str("byte ", at), str(problem...)); };
  const auto size = static_cast<Index>(bytes.size());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("MATLAB ")) fail(0, "expected a MATLAB file of level 4, found ", printable(text.substr(0, 10)));
  if (size < detail::kMat4Fixed) fail(0, "expected the ", detail::kMat4Fixed, " bytes of a MATLAB 4 header, found ", size);

  Mat4Header h;
  // Types are below 10000, so that only one byte order gives one; 0 reads the same in both and means little endian.
  std::uint32_t type = detail::load<std::uint32_t>(bytes, 0, false);
  if (type >= 10000) {
    h.big_endian = true;
    type = detail::load<std::uint32_t>(bytes, 0, true);
  }
  const std::uint32_t machine = type / 1000, zero = type / 100 % 10, number = type / 10 % 10, kind = type % 10;
  if (type >= 10000 || zero != 0 || number > 5 || kind > 2)
    fail(0, "expected a type of a MATLAB 4 matrix, found ", detail::load<std::uint32_t>(bytes, 0, false));
  if (machine != (h.big_endian ? 1 : 0))
    fail(0, "type ", type, ": expected IEEE numbers in the byte order of the header, found machine ", machine);
  if (kind != 0) fail(0, "type ", type, ": expected a full matrix of numbers, found ", kind == 1 ? "text" : "a sparse matrix");
  h.number = static_cast<Mat4Number>(number);

  const auto integer = [&](Index at) {
    return Index{static_cast<std::int32_t>(detail::load<std::uint32_t>(bytes, at, h.big_endian))};
  };
  h.rows = integer(4);
  h.columns = integer(8);
  const Index imaginary = integer(12), name_bytes = integer(16);
  if (h.rows < 0 || h.columns < 0) fail(4, "expected a size, found ", h.rows, " rows and ", h.columns, " columns");
  if (imaginary != 0) fail(12, "expected real numbers (0), found imaginary flag ", imaginary);
  if (name_bytes < 1 || name_bytes > size - detail::kMat4Fixed)
    fail(16, "expected a name of 1 to ", size - detail::kMat4Fixed, " bytes, found length ", name_bytes);
  h.data_offset = detail::kMat4Fixed + name_bytes;
  const std::string_view name = text.substr(detail::kMat4Fixed, static_cast<std::size_t>(name_bytes));
  if (name.find('\0') != name.size() - 1)
    fail(detail::kMat4Fixed, "expected a name that ends with a 0 byte, found ", printable(name));
  h.name = name.substr(0, name.size() - 1);

  const Index there = size - h.data_offset, each = detail::kMat4Size[number], count = h.rows * h.columns;
  if (count > there / each)
    fail(h.data_offset, "expected ", h.rows, " x ", h.columns, " numbers of ", each, " bytes, found ", there, " bytes");
  h.data_bytes = count * each;
  return h;
}

ANYLEAD_INLINE Mat4Matrix parse_mat4(std::span<const std::byte> bytes, std::string_view file) {
  const Mat4Header h = parse_mat4_header(bytes, file);
  const Index end = h.data_offset + h.data_bytes;
  if (end != static_cast<Index>(bytes.size()))
    throw FormatError(file, str("byte ", end),
                      str("expected the end of the file, found ", Index(bytes.size()) - end, " bytes"));
  Mat4Matrix m{h.name, h.rows, h.columns, std::vector<double>(static_cast<std::size_t>(h.rows * h.columns))};
  const Index each = detail::kMat4Size[static_cast<std::size_t>(h.number)];
  for (Index i = 0; i < h.rows * h.columns; ++i)
    m.values[static_cast<std::size_t>(i)] = detail::mat4_value(bytes, h.data_offset + i * each, h.number, h.big_endian);
  return m;
}

}  // namespace anylead::data
