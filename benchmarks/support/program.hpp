// What the benchmark programs have in common: their own flags beside Google Benchmark's, and the run.
#pragma once

#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>

#include "support/report.hpp"

namespace anylead::bench {

/// A flag --name=N, N a positive number.
struct Option {
  const char* name;
  Index* value;
  const char* help;
};

namespace detail {

/// Takes the flags off the command line. @throws OptionError for a value that is no positive number
inline void take_flags(int* argc, char** argv, const std::vector<Option>& flags) {
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    bool taken = false;
    for (const Option& flag : flags) {
      const std::string start = str("--", flag.name, "=");
      if (!argument.starts_with(start)) continue;
      const char *from = argument.data() + start.size(), *end = argument.data() + argument.size();
      const auto [stop, error] = std::from_chars(from, end, *flag.value);
      ANYLEAD_CHECK(error == std::errc{} && stop == end && *flag.value > 0, OptionError, start,
                    "expected a positive number, found ", std::string(from, end));
      taken = true;
    }
    if (!taken) argv[kept++] = argv[i];
  }
  *argc = kept;
}

inline std::string help;     ///< Google Benchmark takes a function without context
inline bool failed = false;  ///< some row gave another result than it should

}  // namespace detail

/// Gives up a row whose result is wrong; the program will return 1.
inline void fail(benchmark::State& state, const std::string& why) {
  detail::failed = true;
  state.SkipWithError(why.c_str());
}

/// Adds a row WORK/WAY.
using AddRow = std::function<void(const std::string& name, std::function<void(benchmark::State&)> row)>;

/// The main of a program: flags, then `add_rows`, then the rows and the table. shares: @see SideBySide
inline int run_program(int argc, char** argv, const std::string& purpose, std::vector<Option> flags,
                       const std::vector<std::string>& shares, const std::function<void(const AddRow&)>& add_rows) try {
  Index thread_count = threads();
  flags.push_back({"threads", &thread_count, "threads; with one, processor time is measured, else wall time"});
  detail::help = purpose + "\n";
  for (const Option& flag : flags) detail::help += str("  --", flag.name, "=", *flag.value, "  ", flag.help, "\n");
  detail::take_flags(&argc, argv, flags);
  set_threads(static_cast<int>(std::min<Index>(thread_count, 1 << 16)));
  bool plain = false;  // another format than the console's: nothing may follow
  for (int i = 1; i < argc; ++i) plain = plain || std::string_view(argv[i]).starts_with("--benchmark_format");
  benchmark::AddCustomContext("instruction set", std::string(name(current_isa())));
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  benchmark::Initialize(&argc, argv, [] {
    std::printf("%s\n", detail::help.c_str());
    benchmark::PrintDefaultHelp();
  });
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  SideBySide report(shares);
  add_rows([&](const std::string& name, std::function<void(benchmark::State&)> row) {
    report.announce(name);
    auto* added = benchmark::RegisterBenchmark(name.c_str(), std::move(row))->Unit(benchmark::kMillisecond);
    if (threads() > 1) added->UseRealTime();
  });
  const std::size_t run = plain ? benchmark::RunSpecifiedBenchmarks() : benchmark::RunSpecifiedBenchmarks(&report);
  benchmark::Shutdown();
  return run > 0 && !detail::failed ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

}  // namespace anylead::bench
