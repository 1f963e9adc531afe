#include <anylead/io/checkpoint.hpp>

#include <sys/wait.h>

#include <anylead/core/error.hpp>
#include <io/interrupted_calls.hpp>
#include <support/catch.hpp>
#include <support/file_size_limit.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::io;
using Catch::Matchers::Contains;

namespace {

std::string model_of(Index step) { return std::string(1000, static_cast<char>('a' + step)); }
std::string state_of(Index step) { return str("{\"step\": ", step, "}"); }

std::vector<CheckpointFile> files_of(Index step) {
  return {{"model", [=](OutputFile& out) { out.write(model_of(step)); }},
          {"state.json", [=](OutputFile& out) { out.write(state_of(step)); }}};
}

bool is_whole(const CheckpointFolder& folder, Index step) {
  return read_file(folder.path(step, "model")) == model_of(step) &&
         read_file(folder.path(step, "state.json")) == state_of(step) && files_in(folder.path(step)) == 2;
}

bool has_leftovers(const std::string& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().string().ends_with(".part")) return true;
  return false;
}

/// Runs the action in a child that ends at its n-th call that changes a file; false once it gets by with fewer.
template <class Action>
bool killed_at(int n, const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    interrupted::calls_left = n;
    interrupted::how = interrupted::How::exit;
    action();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99));
  return WEXITSTATUS(status) == 99;
}

}  // namespace

TEST_CASE("a checkpoint is its files, and last names the newest", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run / "deep/run");
  CHECK(folder.steps().empty());
  CHECK_FALSE(folder.last().has_value());
  CHECK_FALSE(folder.best().has_value());
  CHECK(files_in(run.path()) == 0);
  folder.save(0, files_of(0));
  folder.save(10, files_of(10));
  folder.save(9, files_of(9));
  CHECK(folder.steps() == std::vector<Index>{0, 9, 10});
  CHECK(folder.last() == 10);
  CHECK(read_file(run / "deep/run/checkpoints/last") == "step-10\n");
  CHECK(folder.path(9, "model") == run / "deep/run/checkpoints/step-9/model");
  for (const Index step : folder.steps()) CHECK(is_whole(folder, step));
  folder.save(11, {});
  CHECK(files_in(folder.path(11)) == 0);
}

TEST_CASE("the best checkpoint is the one that was chosen, as long as it is there", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  folder.save(1, files_of(1));
  folder.save(2, files_of(2));
  CHECK_FALSE(folder.best().has_value());
  folder.mark_best(1);
  CHECK(folder.best() == 1);
  folder.mark_best(2);
  CHECK(CheckpointFolder(run.path()).best() == 2);
  CHECK_THROWS_AS(folder.mark_best(3), OptionError);
  CHECK(folder.best() == 2);
  std::filesystem::remove_all(folder.path(2));
  CHECK_FALSE(folder.best().has_value());
  write_file(run / "checkpoints/best", "2");
  CHECK_THROWS_WITH(folder.best(), Contains("best: line 1: expected the name of a step, found '2'"));
  for (const char* name : {"step-", "step--1", "step-01", "step-1x", "step-99999999999999999999"}) {
    write_file(run / "checkpoints/best", name);
    CHECK_THROWS_AS(folder.best(), FormatError);
  }
}

TEST_CASE("pruning keeps the newest and the best", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  for (Index step = 1; step <= 6; ++step) folder.save(step, files_of(step));
  folder.mark_best(2);
  CHECK_THROWS_AS(folder.prune(0), OptionError);
  folder.prune(7);
  CHECK(folder.steps().size() == 6);
  folder.prune(3);
  CHECK(folder.steps() == std::vector<Index>{2, 4, 5, 6});
  folder.prune(1);
  CHECK(folder.steps() == std::vector<Index>{2, 6});
  folder.prune(1);
  CHECK(folder.steps() == std::vector<Index>{2, 6});
  CHECK(folder.best() == 2);
  CHECK(files_in(run / "checkpoints") == 4);
}

TEST_CASE("checkpoints after the step that a run goes on from can be discarded", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  folder.discard_after(0);
  for (Index step = 1; step <= 4; ++step) folder.save(step, files_of(step));
  folder.mark_best(2);
  folder.discard_after(4);
  CHECK(folder.last() == 4);
  folder.discard_after(2);
  CHECK(folder.steps() == std::vector<Index>{1, 2});
  CHECK(folder.best() == 2);
  CHECK(read_file(run / "checkpoints/last") == "step-2\n");
  folder.discard_after(1);
  CHECK_FALSE(folder.best().has_value());
  folder.discard_after(0);
  CHECK(folder.steps().empty());
  CHECK(files_in(run / "checkpoints") == 0);
}

