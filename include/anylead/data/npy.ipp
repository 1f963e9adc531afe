#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/data/npy.hpp>

namespace anylead::data {

namespace detail {

/// The dictionary literal of an .npy header.
class NpyLiteral {
 public:
  NpyLiteral(std::string_view text, std::size_t offset, std::string_view file) : text_(text), offset_(offset), file_(file) {
    need('{');
    bool has_order = false, has_shape = false;
    while (!next('}')) {
      const std::string key = quoted();
      need(':');
      if (key == "descr") {
        if (!descr.empty()) fail("a second descr");
        descr = quoted();
      } else if (key == "fortran_order") {
        if (std::exchange(has_order, true)) fail("a second fortran_order");
        fortran = literal("True");
        if (!fortran && !literal("False")) fail("expected True or False");
      } else if (key == "shape") {
        if (std::exchange(has_shape, true)) fail("a second shape");
        need('(');
        while (!next(')')) {
          shape.push_back(number());
          if (!next(',') && peek() != ')') fail("expected , or )");
        }
      } else {
        fail(str("expected descr, fortran_order or shape, found ", printable(key)));
      }
      if (!next(',') && peek() != '}') fail("expected , or }");
    }
    if (descr.empty() || !has_order || !has_shape) fail("expected descr, fortran_order and shape before the end");
    skip();
    if (at_ != text_.size()) fail("expected nothing but blanks behind the closing brace");
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

inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

/// Reads one number of type T.
template <class T>
double npy_load(const std::byte* from, bool reversed) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), from, sizeof(T));
  if (reversed) std::reverse(bytes.begin(), bytes.end());
  return static_cast<double>(std::bit_cast<T>(bytes));
}

using NpyLoad = double (*)(const std::byte*, bool);

/// Null for a type that is none of ours.
inline NpyLoad npy_loader(char kind, std::size_t width) {
  if (kind == 'b' && width == 1) return [](const std::byte* from, bool) { return *from == std::byte{} ? 0.0 : 1.0; };
  if (kind == 'f' && width == 2)
    return [](const std::byte* from, bool reversed) {
      return half_value(static_cast<std::uint16_t>(npy_load<std::uint16_t>(from, reversed)));
    };
  if (kind == 'f') return width == 4 ? npy_load<float> : width == 8 ? npy_load<double> : nullptr;
  if (kind == 'i' || kind == 'u') {
    const bool sign = kind == 'i';
    if (width == 1) return sign ? npy_load<std::int8_t> : npy_load<std::uint8_t>;
    if (width == 2) return sign ? npy_load<std::int16_t> : npy_load<std::uint16_t>;
    if (width == 4) return sign ? npy_load<std::int32_t> : npy_load<std::uint32_t>;
    if (width == 8) return sign ? npy_load<std::int64_t> : npy_load<std::uint64_t>;
  }
  return nullptr;
}

inline void write_npy(const std::string& path, const std::vector<Index>& shape, std::string_view type, const void* data,
                      std::size_t held, std::size_t width) {
  ANYLEAD_CHECK(shape.size() <= 32, ShapeError, "write_npy", "expected at most 32 axes, found ", shape.size());
  std::size_t count = 1;
  std::string sizes;
  for (const Index s : shape) {
    ANYLEAD_CHECK(s >= 0, ShapeError, "write_npy", "expected sizes, found ", s);
    count *= static_cast<std::size_t>(s);
    sizes += str(s, ", ");
  }
  ANYLEAD_CHECK(count == held, ShapeError, "write_npy", "the shape holds ", count, " values, found ", held);
  if (!shape.empty()) sizes.resize(sizes.size() - (shape.size() > 1 ? 2 : 1));  // one size keeps its comma
  std::string header = str("{'descr': '", type, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  AtomicFile out(path);
  const char magic[] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  out.file().write(magic, sizeof magic);
  out.file().write(header);
  out.file().write(data, held * width);
  out.commit();
}

}  // namespace detail

ANYLEAD_INLINE NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view file) {
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
  const detail::NpyLiteral literal({reinterpret_cast<const char*>(bytes.data()) + begin, length}, begin, file);

  const std::string& d = literal.descr;
  NpyHeader header;
  header.kind = d.size() == 3 ? d[1] : '\0';
  header.width = static_cast<std::size_t>(d.size() == 3 ? d[2] - '0' : 0);
  if (std::string_view("<>|=").find(d[0]) == std::string_view::npos || !detail::npy_loader(header.kind, header.width))
    throw FormatError(file, str("byte ", begin), str("expected numbers, found type ", printable(d)));
  header.big_endian = d[0] == '>';
  header.fortran = literal.fortran;
  header.shape = literal.shape;
  header.data = begin + length;
  const std::size_t there = bytes.size() - header.data;
  if (std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end()) {
    header.count = 0;
  } else {
    const auto room = static_cast<Index>(there / header.width);
    for (const Index s : header.shape) {
      if (header.count > room / s)
        throw FormatError(file, str("byte ", header.data), str("the shape asks for more than the ", there, " bytes of data"));
      header.count *= s;
    }
  }
  if (const std::size_t wanted = static_cast<std::size_t>(header.count) * header.width; wanted != there)
    throw FormatError(file, str("byte ", header.data), str("expected ", wanted, " bytes of data, found ", there));
  return header;
}

ANYLEAD_INLINE std::vector<double> npy_values(const NpyHeader& header, std::span<const std::byte> bytes, Index first,
                                              Index count) {
  const bool reversed = header.big_endian != (std::endian::native == std::endian::big);
  const detail::NpyLoad load = detail::npy_loader(header.kind, header.width);
  const std::byte* data = bytes.data() + header.data;
  std::vector<double> values(static_cast<std::size_t>(count));
  if (count == 0) return values;  // perhaps an axis of size 0 beside ones whose product overflows
  if (!header.fortran) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = load(data + (static_cast<std::size_t>(first) + i) * header.width, reversed);
    return values;
  }
  // Counts through the indices, last axis fastest, and keeps the offset that they have in the file, first axis fastest.
  const std::size_t axes = header.shape.size();
  std::vector<Index> at(axes), step(axes, 1);
  for (std::size_t a = 1; a < axes; ++a) step[a] = step[a - 1] * header.shape[a - 1];
  Index offset = 0;
  for (std::size_t a = axes; a-- > 0; first /= header.shape[a]) {
    at[a] = first % header.shape[a];
    offset += at[a] * step[a];
  }
  for (double& value : values) {
    value = load(data + static_cast<std::size_t>(offset) * header.width, reversed);
    for (std::size_t a = axes; a-- > 0;) {
      offset += step[a];
      if (++at[a] < header.shape[a]) break;
      offset -= step[a] * header.shape[a];
      at[a] = 0;
    }
  }
  return values;
}

ANYLEAD_INLINE NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file) {
  const NpyHeader header = parse_npy_header(bytes, file);
  return {header.shape, npy_values(header, bytes, 0, header.count)};
}

ANYLEAD_INLINE NpyArray read_npy(const std::string& path) { return parse_npy(MappedFile(path).bytes(), path); }

ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const float> values) {
  detail::write_npy(path, shape, "<f4", values.data(), values.size(), sizeof(float));
}

ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const double> values) {
  detail::write_npy(path, shape, "<f8", values.data(), values.size(), sizeof(double));
}

ANYLEAD_INLINE void write_npy(const std::string& path, const std::vector<Index>& shape, std::span<const std::int64_t> values) {
  detail::write_npy(path, shape, "<i8", values.data(), values.size(), sizeof(std::int64_t));
}

}  // namespace anylead::data
