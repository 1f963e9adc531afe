#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/npy.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string file_of(int version, const std::string& header, const std::string& data) {
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out += static_cast<char>(header.size() >> 8 * i);
  return out + header + data;
}

std::string header_of(const std::string& type, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
}

NpyArray parse(const std::string& file) { return parse_npy(bytes_of(file), "a.npy"); }

std::vector<double> values_of(const std::string& type, const std::string& data) {
  const std::size_t width = static_cast<std::size_t>(type[2] - '0');
  return parse(file_of(1, header_of(type, "(" + std::to_string(data.size() / width) + ",)"), data)).values;
}

template <class T>
std::string raw(std::vector<T> values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

}  // namespace

TEST_CASE("arrays of every number type are read", "[npy]") {
  CHECK(values_of("<f4", raw<float>({1.5f, -0.25f})) == std::vector<double>{1.5, -0.25});
  CHECK(values_of("<f8", raw<double>({0.1, -1e300})) == std::vector<double>{0.1, -1e300});
  CHECK(values_of("<i2", raw<std::int16_t>({-32768, 32767})) == std::vector<double>{-32768, 32767});
  CHECK(values_of("<i4", raw<std::int32_t>({-5, 1 << 30})) == std::vector<double>{-5, 1 << 30});
  CHECK(values_of("<i8", raw<std::int64_t>({-5, std::int64_t{1} << 40})) == std::vector<double>{-5, std::pow(2.0, 40)});
  CHECK(values_of("<u2", raw<std::uint16_t>({65535})) == std::vector<double>{65535});
  CHECK(values_of("|u1", std::string("\x00\xFF", 2)) == std::vector<double>{0, 255});
  CHECK(values_of("|i1", "\xFF") == std::vector<double>{-1});
  CHECK(values_of("|b1", std::string("\x00\x01\x02", 3)) == std::vector<double>{0, 1, 1});
  CHECK(values_of(">i2", std::string("\x01\x02\xFF\xFE", 4)) == std::vector<double>{258, -2});
  CHECK(values_of(">f4", std::string("\x3F\xC0\x00\x00", 4)) == std::vector<double>{1.5});
  // Half precision: 1, the smallest subnormal, -65504, infinity.
  const auto half = values_of("<f2", std::string("\x00\x3C\x01\x00\xFF\xFB\x00\x7C", 8));
  CHECK(half == std::vector<double>{1, std::ldexp(1.0, -24), -65504, HUGE_VAL});
}

TEST_CASE("the three versions, scalars and empty arrays are read", "[npy]") {
  for (const int version : {1, 2, 3})
    CHECK(parse(file_of(version, header_of("|u1", "(2, 3)"), "abcdef")).shape == std::vector<Index>{2, 3});
  CHECK(parse(file_of(1, header_of("|u1", "()"), "a")).values == std::vector<double>{'a'});
  CHECK(parse(file_of(1, header_of("|u1", "(0,)"), "")).values.empty());
  CHECK(parse(file_of(1, header_of("|u1", "(281474976710656, 281474976710656, 0)", true), "")).values.empty());
}

TEST_CASE("arrays in Fortran order become row-major, also in parts", "[npy]") {
  // a[i][j][k] = 100 i + 10 j + k of shape 2 x 3 x 2, first index fastest in the file
  std::string data;
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) data += static_cast<char>(100 * i + 10 * j + k);
  const std::string file = file_of(1, header_of("|u1", "(2, 3, 2)", true), data);
  const std::vector<double> expected = {0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121};
  CHECK(parse(file).values == expected);
  const NpyHeader header = parse_npy_header(bytes_of(file), "a.npy");
  for (Index first = 0; first < 12; ++first)
    for (Index count = 0; first + count <= 12; ++count)
      CHECK(npy_values(header, bytes_of(file), first, count) ==
            std::vector<double>(expected.begin() + first, expected.begin() + first + count));
}

TEST_CASE("what is written is read back", "[npy]") {
  const TemporaryFolder folder;
  const std::vector<float> singles = {1, -2.5f, 1e-30f, NAN, 5, 6};
  write_npy(folder / "f.npy", {2, 3}, singles);
  const NpyArray a = read_npy(folder / "f.npy");
  CHECK(a.shape == std::vector<Index>{2, 3});
  for (std::size_t i = 0; i < singles.size(); ++i)
    CHECK((std::isnan(singles[i]) ? std::isnan(a.values[i]) : a.values[i] == double{singles[i]}));
  const std::vector<double> doubles = {0.1, 1e300, -7};
  write_npy(folder / "d.npy", {3}, doubles);
  CHECK(read_npy(folder / "d.npy").values == doubles);
  const std::vector<std::int64_t> integers = {-3, std::int64_t{1} << 40};
  write_npy(folder / "i.npy", {2, 1}, integers);
  CHECK(read_npy(folder / "i.npy").values == std::vector<double>{-3, std::pow(2.0, 40)});
  write_npy(folder / "s.npy", {}, std::vector<double>{4});
  CHECK(read_npy(folder / "s.npy").shape.empty());
  write_npy(folder / "e.npy", {0, 5}, std::vector<float>{});
  CHECK(read_npy(folder / "e.npy").shape == std::vector<Index>{0, 5});
  // numpy wants the data at a multiple of 64 bytes.
  CHECK(read_file(folder / "d.npy").size() % 64 == 24);
  CHECK_THROWS_AS(write_npy(folder / "x.npy", {2, 2}, doubles), ShapeError);
  CHECK_THROWS_AS(write_npy(folder / "x.npy", {-1, -3}, doubles), ShapeError);
  CHECK_THROWS_AS(write_npy(folder.path() + "/no/x.npy", {3}, doubles), IoError);
  CHECK(files_in(folder.path()) == 5);
}

TEST_CASE("files that are not what their header says are refused with the place", "[npy]") {
  const std::string good = file_of(1, header_of("<f4", "(2,)"), "abcdefgh");
  CHECK_NOTHROW(parse(good));
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_THROWS_AS(parse(good.substr(0, n)), FormatError);
  CHECK_THROWS_AS(parse(good + "x"), FormatError);
  for (const std::string& header :
       {header_of("<f4", "(3,)"), header_of("<f4", "(-2,)"), header_of("<f4", "(4294967296, 4294967296, 4)"),
        header_of("<c8", "(1,)"), header_of("|O", "(1,)"), header_of("<U2", "(1,)"), header_of("<i3", "(2,)"),
        header_of("<f1", "(8,)"), header_of("[('a', '<f4')]", "(2,)"), header_of("", "(2,)"),
        std::string("{'descr': '<f4', 'shape': (2,)}"), std::string("{'descr': '<f4', 'fortran_order': False}"),
        std::string("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}"),
        std::string("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"),
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}"),
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + 1"), std::string("")}) {
    INFO(header);
    CHECK_THROWS_AS(parse(file_of(1, header, "abcdefgh")), FormatError);
  }
  CHECK_THROWS_WITH(parse(file_of(4, header_of("<f4", "(2,)"), "abcdefgh")),
                    Catch::Contains("a.npy: byte 6: expected version"));
  CHECK_THROWS_WITH(parse(file_of(1, header_of("<f4", "(9,)"), "abcdefgh")), Catch::Contains("than the 8 bytes"));
}
