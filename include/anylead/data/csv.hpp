// Comma-separated tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::data {

/// A table of text. Every row has as many fields as the header.
struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::vector<Index> lines;  ///< of the rows, in the file, from 1

  /// Number of the column of that name, in any case; -1 if there is none.
  ANYLEAD_INLINE Index column(std::string_view name) const;
};

/// Reads a table: fields separated by comma, semicolon or tab (whichever the first line has most of), fields in double quotes
/// may hold separators, line ends and doubled quotes (RFC 4180); line ends \n or \r\n; a byte-order mark is skipped; empty
/// lines are too.
/// @throws FormatError naming the line for a ragged row, an unclosed quote or text behind a closing quote
ANYLEAD_INLINE CsvTable parse_csv(std::string_view text, std::string_view file);

/// The same of a file. @throws IoError, FormatError
ANYLEAD_INLINE CsvTable read_csv(const std::string& path);

/// A field as a number; NaN for an empty one, "nan" or "na" in any case. @throws FormatError for other text
ANYLEAD_INLINE double csv_number(std::string_view field, std::string_view file, Index line, std::string_view column);

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/csv.ipp>
#endif
