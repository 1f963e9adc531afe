#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/data/ascii.hpp>
#include <anylead/data/csv.hpp>

namespace anylead::data {

ANYLEAD_INLINE Index CsvTable::column(std::string_view name) const {
  for (std::size_t i = 0; i < header.size(); ++i)
    if (detail::lower(detail::trimmed(header[i])) == detail::lower(name)) return static_cast<Index>(i);
  return -1;
}

ANYLEAD_INLINE CsvTable parse_csv(std::string_view text, std::string_view file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::string_view first = text.substr(0, text.find('\n'));
  char separator = ',';
  for (const char c : {';', '\t'})
    if (std::count(first.begin(), first.end(), c) > std::count(first.begin(), first.end(), separator)) separator = c;

  CsvTable table;
  Index line = 1;
  std::size_t at = 0;
  while (at < text.size()) {
    const Index row_line = line;
    std::vector<std::string> row;
    for (bool row_ends = false; !row_ends;) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        const Index opened = line;
        for (++at;; ++at) {
          if (at >= text.size()) throw FormatError(file, str("line ", opened), "the quote that opens here is never closed");
          if (text[at] == '"') {
            if (at + 1 >= text.size() || text[at + 1] != '"') break;
            ++at;
          }
          line += text[at] == '\n';
          field += text[at];
        }
        ++at;
        if (at < text.size() && text[at] == '\r') ++at;
        if (at < text.size() && text[at] != separator && text[at] != '\n')
          throw FormatError(file, str("line ", line), "expected a separator or the end of the line behind a closing quote");
      } else {
        const std::size_t begin = at;
        while (at < text.size() && text[at] != separator && text[at] != '\n') ++at;
        field = text.substr(begin, at - begin);
        if (field.ends_with('\r')) field.pop_back();
      }
      row.push_back(std::move(field));
      row_ends = at >= text.size() || text[at] == '\n';
      ++at;
    }
    ++line;
    if (row.size() == 1 && detail::trimmed(row[0]).empty()) continue;
    if (table.header.empty()) {
      table.header = std::move(row);
      continue;
    }
    if (row.size() != table.header.size())
      throw FormatError(file, str("line ", row_line),
                        str("expected ", table.header.size(), " fields as in the header, found ", row.size()));
    table.rows.push_back(std::move(row));
    table.lines.push_back(row_line);
  }
  if (table.header.empty()) throw FormatError(file, "line 1", "expected a header, found an empty file");
  return table;
}

ANYLEAD_INLINE CsvTable read_csv(const std::string& path) {
  const MappedFile file(path);
  return parse_csv({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

ANYLEAD_INLINE double csv_number(std::string_view field, std::string_view file, Index line, std::string_view column) {
  const std::string_view text = detail::trimmed(field);
  const std::string key = detail::lower(text);
  if (key.empty() || key == "nan" || key == "na") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  // from_chars takes no plus sign.
  const char* begin = text.data() + (text.starts_with('+') && !text.starts_with("+-") ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw FormatError(file, str("line ", line),
                      str("column ", column, ": expected a number, found \"", text.substr(0, 40), "\""));
  return value;
}

}  // namespace anylead::data
