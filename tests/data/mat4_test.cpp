#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/mat4.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;
using Catch::Matchers::Contains;

namespace {

/// The bytes of an integer in either order.
template <class I>
std::string bytes_of(I value, bool big = false) {
  std::string out;
  for (std::size_t i = 0; i < sizeof(I); ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * (big ? sizeof(I) - 1 - i : i));
  return out;
}

std::string header(std::int32_t type, std::int32_t rows, std::int32_t columns, std::int32_t imaginary = 0,
                   const std::string& name = std::string("val\0", 4), bool big = false) {
  std::string out;
  for (const std::int32_t field : {type, rows, columns, imaginary, static_cast<std::int32_t>(name.size())})
    out += bytes_of(field, big);
  return out + name;
}

Mat4Matrix parse(const std::string& file) {
  const std::vector<char> exact(file.begin(), file.end());  // so that sanitizers see the end
  return parse_mat4(std::as_bytes(std::span(exact)), "f.mat");
}

}  // namespace

TEST_CASE("all number types are read in both byte orders", "[data]") {
  for (const bool big : {false, true}) {
    const auto matrix = [&](std::int32_t type, const std::string& numbers) {
      return parse(header(type + (big ? 1000 : 0), 2, 1, 0, std::string("x\0", 2), big) + numbers).values;
    };
    const auto two = [&](auto a, auto b) { return bytes_of(a, big) + bytes_of(b, big); };
    CHECK(matrix(0, two(std::bit_cast<std::uint64_t>(-0.1), std::bit_cast<std::uint64_t>(1e300))) == std::vector{-0.1, 1e300});
    CHECK(matrix(10, two(std::bit_cast<std::uint32_t>(0.5f), std::bit_cast<std::uint32_t>(-3e38f))) ==
          std::vector{0.5, double(-3e38f)});
    CHECK(matrix(20, two(std::int32_t{-2147483647 - 1}, std::int32_t{2147483647})) == std::vector{-2147483648.0, 2147483647.0});
    CHECK(matrix(30, two(std::int16_t{-32768}, std::int16_t{258})) == std::vector{-32768.0, 258.0});
    CHECK(matrix(40, two(std::uint16_t{65535}, std::uint16_t{258})) == std::vector{65535.0, 258.0});
    CHECK(matrix(50, two(std::uint8_t{255}, std::uint8_t{1})) == std::vector{255.0, 1.0});
  }
}

TEST_CASE("a matrix has its name, its shape and its numbers column by column", "[data]") {
  const Mat4Matrix m = parse(header(50, 2, 3) + "abcdef");
  CHECK(m.name == "val");
  CHECK(m.rows == 2);
  CHECK(m.columns == 3);
  CHECK(m.values == std::vector<double>{'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(parse(header(0, 0, 5)).values.empty());
  CHECK(parse(header(0, 0, 0, 0, std::string(1, '\0'))).name.empty());
}

TEST_CASE("a header tells where the numbers lie, whatever follows them", "[data]") {
  const std::string file = header(30, 2, 1) + "abcd" + "more";
  const Mat4Header h = parse_mat4_header(std::as_bytes(std::span(file)), "f.mat");
  CHECK(h.number == Mat4Number::int16);
  CHECK_FALSE(h.big_endian);
  CHECK(h.data_offset == 24);
  CHECK(h.data_bytes == 4);
}

TEST_CASE("files that are no MATLAB 4 matrix are refused with the reason", "[data]") {
  const auto refuses = [](const std::string& file, const std::string& message) {
    INFO(message);
    CHECK_THROWS_AS(parse(file), FormatError);
    CHECK_THROWS_WITH(parse(file), Contains(message));
  };
  const std::string good = header(50, 2, 3) + "abcdef";
  refuses("", "f.mat: byte 0: expected the 20 bytes of a MATLAB 4 header, found 0");
  refuses(good.substr(0, 19), "found 19");
  refuses("MATLAB 5.0 MAT-file, Platform: GLNXA64", "expected a MATLAB file of level 4, found 'MATLAB 5.0'");
  refuses(header(31, 2, 3) + "abcdefghijkl", "found text");
  refuses(header(32, 2, 3) + "abcdefghijkl", "found a sparse matrix");
  refuses(header(60, 2, 3) + "abcdef", "expected a type of a MATLAB 4 matrix, found 60");
  refuses(header(130, 2, 3) + "abcdefghijkl", "found 130");
  refuses(header(1050, 2, 3) + "abcdef", "found machine 1");  // says big endian, is little
  refuses(header(50, 2, 3, 0, std::string("val\0", 4), true) + "abcdef", "found machine 0");
  refuses(header(2050, 2, 3) + "abcdef", "found machine 2");
  refuses(header(-1, 2, 3) + "abcdef", "expected a type");
  refuses(header(50, 2, 3, 1) + "abcdefabcdef", "byte 12: expected real numbers (0), found imaginary flag 1");
  refuses(header(50, -2, 3) + "abcdef", "byte 4: expected a size, found -2 rows and 3 columns");
  refuses(header(50, 2, -3) + "abcdef", "found 2 rows and -3 columns");
  refuses(header(50, 2, 3, 0, "") + "abcdef", "byte 16: expected a name of 1 to 6 bytes, found length 0");
  refuses(header(50, 2, 3, 0, "val!") + "abcdef", "byte 20: expected a name that ends with a 0 byte, found 'val!'");
  refuses(header(50, 2, 3, 0, std::string("v\0l\0", 4)) + "abcdef", "ends with a 0 byte");
  refuses(good.substr(0, 16) + bytes_of(std::int32_t{2147483647}), "found length 2147483647");
  refuses(good.substr(0, 16) + bytes_of(std::int32_t{-1}) + std::string(9, '\0'), "found length -1");
  refuses(good.substr(0, 29), "byte 24: expected 2 x 3 numbers of 1 bytes, found 5 bytes");
  refuses(header(0, 2147483647, 2147483647) + "abcdef", "expected 2147483647 x 2147483647 numbers of 8 bytes, found 6 bytes");
  refuses(good + "x", "byte 30: expected the end of the file, found 1 bytes");
}
