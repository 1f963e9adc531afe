// Shows what is in recordings: leads, rates, units, statistics, comments; as a table, as JSON or as a picture.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/report/ecg_strip.hpp>
#include <anylead/report/svg.hpp>
#include <nlohmann/json.hpp>

namespace data = anylead::data;
namespace report = anylead::report;
using anylead::Index;
using nlohmann::ordered_json;

namespace {

/// Of the samples that are numbers, in the unit of the signal.
struct Statistics {
  Index valid = 0;
  double mean = 0, min = 0, max = 0;
  double std = 0;  ///< of the population
};

Statistics statistics_of(const data::RawSignal& signal) {
  Statistics s{.min = std::numeric_limits<double>::infinity(), .max = -std::numeric_limits<double>::infinity()};
  double sum = 0;
  for (const double x : signal.values)
    if (!std::isnan(x)) {
      ++s.valid;
      sum += x;
      s.min = std::min(s.min, x);
      s.max = std::max(s.max, x);
    }
  s.mean = sum / static_cast<double>(s.valid);
  double squares = 0;
  for (const double x : signal.values)
    if (!std::isnan(x)) squares += (x - s.mean) * (x - s.mean);
  s.std = std::sqrt(squares / static_cast<double>(s.valid));
  return s;
}

Index samples_of(const data::RawSignal& signal) { return static_cast<Index>(signal.values.size()); }

/// Seconds of the longest signal.
double duration_of(const data::RawRecord& record) {
  double seconds = 0;
  for (const data::RawSignal& s : record.signals) seconds = std::max(seconds, static_cast<double>(samples_of(s)) / s.rate_hz);
  return seconds;
}

ordered_json json_of(const data::RawRecord& record) {
  ordered_json samples = ordered_json::array(), leads = ordered_json::array();
  for (const data::RawSignal& signal : record.signals) {
    samples.push_back(samples_of(signal));
    const Statistics s = statistics_of(signal);
    const auto value = [&](double x) { return s.valid > 0 ? ordered_json(x) : ordered_json(); };
    leads.push_back({{"name", signal.name},
                     {"unit", signal.unit},
                     {"mean", value(s.mean)},
                     {"min", value(s.min)},
                     {"max", value(s.max)},
                     {"std", value(s.std)},
                     {"invalid", samples_of(signal) - s.valid}});
  }
  const bool equal = std::adjacent_find(samples.begin(), samples.end(), std::not_equal_to<>()) == samples.end();
  if (equal) samples = samples.empty() ? ordered_json(0) : ordered_json(samples.front());
  return {{"record", record.id},           {"rate_hz", record.rate_hz},
          {"samples", std::move(samples)}, {"duration_s", duration_of(record)},
          {"comments", record.comments},   {"notes", record.notes},
          {"leads", std::move(leads)}};
}

/// Text of files fit for a terminal: control characters, which could move its cursor or colour it, become question marks.
std::string shown(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return out;
}

/// Columns of a terminal that a text takes: continuation bytes of UTF-8 take none.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string number(double x, const char* form = "%.4g") {
  char text[64];
  std::snprintf(text, sizeof text, form, x);
  return text;
}

