// The program `inspect`, run within the test: its main function is called with arguments, its output caught in files.
#include <support/catch.hpp>

#if __has_include(<CLI/CLI.hpp>)
#define main inspect_main
#include "../../examples/inspect.cpp"
#undef main

#include <fcntl.h>
#include <unistd.h>

#include <support/temporary_folder.hpp>

namespace {

struct Outcome {
  int code = 0;
  std::string out, err;
};

/// Sends a stream to a file while it lives.
class Redirect {
 public:
  Redirect(FILE* stream, const std::string& path) : stream_(stream) {
    std::fflush(stream);
    kept_ = ::dup(::fileno(stream));
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, ::fileno(stream));
    ::close(file);
  }
  ~Redirect() {
    std::fflush(stream_);
    ::dup2(kept_, ::fileno(stream_));
    ::close(kept_);
  }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

 private:
  FILE* stream_;
  int kept_;
};

Outcome inspect(std::vector<std::string> arguments) {
  const TemporaryFolder folder;
  arguments.insert(arguments.begin(), "inspect");
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  Outcome outcome;
  {
    const Redirect out(stdout, folder / "out"), err(stderr, folder / "err");
    outcome.code = inspect_main(static_cast<int>(argv.size()), argv.data());
  }
  outcome.out = read_file(folder / "out");
  outcome.err = read_file(folder / "err");
  return outcome;
}

/// Format 16 with an invalid sample, a unit that is not UTF-8, a signal without a valid sample and one of twice the rate.
void write_record(const std::string& folder, const std::string& name) {
  write_file(folder + "/" + name + ".hea", "# first\n" + name + " 3 250 2\n" + name + ".dat 16 1000/mV 16 0 0 0 0 II\n" + name +
                                               ".dat 16 1/\xB0 16 0 0 0 0 none\n" + name +
                                               ".dat 16x2 10/mmHg 16 0 0 0 0 ABP\n#Age: 40\n#  two words \n");
  std::string bytes;
  for (const int x : {500, -32768, 10, 20, -32768, -32768, 30, 40}) {
    bytes += static_cast<char>(x & 255);
    bytes += static_cast<char>(x >> 8 & 255);
  }
  write_file(folder + "/" + name + ".dat", bytes);
}

}  // namespace

TEST_CASE("inspect prints statistics of the stored samples as JSON", "[inspect]") {
  const TemporaryFolder folder;
  write_record(folder.path(), "r");
  const Outcome outcome = inspect({folder / "r", "--json", "--ignore-checksums"});
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  const auto all = nlohmann::json::parse(outcome.out);
  REQUIRE(all.size() == 1);
  const auto& r = all[0];
  CHECK(r["record"] == "r");
  CHECK(r["rate_hz"] == 250);
  CHECK(r["samples"] == nlohmann::json({2, 2, 4}));
  CHECK(r["duration_s"] == 0.008);
  CHECK(r["comments"] == nlohmann::json({"first", "Age: 40", "two words"}));
  CHECK(r["notes"].empty());
  const auto& ii = r["leads"][0];
  CHECK(ii == nlohmann::json::parse(
                  R"({"name": "II", "unit": "mV", "mean": 0.5, "min": 0.5, "max": 0.5, "std": 0.0, "invalid": 1})"));
  const auto& none = r["leads"][1];
  CHECK(none["mean"].is_null());
  CHECK(none["std"].is_null());
  CHECK(none["invalid"] == 2);
  CHECK(none["unit"] == "\xEF\xBF\xBD");  // JSON is UTF-8 whatever the header is
  const auto& abp = r["leads"][2];
  CHECK(abp["mean"] == 2.5);
  CHECK(abp["min"] == 1);
  CHECK(abp["max"] == 4);
  CHECK(abp["std"].get<double>() == Approx(std::sqrt(1.25)).epsilon(1e-15));
}

TEST_CASE("inspect prints what it can read and reports the rest", "[inspect]") {
  const TemporaryFolder folder;
  write_record(folder.path(), "bad");
  write_record(folder.path(), "good");
  write_file(folder / "bad.dat", "xy");
  const Outcome json = inspect({folder.path(), folder / "absent", "--json", "--ignore-checksums"});
  CHECK(json.code == 1);
  CHECK(nlohmann::json::parse(json.out).size() == 1);
  CHECK(json.err.find("bad.dat") != std::string::npos);
  CHECK(json.err.find("16 bytes") != std::string::npos);
  CHECK(json.err.find("absent") != std::string::npos);
  const Outcome table = inspect({folder.path(), "--ignore-checksums", "--match", "g*"});
  CHECK(table.code == 0);
  CHECK(table.err.empty());
  CHECK(table.out.find("good: 250 Hz, 0.008 s, 40 years") == 0);
  CHECK(table.out.find("bad") == std::string::npos);
  const Outcome nothing = inspect({folder / "absent", "--json"});
  CHECK(nothing.code == 1);
  CHECK(nlohmann::json::parse(nothing.out).empty());
}

TEST_CASE("inspect draws one picture per recording", "[inspect]") {
  const TemporaryFolder folder;
  write_record(folder.path(), "a");
  write_record(folder.path(), "b");
  CHECK(inspect({folder.path(), "--ignore-checksums", "--svg", folder / "p.svg"}).code == 0);
  CHECK(read_file(folder / "p.svg").find("<svg") != std::string::npos);
  CHECK(read_file(folder / "p-2.svg").find("<svg") != std::string::npos);
  CHECK(files_in(folder.path()) == 6);
}

TEST_CASE("inspect says how it is used", "[inspect]") {
  const Outcome help = inspect({"--help"});
  CHECK(help.code == 0);
  CHECK(help.out.find("Examples:") != std::string::npos);
  CHECK(inspect({}).code != 0);
  CHECK(inspect({"x", "--wrong"}).code != 0);
}
#endif
