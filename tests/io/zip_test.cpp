#include <anylead/core/error.hpp>
#include <anylead/io/zip.hpp>
#include <io/zip_builder.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

namespace {

ZipArchive open(const std::string& bytes) { return ZipArchive(Bytes::copy_of(bytes.data(), bytes.size()), "f"); }

std::string content(const ZipArchive& archive, const std::string& name) {
  const auto* member = archive.find(name);
  REQUIRE(member);
  return {reinterpret_cast<const char*>(member->bytes.data()), member->bytes.size()};
}

/// The bytes with others in their place from `at` on.
std::string changed(std::string bytes, std::size_t at, const std::string& to) { return bytes.replace(at, to.size(), to); }

}  // namespace

TEST_CASE("members are found by name, in both forms of the directory and before a comment", "[io]") {
  const std::vector<ZipMember> members = {{"b/two", "22"}, {"a", "1"}, {"c", ""}};
  for (const bool zip64 : {false, true}) {
    const auto archive = open(zip_of(members, zip64));
    CHECK(archive.members().size() == 3);
    CHECK(content(archive, "a") == "1");
    CHECK(content(archive, "b/two") == "22");
    CHECK(content(archive, "c").empty());
    CHECK(archive.find("d") == nullptr);
  }
  auto commented = zip_of(members);
  commented = changed(commented, commented.size() - 2, le(std::uint16_t{5})) + "hello";
  CHECK(content(open(commented), "a") == "1");
  CHECK(open(zip_of({})).members().empty());
}

TEST_CASE("compressed, encrypted and repeated members are refused by name", "[io]") {
  CHECK_THROWS_WITH(open(zip_of({{"a", "1", 8}})), Contains("member 'a' is compressed (method 8)"));
  CHECK_THROWS_WITH(open(zip_of({{"a", "1", 0, 1}})), Contains("member 'a' is encrypted"));
  CHECK_THROWS_WITH(open(zip_of({{"a", "1"}, {"a", "1"}})), Contains("'a' is there twice"));
}

TEST_CASE("a directory that contradicts the archive is refused", "[io]") {
  const auto whole = zip_of({{"a", "1234"}, {"b", "5678"}});  // members of 35 bytes each, entries of 47 at 70 and 117
  REQUIRE(whole.size() == 186);
  const auto refuses = [&](std::size_t at, const std::string& to, const std::string& message) {
    CHECK_THROWS_WITH(open(changed(whole, at, to)), Contains(message));
  };
  const std::string far = le(std::uint32_t{0x7fffffff});
  refuses(117 + 42, le(std::uint32_t{0}), "expected the name 'b' as in the directory");
  refuses(117 + 42, far, "expected member 'b' at byte 2147483647");
  refuses(117 + 42, le(std::uint32_t{36}), "expected member 'b' at byte 36");
  refuses(117 + 20, far + far, "'b' of 2147483647 bytes reaches into the directory");
  refuses(117 + 20, far, "stored, but in 2147483647 bytes for 4");
  refuses(70 + 20, le(std::uint32_t{5}) + le(std::uint32_t{5}), "members 'a' and 'b' overlap");
  refuses(70, "XX", "expected an entry of the directory");
  refuses(70 + 28, le(std::uint16_t{60000}), "the directory ends early");
  refuses(35 + 26, le(std::uint16_t{60000}), "reaches into the directory");
  refuses(164 + 10, le(std::uint16_t{1}), "bytes that belong to no entry");
  refuses(164 + 10, le(std::uint16_t{3}), "3 entries do not fit");
  refuses(164 + 16, far, "do not lead to its end");
  refuses(164 + 12, far, "do not lead to its end");
  refuses(164 + 4, le(std::uint16_t{1}), "several volumes");
  const auto large = zip_of({{"a", "1234"}}, true);
  const auto locator = large.size() - 42;
  CHECK_THROWS_WITH(open(changed(large, locator + 8, le(~std::uint64_t{0}))),
                    Contains("expected the 64-bit end of the directory"));
  CHECK_THROWS_WITH(open(changed(large, locator - 56 + 32, le(~std::uint64_t{0}))), Contains("entries do not fit"));
  CHECK_THROWS_WITH(open(changed(large, locator - 56 + 48, le(~std::uint64_t{0}))), Contains("do not lead to its end"));
}

TEST_CASE("an archive cut anywhere is refused", "[io]") {
  for (const bool zip64 : {false, true}) {
    const auto whole = zip_of({{"a", "1234"}, {"b", "5678"}}, zip64);
    for (std::size_t n = 0; n < whole.size(); ++n) CHECK_THROWS_AS(open(whole.substr(0, n)), FormatError);
  }
}
