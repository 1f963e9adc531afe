// NumPy arrays: files of one array, read strictly and written whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// What the header of a file says.
struct NpyHeader {
  std::vector<Index> shape;
  Index count = 1;          ///< product of the shape
  char kind = 'f';          ///< b truth values, i integers, u unsigned integers, f floating-point numbers
  std::size_t width = 4;    ///< bytes of a number
  bool big_endian = false;  ///< high byte first
  bool fortran = false;     ///< the first index runs fastest in the file
  std::size_t data = 0;     ///< byte of the first number; count * width bytes follow
};

/// An array of numbers as double, row-major whatever the file's order.
struct NpyArray {
  std::vector<Index> shape;
  std::vector<double> values;
};

/// Reads the header of a file of numpy.save, versions 1 to 3: integers, unsigned integers and floating-point numbers of 1 to 8
/// bytes (half precision too), truth values; both byte orders, C and Fortran order. Nothing is evaluated: the header must be
/// the literal that numpy writes. `bytes` is the whole file, `file` names it in messages.
/// @throws FormatError with the byte, also if the size of the file is not that of the array
ANYLEAD_INLINE NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view file);

/// The numbers first .. first + count - 1 in row-major order. `bytes` is the file that the header is from.
ANYLEAD_INLINE std::vector<double> npy_values(const NpyHeader& header, std::span<const std::byte> bytes, Index first,
                                              Index count);

/// The whole array. @throws FormatError
ANYLEAD_INLINE NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file);

/// @throws IoError, FormatError
ANYLEAD_INLINE NpyArray read_npy(const std::string& path);

/// Writes a file that appears whole or not at all. values: row-major. @throws IoError; ShapeError if the counts disagree
ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const float> values);
ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const double> values);
ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const std::int64_t> values);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/npy.ipp>
#endif
