#include <anylead/io/array.hpp>

#include <cmath>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

namespace {

template <class T>
Array raw(DType type, const std::vector<T>& values) {
  return {type, {static_cast<Index>(values.size())}, Bytes::copy_of(values.data(), values.size() * sizeof(T))};
}

}  // namespace

TEST_CASE("half and bfloat16 numbers become the floats they mean", "[io]") {
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0xc000) == -2.0f);
  CHECK(half_to_float(0x3555) == 0.333251953125f);
  CHECK(half_to_float(0x7bff) == 65504.0f);
  CHECK(half_to_float(0x0400) == 0x1p-14f);
  CHECK(half_to_float(0x03ff) == 1023 * 0x1p-24f);
  CHECK(half_to_float(0x8001) == -0x1p-24f);
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(half_to_float(0x7c00) == INFINITY);
  CHECK(half_to_float(0xfc00) == -INFINITY);
  CHECK(std::isnan(half_to_float(0x7e00)));
  CHECK(bfloat16_to_float(0x3fc0) == 1.5f);
  CHECK(raw<std::uint16_t>(DType::f16, {0x3c00, 0x8001}).to_vector<double>() == std::vector<double>{1, -0x1p-24});
  CHECK(raw<std::uint16_t>(DType::bf16, {0x3fc0}).to_vector<float>() == std::vector<float>{1.5f});
}

TEST_CASE("every element type converts to floats", "[io]") {
  CHECK(raw<double>(DType::f64, {0.1, -3}).to_vector<float>() == std::vector<float>{0.1f, -3});
  CHECK(raw<std::int64_t>(DType::i64, {-5, 1}).to_vector<double>() == std::vector<double>{-5, 1});
  CHECK(raw<std::int32_t>(DType::i32, {-5}).to_vector<double>() == std::vector<double>{-5});
  CHECK(raw<std::int16_t>(DType::i16, {-5}).to_vector<double>() == std::vector<double>{-5});
  CHECK(raw<std::int8_t>(DType::i8, {-5}).to_vector<double>() == std::vector<double>{-5});
  CHECK(raw<std::uint64_t>(DType::u64, {~0ull}).to_vector<double>() == std::vector<double>{0x1p64});
  CHECK(raw<std::uint32_t>(DType::u32, {~0u}).to_vector<double>() == std::vector<double>{4294967295.0});
  CHECK(raw<std::uint16_t>(DType::u16, {65535}).to_vector<double>() == std::vector<double>{65535});
  CHECK(raw<std::uint8_t>(DType::u8, {255}).to_vector<double>() == std::vector<double>{255});
  CHECK(raw<std::uint8_t>(DType::boolean, {0, 1, 7}).to_vector<int>() == std::vector<int>{0, 1, 1});
  CHECK(Array().to_vector<float>().empty());
}

TEST_CASE("a conversion to integers is exact or refused", "[io]") {
  CHECK(raw<float>(DType::f32, {-3, 7}).to_vector<std::int64_t>() == std::vector<std::int64_t>{-3, 7});
  CHECK(raw<double>(DType::f64, {-0x1p63}).to_vector<std::int64_t>() == std::vector<std::int64_t>{INT64_MIN});
  CHECK(raw<double>(DType::f64, {-0.0, 255}).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 255});
  CHECK_THROWS_WITH(raw<float>(DType::f32, {1, 2.5f}).to_vector<int>(), Contains("2.5 at position 1"));
  CHECK_THROWS_AS(raw<double>(DType::f64, {0x1p63}).to_vector<std::int64_t>(), FormatError);
  CHECK_THROWS_AS(raw<double>(DType::f64, {NAN}).to_vector<std::int64_t>(), FormatError);
  CHECK_THROWS_AS(raw<double>(DType::f64, {256}).to_vector<std::uint8_t>(), FormatError);
  CHECK_THROWS_AS(raw<float>(DType::f32, {-1}).to_vector<std::uint8_t>(), FormatError);
  CHECK_THROWS_AS(raw<std::int64_t>(DType::i64, {1ll << 31}).to_vector<std::int32_t>(), FormatError);
  CHECK_THROWS_AS(raw<std::uint64_t>(DType::u64, {1ull << 63}).to_vector<std::int64_t>(), FormatError);
}

TEST_CASE("shape and bytes of an array must agree", "[io]") {
  CHECK(Array(DType::f32, {}, Bytes::copy_of("abcd", 4)).count() == 1);
  CHECK(Array(DType::i16, {0, 5}, Bytes()).count() == 0);
  CHECK_THROWS_WITH(Array(DType::f64, {2, 3}, Bytes::copy_of("abcd", 4)), Contains("[2, 3] of F64") && Contains("4 bytes"));
  CHECK_THROWS_AS(Array(DType::u8, {-1, -4}, Bytes::copy_of("abcd", 4)), OptionError);
  CHECK_THROWS_AS(Array(DType::u8, {1ll << 32, 1ll << 32}, Bytes()), OptionError);
  CHECK_THROWS_AS(Array(DType::f64, {1ll << 61}, Bytes()), OptionError);
  CHECK_THROWS_AS(Array::of<float>({3}, std::vector<float>{1, 2}), OptionError);
}

TEST_CASE("arrays keep their order and know their names", "[io]") {
  Arrays arrays;
  CHECK(arrays.empty());
  arrays.add("encoder.b.weight", Array::of<float>({2}, std::vector<float>{1, 2}));
  arrays.add("a", Array::of<std::int64_t>({}, std::vector<std::int64_t>{7}));
  CHECK(arrays.size() == 2);
  CHECK(arrays.begin()->first == "encoder.b.weight");
  CHECK(arrays.at("a").to_vector<int>() == std::vector<int>{7});
  CHECK(arrays.contains("a"));
  CHECK_FALSE(arrays.contains("b"));
  CHECK_THROWS_AS(arrays.add("a", Array()), OptionError);
  CHECK_THROWS_WITH(arrays.at("b.weight"), Contains("no 'b.weight' among 2") && Contains("'encoder.b.weight'"));
}
