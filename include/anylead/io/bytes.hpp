// Read-only bytes with shared ownership: what readers hand out without copying.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <anylead/core/config.hpp>

namespace anylead::io {

/// Read-only bytes that stay valid as long as a copy lives: memory of their own, a mapped file, or a part of either.
class Bytes {
 public:
  Bytes() = default;
  ANYLEAD_INLINE explicit Bytes(std::vector<std::byte> owned);
  ANYLEAD_INLINE static Bytes copy_of(const void* data, std::size_t size);

  /// The file, mapped into memory (MappedFile). @throws IoError
  ANYLEAD_INLINE static Bytes of_file(const std::string& path);

  /// `size` bytes from `offset` on, which must lie inside.
  Bytes part(std::size_t offset, std::size_t size) const { return {owner_, view_.subspan(offset, size)}; }

  const std::byte* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }

 private:
  Bytes(std::shared_ptr<const void> owner, std::span<const std::byte> view) : owner_(std::move(owner)), view_(view) {}

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

}  // namespace anylead::io

#ifndef ANYLEAD_COMPILED
#include <anylead/io/bytes.ipp>
#endif
