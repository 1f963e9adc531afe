#include <anylead/core/atomic_file.hpp>
#include <anylead/core/mapped_file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <anylead/core/error.hpp>
#include <anylead/core/folders.hpp>
#include <anylead/core/text.hpp>
#include <support/catch.hpp>
#include <support/file_size_limit.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using Catch::Matchers::Contains;

TEST_CASE("a file appears when it is committed and replaces the old one", "[core]") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  AtomicFile out(path);
  out.file().write("hello ");
  out.file().write("world", 5);
  out.file().write("");
  out.file().overwrite(0, "H", 1);
  out.file().write("!");
  CHECK(out.file().size() == 12);
  CHECK_FALSE(std::filesystem::exists(path));
  out.commit();
  CHECK(read_file(path) == "Hello world!");
  replace_text(path, "new");
  CHECK(read_file(path) == "new");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("without a commit the old file stays and nothing else remains", "[core]") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  replace_text(path, "old");
  {
    AtomicFile out(path);
    out.file().write("new");
    CHECK(files_in(folder.path()) == 2);
  }
  CHECK(read_file(path) == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("only bytes that were written are replaced", "[core]") {
  const TemporaryFolder folder;
  AtomicFile out(folder / "file");
  out.file().write("abc");
  out.file().overwrite(2, "C", 1);
  out.file().overwrite(3, "", 0);
  CHECK_THROWS_AS(out.file().overwrite(3, "D", 1), OptionError);
  CHECK_THROWS_AS(out.file().overwrite(4, "", 0), OptionError);
  CHECK_THROWS_AS(out.file().overwrite(1, "bcd", 3), OptionError);
  out.commit();
  CHECK(read_file(folder / "file") == "abC");
}

TEST_CASE("a disk that takes no more keeps the old file and nothing else", "[core]") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  replace_text(path, "old");
  {
    const FileSizeLimit limit(5000);
    CHECK_THROWS_WITH(replace_text(path, std::string(10000, 'x')),
                      Contains(path) && Contains("cannot be written at byte 5000: File too large"));
  }
  CHECK(read_file(path) == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("half-written files of a dead process are in nobody's way", "[core]") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  for (int i = 0; i < 300; ++i) write_file(str(path, ".", static_cast<long>(::getpid()), "-", i, kPartial), "dead");
  replace_text(path, "alive");
  CHECK(read_file(path) == "alive");
}

TEST_CASE("a mapped file shows its bytes, also after it was replaced", "[core]") {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  replace_text(path, "content");
  const MappedFile file(path);
  replace_text(path, "other");
  REQUIRE(file.bytes().size() == 7);
  CHECK(static_cast<char>(file.bytes()[0]) == 'c');
  file.will_need(0, 7);
  file.will_need(3, ~std::size_t{0});
  file.will_need(1000000, 7);
}

TEST_CASE("an empty file has no bytes", "[core]") {
  const TemporaryFolder folder;
  replace_text(folder / "file", "");
  CHECK(MappedFile(folder / "file").bytes().empty());
  CHECK(read_text(folder / "file").empty());
}

TEST_CASE("a text is read up to its limit", "[core]") {
  const TemporaryFolder folder;
  replace_text(folder / "file", std::string("a\0b", 3));
  CHECK(read_text(folder / "file", 3) == std::string("a\0b", 3));
  CHECK_THROWS_WITH(read_text(folder / "file", 2), Contains("file: expected at most 2 bytes of text, found 3"));
}

TEST_CASE("what is no regular file is neither read nor replaced, and no pipe is waited for", "[core]") {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {folder.path(), pipe, std::string("/dev/null")}) {
    CHECK_THROWS_WITH(MappedFile(path), path + ": cannot be read: not a regular file");
    CHECK_THROWS_WITH(replace_text(path, "x"), path + ": cannot be replaced: not a regular file");
    CHECK_THROWS_WITH(OutputFile(path), path + ": cannot be created: File exists");
  }
  CHECK(files_in(folder.path()) == 1);
  CHECK(std::filesystem::is_fifo(pipe));
}

TEST_CASE("a file that cannot be opened, made or put in place says why", "[core]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing";
  CHECK_THROWS_WITH(MappedFile(missing), missing + ": cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(AtomicFile(missing + "/file"), Contains("cannot be created: No such file or directory"));
  AtomicFile onto_folder(folder / "folder");
  std::filesystem::create_directories(folder / "folder/full");
  CHECK_THROWS_WITH(onto_folder.commit(), Contains("folder: cannot be put in place: "));
}

TEST_CASE("folders are made with those above them, or say why not", "[core]") {
  const TemporaryFolder folder;
  make_folder(folder / "a/b/c");
  make_folder(folder / "a/b/c");
  CHECK(std::filesystem::is_directory(folder / "a/b/c"));
  replace_text(folder / "file", "");
  CHECK_THROWS_WITH(make_folder(folder / "file"), Contains("file: cannot be made: File exists"));
  CHECK_THROWS_WITH(make_folder(folder / "file/a"), Contains("file/a: cannot be made: Not a directory"));
  CHECK_THROWS_WITH(sync_folder(folder / "none"), Contains("none: cannot be opened: No such file or directory"));
  CHECK(parent_folder("a/b/c") == "a/b");
  CHECK(parent_folder("c") == ".");
  CHECK(parent_folder("/c") == "/");
}
