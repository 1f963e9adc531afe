// libFuzzer target: clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Itests tests/fuzz/torch_pickle.cpp
//
// An input is a whole file of torch.save if it begins like a ZIP archive. Otherwise it is a pickle, around which an archive
// with one storage is put: the directory's sizes would stop nearly every mutation before the pickle is reached.
#include <cstddef>
#include <cstdint>
#include <string>

#include <anylead/core/error.hpp>
#include <anylead/io/torch_pickle.hpp>
#include <io/zip_builder.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  if (!file.starts_with("PK")) file = zip_of({{"a/data.pkl", file}, {"a/data/0", "0123456789abcdef"}});
  try {
    const auto checkpoint = anylead::io::parse_torch_checkpoint(anylead::io::Bytes::copy_of(file.data(), file.size()), "fuzz");
    for (const auto& [name, array] : checkpoint.model) array.to_vector<double>();
  } catch (const anylead::FormatError&) {
  }
  return 0;
}
