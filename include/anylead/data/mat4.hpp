// Matrices of MATLAB level 4 files.
//
// Written from "MAT-File Format", The MathWorks: five 32-bit integers (type, rows, columns, imaginary flag, length of the
// name), the name with its final 0, then the numbers column by column. The type is a decimal number MOPT: M byte order (0
// little, 1 big), O always 0, P number type, T kind of matrix (0 full).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// P of the type code.
enum class Mat4Number { float64 = 0, float32 = 1, int32 = 2, int16 = 3, uint16 = 4, uint8 = 5 };

struct Mat4Header {
  Mat4Number number = Mat4Number::float64;
  bool big_endian = false;
  Index rows = 0, columns = 0;
  std::string name;       ///< without its final 0
  Index data_offset = 0;  ///< bytes before the numbers
  Index data_bytes = 0;   ///< of the numbers
};

struct Mat4Matrix {
  std::string name;
  Index rows = 0, columns = 0;
  std::vector<double> values;  ///< [columns, rows]: column by column
};

/// The header of the first matrix, whose numbers are all there; `file` is for messages.
/// @throws FormatError for other versions and kinds of files, complex and sparse matrices, text, and sizes that the file is too
///         short for.
ANYLEAD_INLINE Mat4Header parse_mat4_header(std::span<const std::byte> bytes, std::string_view file);

/// A file of one matrix. @throws FormatError as above, and for bytes behind the matrix
ANYLEAD_INLINE Mat4Matrix parse_mat4(std::span<const std::byte> bytes, std::string_view file);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/mat4.ipp>
#endif
