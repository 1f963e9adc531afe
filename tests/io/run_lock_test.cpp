#include <anylead/io/run_lock.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include <anylead/core/error.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

TEST_CASE("a run folder belongs to one process until that ends, even by kill -9", "[io]") {
  const TemporaryFolder run;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(run.path());
    [[maybe_unused]] const auto written = ::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK_THROWS_WITH(RunLock(run.path()), Contains(run.path()) && Contains(str("'pid ", child, " on ")));
  CHECK_THROWS_AS(RunLock(run.path()), IoError);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_NOTHROW(RunLock(run.path()));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a lock ends with its object, moves with it, and makes its folder", "[io]") {
  const TemporaryFolder run;
  std::optional<RunLock> lock(run / "a/b");
  CHECK(read_file(run / "a/b/lock").starts_with(str("pid ", ::getpid(), " on ")));
  {
    const RunLock moved = std::move(*lock);
    lock.reset();
    CHECK_THROWS_AS(RunLock(run / "a/b"), IoError);
  }
  CHECK_NOTHROW(RunLock(run / "a/b"));
}

TEST_CASE("a folder that cannot be locked says why", "[io]") {
  const TemporaryFolder run;
  write_file(run / "file", "");
  CHECK_THROWS_WITH(RunLock(run / "file"), Contains("file: cannot be made: File exists"));
  CHECK_THROWS_AS(RunLock("/proc/anylead"), IoError);
}