TEST_CASE("steps and names that make no checkpoint are refused and leave nothing", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  folder.save(1, files_of(1));
  CHECK_THROWS_AS(folder.save(-1, files_of(1)), OptionError);
  CHECK_THROWS_WITH(folder.save(1, files_of(2)), Contains("step-1 exists"));
  for (const char* name : {"", ".", "..", "a/b", "/a"})
    CHECK_THROWS_AS(folder.save(2, {{name, [](OutputFile&) {}}}), OptionError);
  CHECK_THROWS_AS(folder.save(2, {{"a", [](OutputFile&) {}}, {"a", [](OutputFile&) {}}}), OptionError);
  CHECK_THROWS_AS(folder.save(2, {{"a", [](OutputFile&) { throw std::runtime_error("no"); }}}), std::runtime_error);
  CHECK(files_in(run / "checkpoints") == 2);
  CHECK(is_whole(folder, 1));
}

TEST_CASE("other things in the folder are neither checkpoints nor removed", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  folder.save(1, files_of(1));
  for (const char* name : {"step-01", "step-x", "step-", "old-step-3", "notes.part"})
    std::filesystem::create_directory(run / "checkpoints/" + name);
  write_file(run / "checkpoints/step-7", "a file");
  CHECK(folder.steps() == std::vector<Index>{1});
  folder.save(2, files_of(2));
  folder.prune(1);
  CHECK(folder.steps() == std::vector<Index>{2});
  CHECK(files_in(run / "checkpoints") == 8);
}

TEST_CASE("a process killed at any moment of a save leaves whole checkpoints, and the next save cleans up", "[io]") {
  int moments = 0;
  for (int n = 1;; ++n) {
    const TemporaryFolder run;
    CheckpointFolder folder(run.path());
    folder.save(1, files_of(1));
    folder.mark_best(1);
    const bool killed = killed_at(n, [&] {
      folder.save(2, files_of(2));
      folder.mark_best(2);
    });
    INFO("killed at call " << n);
    for (const Index step : folder.steps()) CHECK(is_whole(folder, step));
    REQUIRE(folder.steps().front() == 1);
    const std::string last = read_file(run / "checkpoints/last");
    CHECK((last == "step-1\n" || (last == "step-2\n" && folder.last() == 2)));
    CHECK((folder.best() == 1 || (folder.best() == 2 && folder.last() == 2)));
    folder.save(3, files_of(3));
    CHECK_FALSE(has_leftovers(run / "checkpoints"));
    CHECK(is_whole(folder, 3));
    if (!killed) break;
    ++moments;
  }
  CHECK(moments >= 15);
}

TEST_CASE("a process killed at any moment of pruning leaves whole checkpoints", "[io]") {
  for (int n = 1;; ++n) {
    const TemporaryFolder run;
    CheckpointFolder folder(run.path());
    for (Index step = 1; step <= 4; ++step) folder.save(step, files_of(step));
    folder.mark_best(2);
    const bool killed = killed_at(n, [&] {
      folder.prune(2);
      folder.discard_after(1);
    });
    INFO("killed at call " << n);
    for (const Index step : folder.steps()) CHECK(is_whole(folder, step));
    if (!killed) {
      CHECK(folder.steps().empty());
      break;
    }
    folder.save(9, files_of(9));
    CHECK_FALSE(has_leftovers(run / "checkpoints"));
  }
}

TEST_CASE("a system that refuses any single step of a save leaves whole checkpoints and no remains", "[io]") {
  int refused = 0;
  for (int n = 1;; ++n) {
    const TemporaryFolder run;
    CheckpointFolder folder(run.path());
    folder.save(1, files_of(1));
    folder.mark_best(1);
    std::string message;
    interrupted::calls_left = n;
    interrupted::how = interrupted::How::fail;
    try {
      folder.save(2, files_of(2));
      folder.mark_best(2);
    } catch (const IoError& e) {
      message = e.what();
    }
    interrupted::how = interrupted::How::never;
    INFO("call " << n << " refused: " << message);
    if (interrupted::calls_left > 0) break;
    ++refused;
    CHECK_THAT(message, Contains(run.path()) && Contains("No space left on device"));
    for (const Index step : folder.steps()) CHECK(is_whole(folder, step));
    REQUIRE(folder.steps().front() == 1);
    CHECK_FALSE(has_leftovers(run / "checkpoints"));
  }
  CHECK(refused >= 15);
}

TEST_CASE("a checkpoint that outgrows its limit keeps the one before", "[io]") {
  const TemporaryFolder run;
  CheckpointFolder folder(run.path());
  folder.save(1, files_of(1));
  {
    const FileSizeLimit limit(5000);
    CHECK_THROWS_WITH(folder.save(2, {{"model", [](OutputFile& out) { out.write(std::string(10000, 'x')); }}}),
                      Contains("step-2.part/model: cannot be written at byte 5000: File too large"));
  }
  CHECK(folder.last() == 1);
  CHECK(is_whole(folder, 1));
  CHECK(files_in(run / "checkpoints") == 2);
}
