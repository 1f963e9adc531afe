// What must hold for any bytes taken for a safetensors file: they are read, or refused with a FormatError.
#pragma once

#include <cstddef>

#include <anylead/core/error.hpp>
#include <anylead/io/safetensors.hpp>

/// Whether the bytes were read.
inline bool fuzz_safetensors(const void* data, std::size_t size) {
  try {
    const auto file = anylead::io::parse_safetensors(anylead::io::Bytes::copy_of(data, size), "fuzz");
    for (const auto& [name, array] : file.arrays) array.to_vector<double>();
    return true;
  } catch (const anylead::FormatError&) {
    return false;
  }
}
