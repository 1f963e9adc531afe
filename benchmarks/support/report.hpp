// Google Benchmark's rows, and below them a table that sets the ways to do the same work side by side.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <anylead/core/text.hpp>

namespace anylead::bench {

/// Rows are named WORK/WAY. The table has a line for each work and a column for each way, in the order in which they were
/// announced (the rows may run in any): median milliseconds of all repetitions, the share of the machine's limit, and how many
/// times as long as the first way it took.
class SideBySide : public benchmark::BenchmarkReporter {
 public:
  /// share: the names of the counters that are shares of a limit; a row has one of them.
  explicit SideBySide(std::vector<std::string> shares) : shares_(std::move(shares)) {}

  void announce(const std::string& name) {
    const auto [work, way] = parts(name);
    line_of(work);
    column_of(way);
  }

  bool ReportContext(const Context& context) override { return rows_->ReportContext(context); }

  void ReportRuns(const std::vector<Run>& runs) override {
    rows_->ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const auto [work, way] = parts(run.run_name.function_name);
      Line& line = line_of(work);
      Cell& cell = line.cells[column_of(way)];
      const bool real = run.run_name.time_type == "real_time";
      cell.milliseconds.push_back((real ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime()) * 1e3 /
                                  benchmark::GetTimeUnitMultiplier(run.time_unit));
      for (const std::string& share : shares_)
        if (const auto counter = run.counters.find(share); counter != run.counters.end()) {
          cell.shares.push_back(counter->second);
          line.limit = share;
        }
    }
  }

  void Finalize() override {
    rows_->Finalize();
    std::string text = "\n| |";
    for (const std::string& column : columns_) text += " " + column + ", ms |";
    text += " limit |\n|---|" + repeated("---|", columns_.size() + 1) + "\n";
    for (const Line& line : lines_) {
      if (line.cells.empty()) continue;
      text += "| " + line.name + " |";
      const auto first = line.cells.find(0);
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        const auto cell = line.cells.find(c);
        if (cell == line.cells.end()) {
          text += " |";
          continue;
        }
        const double time = median(cell->second.milliseconds);
        char buffer[64];
        std::snprintf(buffer, sizeof buffer, " %.3g (%.0f %%", time, median(cell->second.shares));
        text += buffer;
        if (c > 0 && first != line.cells.end()) {
          std::snprintf(buffer, sizeof buffer, ", %.2fx", time / median(first->second.milliseconds));
          text += buffer;
        }
        text += ") |";
      }
      text += " " + line.limit + " |\n";
    }
    GetOutputStream() << text;
  }

 private:
  struct Cell {
    std::vector<double> milliseconds, shares;
  };
  struct Line {
    std::string name, limit;
    std::map<std::size_t, Cell> cells;
  };

  static std::pair<std::string, std::string> parts(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return {name.substr(0, slash), name.substr(slash + 1)};
  }

  Line& line_of(const std::string& name) {
    for (Line& line : lines_)
      if (line.name == name) return line;
    lines_.push_back({name, "", {}});
    return lines_.back();
  }

  std::size_t column_of(const std::string& name) {
    const auto at = std::find(columns_.begin(), columns_.end(), name);
    if (at == columns_.end()) return columns_.push_back(name), columns_.size() - 1;
    return static_cast<std::size_t>(at - columns_.begin());
  }

  static double median(std::vector<double> v) {
    if (v.empty()) return 0;
    std::sort(v.begin(), v.end());
    const std::size_t n = v.size();
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
  }

  static std::string repeated(const std::string& text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
  }

  std::vector<std::string> shares_;
  std::unique_ptr<benchmark::BenchmarkReporter> rows_{benchmark::CreateDefaultDisplayReporter()};
  std::vector<std::string> columns_;
  std::vector<Line> lines_;
};

}  // namespace anylead::bench
