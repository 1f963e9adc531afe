// What must hold for any bytes taken for a file of torch.save: they are read, or refused with a FormatError.
#pragma once

#include <cstddef>
#include <string>

#include <anylead/core/error.hpp>
#include <anylead/io/torch_pickle.hpp>
#include <io/zip_builder.hpp>

/// Whether the bytes were read. What does not begin like a ZIP archive is a pickle, around which an archive with one storage is
/// put: the sizes in an archive's directory would stop nearly every mutation before the pickle is reached.
inline bool fuzz_torch_pickle(const void* data, std::size_t size) {
  std::string file(static_cast<const char*>(data), size);
  if (!file.starts_with("PK")) file = zip_of({{"a/data.pkl", file}, {"a/data/0", "0123456789abcdef"}});
  try {
    const auto checkpoint = anylead::io::parse_torch_checkpoint(anylead::io::Bytes::copy_of(file.data(), file.size()), "fuzz");
    for (const auto& [name, array] : checkpoint.model) array.to_vector<double>();
    return true;
  } catch (const anylead::FormatError&) {
    return false;
  }
}
