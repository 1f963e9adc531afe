#include <anylead/io/safetensors.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <support/catch.hpp>
#include <support/file_size_limit.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data_bytes, '\1');
}

Safetensors parse(const std::string& bytes) { return parse_safetensors(Bytes::copy_of(bytes.data(), bytes.size()), "f"); }
Safetensors parse(const std::string& header, std::size_t data_bytes) { return parse(file_of(header, data_bytes)); }

Arrays some_arrays() {
  Arrays arrays;
  arrays.add("flags", Array(DType::boolean, {3}, Bytes::copy_of("\1\0\1", 3)));
  arrays.add("w", Array::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  arrays.add("empty", Array::of<double>({4, 0}, std::vector<double>{}));
  arrays.add("scalar", Array::of<double>({}, std::vector<double>{0.1}));
  arrays.add("steps \"\\\n\xc3\xa4", Array::of<std::int64_t>({1}, std::vector<std::int64_t>{-7}));
  return arrays;
}

}  // namespace

TEST_CASE("what is saved is loaded: values, shapes, order, metadata", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  const Metadata metadata = {{"format", "pt"}, {"note", "\"x\"\n"}};
  const Arrays saved = some_arrays();
  save_safetensors(path, saved, metadata);
  const auto loaded = load_safetensors(path);
  CHECK(loaded.metadata == metadata);
  REQUIRE(loaded.arrays.size() == saved.size());
  auto other = loaded.arrays.begin();
  for (const auto& [name, array] : saved) {
    CHECK(other->first == name);
    CHECK(other->second.dtype() == array.dtype());
    CHECK(other->second.shape() == array.shape());
    CHECK(other->second.to_vector<double>() == array.to_vector<double>());
    CHECK(reinterpret_cast<std::uintptr_t>(other->second.bytes().data()) % static_cast<std::size_t>(width(array.dtype())) == 0);
    ++other;
  }
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("no arrays at all make a file too", "[io]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "none", {});
  CHECK(read_file(folder / "none") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  CHECK(load_safetensors(folder / "none").arrays.empty());
}

TEST_CASE("arrays outlive the mapping's other views and the file's name", "[io]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", some_arrays());
  Array w;
  {
    const auto loaded = load_safetensors(folder / "a");
    w = loaded.arrays.at("w");
  }
  std::filesystem::remove(folder / "a");
  CHECK(w.to_vector<int>() == std::vector<int>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a header in any order and with spaces is read", "[io]") {
  const auto file = parse(
      R"({ "b" : {"shape":[1,2], "data_offsets":[2,6],"dtype":"U16"}, "a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]} }  )",
      6);
  CHECK(file.arrays.begin()->first == "b");
  CHECK(file.arrays.at("b").to_vector<int>() == std::vector<int>{257, 257});
  CHECK(file.arrays.at("a").to_vector<int>() == std::vector<int>{1, 1});
}

