// What a collection of recordings offers, whether it lies in files or is synthesised.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <anylead/core/types.hpp>
#include <anylead/data/record.hpp>

namespace anylead::data {

/// A collection of recordings, numbered from 0. `read` may be called from several threads at once.
template <class S>
concept RecordSource = requires(const S& source, Index i) {
  { source.size() } -> std::convertible_to<Index>;
  { source.id(i) } -> std::convertible_to<std::string>;  // unique within the source, the same on every run
  {
    source.version(i)
    } -> std::convertible_to<std::uint64_t>;   // changes when the recording may have (file sizes and times, options)
  { source.read(i) } -> std::same_as<Record>;  // throws FormatError or IoError; the others can still be read
};

}  // namespace anylead::data
