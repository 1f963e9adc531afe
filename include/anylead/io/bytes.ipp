#pragma once

#include <anylead/core/mapped_file.hpp>
#include <anylead/io/bytes.hpp>

namespace anylead::io {

ANYLEAD_INLINE Bytes::Bytes(std::vector<std::byte> owned) {
  const auto holder = std::make_shared<const std::vector<std::byte>>(std::move(owned));
  view_ = *holder;
  owner_ = holder;
}

ANYLEAD_INLINE Bytes Bytes::copy_of(const void* data, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  return Bytes(std::vector<std::byte>(first, first + size));
}

ANYLEAD_INLINE Bytes Bytes::of_file(const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  return {file, file->bytes()};
}

}  // namespace anylead::io
