// NumPy arrays: files of one array, read strictly and written whole.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// An array of numbers as double, row-major whatever the file's order.
struct NpyArray {
  std::vector<Index> shape;
  std::vector<double> values;
};

/// Reads a file of numpy.save, versions 1 to 3: integers, unsigned integers and floating-point numbers of 1 to 8 bytes (half
/// precision too), truth values; both byte orders, C and Fortran order. Nothing is evaluated: the header must be the literal
/// that numpy writes. @throws IoError, FormatError with the byte
ANYLEAD_INLINE NpyArray read_npy(const std::string& path);

/// The same for bytes in memory; `file` names them in messages.
ANYLEAD_INLINE NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file);

/// Writes a file that appears whole or not at all. values: row-major. @throws IoError; ShapeError if the counts disagree
ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const float> values);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/npy.ipp>
#endif
