#pragma once

#include <anylead/io/array.hpp>

namespace anylead::io {

ANYLEAD_INLINE std::string_view name(DType type) {
  constexpr std::string_view kNames[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16",
                                         "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
  return kNames[static_cast<std::size_t>(type)];
}

ANYLEAD_INLINE Index element_count(std::span<const Index> shape) {
  Index count = 1;
  for (const Index size : shape)
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return -1;
  return count;
}

ANYLEAD_INLINE Array::Array(DType type, std::vector<Index> shape, Bytes bytes)
    : type_(type), shape_(std::move(shape)), bytes_(std::move(bytes)) {
  const Index count = element_count(shape_);
  Index size = 0;
  const bool fits = count >= 0 && !__builtin_mul_overflow(count, width(type_), &size);
  if (!fits || static_cast<std::size_t>(size) != bytes_.size()) {
    std::string sizes;
    for (const Index n : shape_) append(sizes, str(sizes.empty() ? "" : ", ", n));
    throw OptionError(str("array: shape [", sizes, "] of ", name(type_), " does not take ", bytes_.size(), " bytes"));
  }
}

ANYLEAD_INLINE void Arrays::add(std::string name, Array array) {
  if (!position_.try_emplace(name, items_.size()).second) throw OptionError(str("arrays: '", name, "' is there twice"));
  items_.emplace_back(std::move(name), std::move(array));
}

ANYLEAD_INLINE const Array* Arrays::find(const std::string& name) const {
  const auto entry = position_.find(name);
  return entry == position_.end() ? nullptr : &items_[entry->second].second;
}

ANYLEAD_INLINE const Array& Arrays::at(const std::string& name) const {
  if (const Array* array = find(name)) return *array;
  std::string alike;
  int listed = 0;
  const std::string last = name.substr(name.rfind('.') + 1);
  for (const auto& [other, array] : items_)
    if (listed < 3 && (other.ends_with(name) || name.ends_with(other) || other.substr(other.rfind('.') + 1) == last)) {
      append(alike, str(listed++ ? ", '" : "; like it: '", other, "'"));
    }
  throw OptionError(str("arrays: no '", name, "' among ", items_.size(), alike));
}

}  // namespace anylead::io