void print_table(const data::RawRecord& record) {
  std::printf("%s: %s Hz, %s s", shown(record.id).c_str(), number(record.rate_hz, "%g").c_str(),
              number(duration_of(record), "%g").c_str());
  if (record.age_years) std::printf(", %s years", number(*record.age_years, "%g").c_str());
  if (!record.sex.empty()) std::printf(", %s", record.sex.c_str());
  std::printf("\n");
  std::vector<std::vector<std::string>> rows = {{"lead", "unit", "samples", "Hz", "mean", "std", "min", "max", "invalid"}};
  for (const data::RawSignal& signal : record.signals) {
    const Statistics s = statistics_of(signal);
    const auto value = [&](double x) { return s.valid > 0 ? number(x) : std::string("-"); };
    rows.push_back({shown(signal.name), shown(signal.unit), std::to_string(samples_of(signal)), number(signal.rate_hz, "%g"),
                    value(s.mean), value(s.std), value(s.min), value(s.max), std::to_string(samples_of(signal) - s.valid)});
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - width_of(row[c]), ' ');
      const bool text = c < 2;  // names to the left, numbers to the right
      std::printf("  %s%s", text ? row[c].c_str() : space.c_str(), text ? space.c_str() : row[c].c_str());
    }
    std::printf("\n");
  }
  for (const std::string& comment : record.comments) std::printf("  # %s\n", shown(comment).c_str());
  for (const std::string& note : record.notes) std::printf("  note: %s\n", shown(note).c_str());
  std::printf("\n");
}

/// ecg.svg for the first picture, ecg-2.svg for the second.
std::string numbered(const std::string& path, Index picture) {
  if (picture == 1) return path;
  const std::filesystem::path p = path;
  return (p.parent_path() / anylead::str(p.stem().string(), "-", picture, p.extension().string())).string();
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw anylead::IoError(anylead::str(path, ": cannot be written"));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Shows what is in ECG recordings: WFDB records, .npy and .csv arrays, or folders of them.\n"
      "Statistics are of the stored samples in their physical unit; samples marked as invalid are counted and left out.");
  std::vector<std::string> paths;
  data::FolderOptions options;
  bool as_json = false;
  std::string svg;
  app.add_option("PATH", paths, "header (.hea), record name without extension, array file (.npy, .csv), or folder")->required();
  app.add_flag("--json", as_json, "print a JSON array with one object per recording");
  app.add_option("--svg", svg, "draw the ECG at 25 mm/s and 10 mm/mV; further recordings get FILE-2, FILE-3, ...")
      ->type_name("FILE");
  app.add_flag("--ignore-checksums", options.ignore_checksums, "read signals that disagree with the checksums of their header");
  app.add_option("--match", options.match, "of folders, only recordings whose name or path matches, such as '*_hr'")
      ->type_name("GLOB");
  app.add_option("--array-rate-hz", options.array_rate_hz, "sampling rate of .npy and .csv recordings")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--array-leads", options.array_leads,
                 "leads of .npy recordings, such as I,II; default: the twelve standard ones")
      ->delimiter(',');
  app.footer(
      "Examples:\n"
      "  inspect ptbxl/records500/00000/00001_hr            one record as a table\n"
      "  inspect georgia --match 'E07*' --json              a part of a folder as JSON\n"
      "  inspect JS20004.hea --svg ecg.svg                  a picture\n"
      "  inspect holter.npy --array-rate-hz 128 --array-leads II,V5\n"
      "                                                     an array [leads, samples]\n"
      "Exit code: 0, 1 if a recording could not be read (the others are shown), other codes for wrong arguments.");
  CLI11_PARSE(app, argc, argv);

  bool failed = false;
  const auto complain = [&](const std::exception& e) {
    failed = true;
    std::fprintf(stderr, "inspect: %s\n", e.what());
  };
  ordered_json all = ordered_json::array();
  Index pictures = 0;
  for (const std::string& path : paths) try {
      const data::RecordFolder folder(path, options);
      for (Index i = 0; i < folder.size(); ++i) try {
          const data::RawRecord record = folder.read_raw(i);
          if (as_json)
            all.push_back(json_of(record));
          else
            print_table(record);
          if (!svg.empty()) write(numbered(svg, ++pictures), report::ecg_strip(report::strip_of(data::to_record(record))));
        } catch (const anylead::Error& e) {
          complain(e);
        }
    } catch (const anylead::Error& e) {
      complain(e);
    }
  if (as_json) std::printf("%s\n", all.dump(2, ' ', false, ordered_json::error_handler_t::replace).c_str());
  return failed ? 1 : 0;
}