TEST_CASE("headers that break the format are refused with the place", "[io]") {
  const auto refuses = [](const std::string& header, std::size_t data_bytes, const std::string& message) {
    INFO(header);
    CHECK_THROWS_WITH(parse(header, data_bytes), Contains(message));
    CHECK_THROWS_AS(parse(header, data_bytes), FormatError);
  };
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  refuses("", 0, "begin with '{'");
  refuses(" {}", 0, "begin with '{'");
  refuses("[]", 0, "begin with '{'");
  refuses("{" + a, 4, "byte 61: the header is not valid JSON");
  refuses("{" + a + "} x", 4, "not valid JSON");
  refuses("{" + a + std::string("}\0", 2), 4, "not valid JSON");
  refuses("{\"\xff\":{}}", 0, "not valid JSON");
  refuses("{" + a + "," + a + "}", 4, "'a' is there twice");
  refuses(R"({"a":[]})", 0, "'a': unexpected an array");
  refuses(R"({"a":{}})", 0, "missing");
  refuses(R"({"a":{"dtype":"F32","shape":[1]}})", 4, "missing");
  refuses(R"({"a":{"dtype":"F32","dtype":"F32"}})", 4, "dtype is there twice");
  refuses(R"({"a":{"shape":[1],"shape":[1]}})", 4, "shape is there twice");
  refuses(R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4, "dtype 'F99' is not known");
  refuses(R"({"a":{"dtype":4}})", 4, "'dtype': unexpected a number");
  refuses(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "'shape': unexpected the number -1");
  refuses(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "'shape': unexpected the number 1.0");
  refuses(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4, "out of range");
  refuses(R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4, "unexpected the number");
  refuses(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "unexpected an array");
  refuses(R"({"a":{"dtype":"F32","shape":[null],"data_offsets":[0,4]}})", 4, "unexpected null");
  refuses(R"({"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}})", 4, "unexpected true");
  refuses(R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "unexpected a string");
  refuses(R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", 4, "unexpected an object");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "[begin, end]");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "[begin, end]");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "[begin, end]");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, "'more': unexpected a number");
  refuses(R"({"__metadata__":{"k":1}})", 0, "'k': unexpected a number");
  refuses(R"({"__metadata__":{"k":{}}})", 0, "unexpected an object");
  refuses(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' is there twice");
  refuses(R"({"__metadata__":"k"})", 0, "unexpected a string");
  refuses("{" + std::string(100000, '['), 0, "not valid JSON");
  refuses("{\"a\":" + std::string(100000, '['), 0, "unexpected an array");
}

TEST_CASE("sizes and byte ranges that contradict each other are refused", "[io]") {
  const auto refuses = [](const std::string& header, std::size_t data_bytes, const std::string& message) {
    INFO(header);
    CHECK_THROWS_WITH(parse(header, data_bytes), Contains(message));
  };
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "has 2 values of F32, its data 4 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}})", 5, "has 1 values of F32, its data 5 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "too many values");
  refuses(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0, "its data 0 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "data_offsets end at 4, the data at 3");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "1 bytes of data belong to no array");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})", 5, "begin at 1, not at the end");
  refuses(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6,
          "'b': data_offsets begin at 2, inside");
  refuses(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})", 9,
          "'b': data_offsets begin at 5, not at the end");
  refuses("{}", 1, "1 bytes of data belong to no array");
}

TEST_CASE("a header length beyond the file or the format's limit is refused", "[io]") {
  CHECK_THROWS_WITH(parse(""), Contains("found 0 bytes"));
  CHECK_THROWS_WITH(parse("\2\0\0\0\0\0\0"), Contains("expected a header length"));
  CHECK_THROWS_WITH(parse(std::string("\x09\0\0\0\0\0\0\0{}", 10)), Contains("does not fit into the file of 10"));
  CHECK_THROWS_WITH(parse(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)), Contains("exceeds 100000000"));
}

TEST_CASE("a file cut anywhere is refused", "[io]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", some_arrays(), {{"k", "v"}});
  const auto whole = read_file(folder / "a");
  CHECK_NOTHROW(parse(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_THROWS_AS(parse(whole.substr(0, n)), FormatError);
}

TEST_CASE("messages show no control characters of a hostile file", "[io]") {
  CHECK_THROWS_WITH(parse(R"({"\u001b[2J":[]})", 0), Contains("'?[2J'"));
}

TEST_CASE("names that no reader would accept are not written", "[io]") {
  const TemporaryFolder folder;
  Arrays arrays;
  arrays.add("__metadata__", Array());
  CHECK_THROWS_AS(save_safetensors(folder / "a", arrays), OptionError);
  Arrays bad;
  bad.add("\xff", Array());
  CHECK_THROWS_WITH(save_safetensors(folder / "a", bad), Contains("'?' is not UTF-8"));
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a file that cannot be read says why", "[io]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load_safetensors(folder / "none"), Contains("none: cannot be opened: No such file"));
  CHECK_THROWS_WITH(load_safetensors(folder.path()), Contains("not a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(load_safetensors(folder / "pipe"), IoError);
}

TEST_CASE("a failed save keeps the old file and leaves nothing else", "[io]") {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  save_safetensors(path, some_arrays());
  const auto before = read_file(path);
  Arrays large;
  large.add("x", Array::of<float>({100000}, std::vector<float>(100000)));

  {
    const FileSizeLimit limit(50000);
    CHECK_THROWS_WITH(save_safetensors(path, large), Contains("a.safetensors") && Contains("byte 50000: File too large"));
  }
  CHECK(read_file(path) == before);
  CHECK(files_in(folder.path()) == 1);

  CHECK_THROWS_WITH(save_safetensors(folder / "none/a", large), Contains("No such file or directory"));
  CHECK_THROWS_AS(save_safetensors("/proc/a", large), IoError);
  std::filesystem::create_directory(folder / "taken");
  CHECK_THROWS_WITH(save_safetensors(folder / "taken", large), Contains("cannot be replaced: not a regular file"));
  CHECK(files_in(folder.path()) == 2);
}
