#pragma once

#include <bit>
#include <cmath>
#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/data/mapped_file.hpp>
#include <anylead/data/npy.hpp>

namespace anylead::data {

namespace detail {

/// The dictionary literal of an .npy header.
class NpyHeader {
 public:
  NpyHeader(std::string_view text, std::size_t offset, std::string_view file) : text_(text), offset_(offset), file_(file) {
    need('{');
    while (!next('}')) {
      const std::string key = quoted();
      need(':');
      if (key == "descr") {
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran = literal("True");
        if (!fortran && !literal("False")) fail("expected True or False");
      } else if (key == "shape") {
        need('(');
        while (!next(')')) {
          shape.push_back(number());
          if (!next(',') && peek() != ')') fail("expected , or )");
        }
      } else {
        fail(str("unknown key ", key));
      }
      if (!next(',') && peek() != '}') fail("expected , or }");
    }
    if (descr.empty()) fail("no descr");
  }

  std::string descr;
  bool fortran = false;
  std::vector<Index> shape;

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FormatError(file_, str("byte ", offset_ + at_), what); }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool next(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void need(char c) {
    if (!next(c)) fail(str("expected ", c));
  }
  bool literal(std::string_view word) {
    skip();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("expected a quoted text");
    const std::size_t end = text_.find(quote, ++at_);
    if (end == std::string_view::npos || end - at_ > 64) fail("expected a short quoted text");
    const std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  Index number() {
    skip();
    Index n = 0;
    const std::size_t first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (n > (Index{1} << 48)) fail("size too large");
      n = 10 * n + (text_[at_] - '0');
    }
    if (at_ == first) fail("expected a size");
    return n;
  }

  std::string_view text_;
  std::size_t offset_, at_ = 0;
  std::string_view file_;
};

ANYLEAD_INLINE double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

/// One number of kind b, i, u or f and so many bytes, least significant first.
ANYLEAD_INLINE double number_value(char kind, std::uint64_t raw, std::size_t width) {
  if (kind == 'b') return raw != 0;
  if (kind == 'u') return static_cast<double>(raw);
  if (kind == 'i') {
    const int unused = 64 - 8 * static_cast<int>(width);
    return static_cast<double>(static_cast<std::int64_t>(raw << unused) >> unused);
  }
  if (width == 2) return half_value(static_cast<std::uint16_t>(raw));
  if (width == 4) return double{std::bit_cast<float>(static_cast<std::uint32_t>(raw))};
  return std::bit_cast<double>(raw);
}

}  // namespace detail

ANYLEAD_INLINE NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file) {
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0)
    throw FormatError(file, "byte 0", "expected an .npy file, which begins with \\x93NUMPY");
  const std::uint32_t major = byte(6);
  if (major < 1 || major > 3) throw FormatError(file, "byte 6", str("expected version 1, 2 or 3, found ", major));
  const std::size_t length_bytes = major == 1 ? 2 : 4, begin = 8 + length_bytes;
  std::size_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0 && begin <= bytes.size();) length = length << 8 | byte(8 + i);
  if (begin > bytes.size() || length > bytes.size() - begin)
    throw FormatError(file, "byte 8", str("the header of ", length, " bytes does not fit the file of ", bytes.size()));
  const detail::NpyHeader header({reinterpret_cast<const char*>(bytes.data()) + begin, length}, begin, file);

  const std::string& d = header.descr;
  const char order = d[0], kind = d.size() == 3 ? d[1] : '\0';
  const auto width = static_cast<std::size_t>(d.size() == 3 ? d[2] - '0' : 0);
  const bool known = (order == '<' || order == '>' || order == '|' || order == '=') &&
                     ((kind == 'b' && width == 1) || (kind == 'f' && (width == 2 || width == 4 || width == 8)) ||
                      ((kind == 'i' || kind == 'u') && (width == 1 || width == 2 || width == 4 || width == 8)));
  if (!known) throw FormatError(file, str("byte ", begin), str("numbers of type \"", d, "\" are not supported"));
  const std::size_t data = begin + length, room = (bytes.size() - data) / width;
  std::size_t count = 1;
  for (const Index s : header.shape) {
    if (s != 0 && count > room / static_cast<std::size_t>(s) && count > 0)
      throw FormatError(file, str("byte ", data),
                        str("the shape asks for more than the ", bytes.size() - data, " bytes of data"));
    count *= static_cast<std::size_t>(s);
  }
  if (count * width != bytes.size() - data)
    throw FormatError(file, str("byte ", data), str("expected ", count * width, " bytes of data, found ", bytes.size() - data));

  NpyArray array;
  array.shape = header.shape;
  array.values.resize(count);
  std::vector<Index> at(header.shape.size(), 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t raw = 0;
    for (std::size_t k = 0; k < width; ++k)
      raw |= std::uint64_t{byte(data + i * width + k)} << 8 * (order == '>' ? width - 1 - k : k);
    std::size_t to = i;
    if (header.fortran) {  // the first index runs fastest in the file
      to = 0;
      for (std::size_t axis = 0; axis < at.size(); ++axis)
        to = to * static_cast<std::size_t>(header.shape[axis]) + static_cast<std::size_t>(at[axis]);
      for (std::size_t axis = 0; axis < at.size() && ++at[axis] == header.shape[axis]; ++axis) at[axis] = 0;
    }
    array.values[to] = detail::number_value(kind, raw, width);
  }
  return array;
}

ANYLEAD_INLINE NpyArray read_npy(const std::string& path) { return parse_npy(MappedFile(path).bytes(), path); }

ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const float> values) {
  Index count = 1;
  std::string sizes;
  for (const Index s : shape) {
    count *= s;
    sizes += str(s, ", ");
  }
  ANYLEAD_CHECK(count == static_cast<Index>(values.size()), ShapeError, "write_npy", "shape holds ", count, " values, found ",
                values.size());
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  std::string header = str("{'descr': '<f4', 'fortran_order': False, 'shape': (", sizes, "), }");
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  AtomicFile file(path);
  const char magic[] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  file.write(magic, sizeof magic);
  file.write(header.data(), header.size());
  file.write(values.data(), values.size_bytes());
  file.commit();
}

}  // namespace anylead::data
