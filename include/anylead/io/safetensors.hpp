// Named arrays in safetensors files: an 8-byte length, a JSON header, the data.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <anylead/core/atomic_file.hpp>
#include <anylead/io/array.hpp>

namespace anylead::io {

/// Free text of a file, by key.
using Metadata = std::map<std::string, std::string>;

struct Safetensors {
  Arrays arrays;  ///< in the order of the header; views into the file
  Metadata metadata;
};

/// Reads a file without copying the data. Accepts exactly what the format allows: one JSON object of at most 100 MB, no name
/// twice, known types, sizes that agree with the byte ranges, and ranges that cover the data without overlap or gap.
/// @throws IoError, FormatError
/// Source: github.com/huggingface/safetensors, "Format".
ANYLEAD_INLINE Safetensors load_safetensors(const std::string& path);

/// The same for bytes in memory; `file` names them in messages.
ANYLEAD_INLINE Safetensors parse_safetensors(const Bytes& bytes, std::string_view file);

/// Writes a file that appears whole or not at all. The widest elements come first in the data, so that every array is aligned
/// to its element size; the header keeps the order of the arrays.
/// @throws IoError; OptionError if a name is not UTF-8 or is "__metadata__", or the header would exceed 100 MB
ANYLEAD_INLINE void save_safetensors(const std::string& path, const Arrays& arrays, const Metadata& metadata = {});

/// The same into a file that somebody else finishes.
ANYLEAD_INLINE void write_safetensors(OutputFile& file, const Arrays& arrays, const Metadata& metadata = {});

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/safetensors.ipp>
#endif
