// libFuzzer target: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/safetensors.cpp
#include <cstddef>
#include <cstdint>

#include <anylead/core/error.hpp>
#include <anylead/io/safetensors.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = anylead::io::parse_safetensors(anylead::io::Bytes::copy_of(data, size), "fuzz");
    for (const auto& [name, array] : file.arrays) array.to_vector<double>();
  } catch (const anylead::FormatError&) {
  }
  return 0;
}
