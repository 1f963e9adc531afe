#include <anylead/data/mapped_file.hpp>

#include <unistd.h>

#include <fstream>

#include <anylead/core/error.hpp>
#include <data/memory_source.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

namespace {

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void store(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace

TEST_CASE("a file appears when it is committed and replaces the old one", "[data]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  AtomicFile file(path);
  file.write("hello ", 6);
  file.write("world", 5);
  file.overwrite(0, "H", 1);
  CHECK(file.size() == 11);
  CHECK_FALSE(std::filesystem::exists(path));
  file.commit();
  CHECK(content_of(path) == "Hello world");
  store(path, "new");
  CHECK(content_of(path) == "new");
}

TEST_CASE("without a commit the old file stays and nothing else remains", "[data]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  store(path, "old");
  {
    AtomicFile file(path);
    file.write("new", 3);
  }
  CHECK(content_of(path) == "old");
  Index files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  CHECK(files == 1);
}

TEST_CASE("half-written files of a dead process are in nobody's way", "[data]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  for (int i = 0; i < 300; ++i) std::ofstream(str(path, ".", static_cast<long>(::getpid()), "-", i, ".part")) << "dead";
  store(path, "alive");
  CHECK(content_of(path) == "alive");
}

TEST_CASE("a mapped file shows its bytes, also after it was replaced", "[data]") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  store(path, "content");
  const MappedFile file(path);
  store(path, "other");
  REQUIRE(file.bytes().size() == 7);
  CHECK(static_cast<char>(file.bytes()[0]) == 'c');
  file.will_need(0, 7);
  file.will_need(3, 1000000);
  file.will_need(1000000, 7);
}

TEST_CASE("an empty file has no bytes", "[data]") {
  const TemporaryFolder folder;
  store(folder.path() + "/file", "");
  CHECK(MappedFile(folder.path() + "/file").bytes().empty());
}

TEST_CASE("what is not a readable file is an IoError", "[data]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(MappedFile(folder.path() + "/missing"), IoError);
  CHECK_THROWS_AS(MappedFile(folder.path()), IoError);
  CHECK_THROWS_AS(MappedFile("/dev/null"), IoError);
  CHECK_THROWS_AS(AtomicFile(folder.path() + "/missing/file"), IoError);
  AtomicFile onto_folder(folder.path() + "/folder");
  std::filesystem::create_directories(folder.path() + "/folder/full");
  CHECK_THROWS_AS(onto_folder.commit(), IoError);
}
