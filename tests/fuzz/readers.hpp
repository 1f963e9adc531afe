// What the fuzzers of the readers of recordings do with an input. Anything but FormatError is a defect.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <anylead/core/error.hpp>
#include <anylead/data/csv.hpp>
#include <anylead/data/mat4.hpp>
#include <anylead/data/npy.hpp>
#include <anylead/data/raw_record.hpp>
#include <anylead/data/wfdb.hpp>

namespace fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

/// Each returns whether the input was accepted.
inline bool wfdb_header(const std::uint8_t* data, std::size_t size) try {
  anylead::data::parse_wfdb_header(text_of(data, size), "fuzz");
  return true;
} catch (const anylead::FormatError&) {
  return false;
}

/// The header, a byte 0, and what every signal file holds.
inline bool wfdb_signals(const std::uint8_t* data, std::size_t size) try {
  const std::string_view text = text_of(data, size).substr(0, text_of(data, size).find('\0'));
  const auto rest = bytes_of(data, size).subspan(std::min(size, text.size() + 1));
  const auto header = anylead::data::parse_wfdb_header(text, "fuzz");
  auto raw = anylead::data::decode_wfdb(header, [&](const std::string&) { return rest; }, {.ignore_checksums = true});
  anylead::data::describe_from_comments(raw);
  anylead::data::to_record(raw);
  return true;
} catch (const anylead::FormatError&) {
  return false;
}

inline bool mat4(const std::uint8_t* data, std::size_t size) try {
  anylead::data::parse_mat4(bytes_of(data, size), "fuzz");
  return true;
} catch (const anylead::FormatError&) {
  return false;
}

inline bool npy(const std::uint8_t* data, std::size_t size) try {
  anylead::data::parse_npy(bytes_of(data, size), "fuzz");
  return true;
} catch (const anylead::FormatError&) {
  return false;
}

inline bool csv(const std::uint8_t* data, std::size_t size) try {
  const auto table = anylead::data::parse_csv(text_of(data, size), "fuzz");
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    for (std::size_t c = 0; c < table.header.size(); ++c)
      anylead::data::csv_number(table.rows.at(r).at(c), "fuzz", table.lines.at(r), table.header[c]);
  return true;
} catch (const anylead::FormatError&) {
  return false;
}

}  // namespace fuzz
