#include <anylead/io/json_lines.hpp>

#include <sys/stat.h>

#include <anylead/core/error.hpp>
#include <support/catch.hpp>
#include <support/file_size_limit.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

namespace {

std::string cut(const std::string& content, Index step) {
  const TemporaryFolder folder;
  write_file(folder / "log", content);
  cut_json_lines(folder / "log", step);
  return read_file(folder / "log");
}

}  // namespace

TEST_CASE("lines are appended, also after the file is opened again", "[io]") {
  const TemporaryFolder folder;
  {
    JsonLines log(folder / "log");
    log.append("{\"step\":1}");
    log.sync();
    CHECK_THROWS_AS(log.append("{\n}"), OptionError);
  }
  JsonLines(folder / "log").append("{\"step\":2}");
  CHECK(read_file(folder / "log") == "{\"step\":1}\n{\"step\":2}\n");
}

TEST_CASE("a log is cut before its first line after a step", "[io]") {
  const std::string head = "{\"run\":\"a\"}\n", one = "{\"step\":1}\n", two = "{\"loss\":0.5,\"step\":2}\n",
                    two_again = "{\"step\":2}\n", three = "{\"step\":3.0}\n";
  const std::string all = head + one + two + two_again + three + one;
  CHECK(cut(all, 0) == head);
  CHECK(cut(all, 1) == head + one);
  CHECK(cut(all, 2) == head + one + two + two_again);
  CHECK(cut(all, 3) == all);
  CHECK(cut(one, 0).empty());
  CHECK(cut("", 5).empty());
}

TEST_CASE("a torn last line is cut off, a torn line before it is an error", "[io]") {
  CHECK(cut("{\"step\":1}\n{\"st", 5) == "{\"step\":1}\n");
  CHECK(cut("{\"step\":1}\n{\"step\":2}", 5) == "{\"step\":1}\n");  // its line end is missing
  CHECK(cut(std::string("{\"step\":1}\n\0\0\0\n", 15), 5) == "{\"step\":1}\n");
  CHECK(cut("{\"st", 5).empty());
  CHECK_THROWS_WITH(cut("{\"step\":1}\n{\"st\n{\"step\":2}\n", 5), Contains("log: line 2: expected a JSON object"));
  CHECK_THROWS_AS(cut("7\n{\"step\":2}\n", 5), FormatError);
}

TEST_CASE("cutting a log that is not there does nothing", "[io]") {
  const TemporaryFolder folder;
  cut_json_lines(folder / "none", 5);
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a line for which there is no space leaves the log as it was", "[io]") {
  const TemporaryFolder folder;
  JsonLines log(folder / "log");
  log.append("{\"step\":1}");
  {
    const FileSizeLimit limit(100);
    CHECK_THROWS_WITH(log.append("{\"text\":\"" + std::string(200, 'x') + "\"}"),
                      Contains("log: cannot be written: no space for the whole line"));
  }
  CHECK(read_file(folder / "log") == "{\"step\":1}\n");
  log.append("{\"step\":2}");
  CHECK(read_file(folder / "log") == "{\"step\":1}\n{\"step\":2}\n");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(JsonLines(folder / "pipe"), Contains("pipe: cannot be opened: No such device or address"));
  JsonLines full("/dev/full");
  CHECK_THROWS_WITH(full.append("{}"), Contains("No space left on device"));
}
