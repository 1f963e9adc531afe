#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/data/ascii.hpp>
#include <anylead/data/csv.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/glob.hpp>
#include <anylead/data/hash.hpp>
#include <anylead/data/leads.hpp>
#include <anylead/data/npy.hpp>
#include <anylead/data/wfdb.hpp>

namespace anylead::data {

namespace detail {

/// Columns of a CSV recording in front of its leads.
inline bool is_time_column(std::string_view name) {
  const std::string key = lower(trimmed(name));
  for (const char* known : {"", "time", "t", "sample", "samples", "index", "seconds", "ms", "time_s", "time_ms"})
    if (key == known) return true;
  return false;
}

/// A CSV file whose header row consists of lead names, perhaps behind a time column: a recording and not a table about
/// recordings.
ANYLEAD_INLINE bool is_csv_recording(const std::string& path) {
  try {
    const MappedFile file(path);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    const CsvTable table = parse_csv(text.substr(0, std::min<std::size_t>(text.find('\n'), 4096)), path);
    const std::size_t first = is_time_column(table.header[0]) ? 1 : 0;
    for (std::size_t i = first; i < table.header.size(); ++i)
      if (!parse_lead(trimmed(table.header[i]))) return false;
    return first < table.header.size();
  } catch (const Error&) {
    return false;
  }
}

/// What may name a file in the lines of a text that are no comments; nothing if the text cannot be read.
ANYLEAD_INLINE std::set<std::string> first_words(const std::string& path) {
  constexpr std::size_t kMost = 256, kLongest = 200;
  std::set<std::string> words;
  try {
    const MappedFile file(path);
    std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    while (!text.empty() && words.size() < kMost) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
      if (!word.empty() && !line.starts_with('#') && word.find('/') == word.npos && word.size() < kLongest) words.emplace(word);
    }
  } catch (const IoError&) {  // read() tells
  }
  return words;
}

/// A signal in millivolt as arrays have it.
inline RawSignal array_signal(std::string name, double rate_hz, std::vector<double> values) {
  RawSignal s;
  s.name = std::move(name);
  s.rate_hz = rate_hz;
  s.values = std::move(values);
  for (double& v : s.values)
    if (!std::isfinite(v)) {
      v = std::numeric_limits<double>::quiet_NaN();
      ++s.invalid;
    }
  return s;
}

ANYLEAD_INLINE RawRecord read_csv_recording(const std::string& path, double rate_hz) {
  const CsvTable table = read_csv(path);
  RawRecord record;
  record.rate_hz = rate_hz;
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    if (c == 0 && is_time_column(table.header[c])) continue;
    const std::string name(trimmed(table.header[c]));
    std::vector<double> values(table.rows.size());
    for (std::size_t r = 0; r < values.size(); ++r) values[r] = csv_number(table.rows[r][c], path, table.lines[r], name);
    record.signals.push_back(array_signal(name, rate_hz, std::move(values)));
  }
  if (record.signals.empty() || table.rows.empty())
    throw FormatError(path, "line 1", "expected columns named after leads, and rows");
  return record;
}

/// `part` numbers the recordings of an array of three axes; -1: the array is one recording.
ANYLEAD_INLINE RawRecord read_npy_recording(const std::string& path, Index part, double rate_hz,
                                            const std::vector<std::string>& names) {
  const MappedFile file(path);
  const NpyHeader header = parse_npy_header(file.bytes(), path);
  const std::size_t axes = header.shape.size();
  if (axes != (part < 0 ? 2 : 3) || (part >= 0 && part >= header.shape[0]))
    throw FormatError(path, "",
                      str("expected axes of leads and samples, perhaps one of recordings in front, found ", axes, " axes"));
  const Index rows = header.shape[axes - 2], columns = header.shape[axes - 1];
  if (rows == columns)
    throw FormatError(path, "",
                      str("expected fewer leads than samples, found ", rows, " x ", columns, ": which are the leads?"));
  const bool leads_first = rows < columns;
  const Index leads = std::min(rows, columns), samples = std::max(rows, columns);
  std::vector<std::string> known = names;
  if (known.empty() && leads == 12) known.assign(kLeadNames.begin(), kLeadNames.end());
  if (static_cast<Index>(known.size()) != leads)
    throw FormatError(path, "",
                      known.empty() ? str("found ", leads, " leads without names: name them (--array-leads)")
                                    : str("expected the ", known.size(), " named leads, found ", leads));
  const std::vector<double> all = npy_values(header, file.bytes(), std::max<Index>(part, 0) * rows * columns, rows * columns);
  RawRecord record;
  record.rate_hz = rate_hz;
  for (Index c = 0; c < leads; ++c) {
    std::vector<double> values(static_cast<std::size_t>(samples));
    for (Index t = 0; t < samples; ++t)
      values[static_cast<std::size_t>(t)] = all[static_cast<std::size_t>(leads_first ? c * samples + t : t * leads + c)];
    record.signals.push_back(array_signal(known[static_cast<std::size_t>(c)], rate_hz, std::move(values)));
  }
  return record;
}

/// Recordings in an array of three axes; 0 for other files, which are one recording each or damaged.
ANYLEAD_INLINE Index npy_recordings(const std::string& path) try {
  const NpyHeader header = parse_npy_header(MappedFile(path).bytes(), path);
  return header.shape.size() == 3 && header.count > 0 ? header.shape[0] : 0;
} catch (const Error&) {
  return 0;  // whoever reads it learns why
}

}  // namespace detail

ANYLEAD_INLINE RecordFolder::RecordFolder(const std::string& path, const FolderOptions& options) : options_(options) {
  namespace fs = std::filesystem;
  std::set<std::string> taken;
  const auto add = [&](std::string id, const fs::path& file) {
    const std::string extension = file.extension().string();
    const Index recordings = detail::lower(extension) == ".npy" ? detail::npy_recordings(file.string()) : 0;
    if (!taken.insert(id).second) taken.insert(id += extension);  // a.hea and a.npy are two recordings
    if (recordings == 0) files_.push_back({id, file.string()});
    for (Index part = 0; part < recordings; ++part) files_.push_back({str(id, "#", part), file.string(), part});
  };
  std::error_code error;
  if (fs::is_directory(path, error)) {
    fs::recursive_directory_iterator it(path, fs::directory_options::skip_permission_denied, error), end;
    if (error) throw IoError(str(path, ": ", error.message()));
    std::vector<fs::path> found;
    for (; it != end; it.increment(error)) {
      if (error) throw IoError(str(path, ": ", error.message()));
      if (it->is_regular_file(error)) found.push_back(it->path());
    }
    std::sort(found.begin(), found.end());
    Index seen = 0;
    for (const fs::path& file : found) {
      const std::string extension = detail::lower(file.extension().string()), name = detail::lower(file.filename().string());
      if (name == "ptbxl_database.csv") {
        patients_.add_ptbxl(file.string());
        continue;
      }
      if (name == "records.csv") {
        const CsvTable table = read_csv(file.string());
        if (table.column("record") >= 0 && table.column("patient") >= 0)
          patients_.add_found(file.string(), file.lexically_relative(path).parent_path().generic_string());
        continue;
      }
      const bool recording =
          extension == ".hea" || extension == ".npy" || (extension == ".csv" && detail::is_csv_recording(file.string()));
      if (!recording) continue;
      ++seen;
      std::string id = file.lexically_relative(path).replace_extension().generic_string();
      if (!options.match.empty() && !matches_any_glob(id, options.match) &&
          !matches_any_glob(file.stem().string(), options.match))
        continue;
      add(std::move(id), file);
    }
    ANYLEAD_CHECK(
        !files_.empty(), OptionError, path,
        seen ? str("none of the ", seen, " recordings matches ", options.match)
             : std::string("no recordings found (WFDB headers .hea, arrays .npy, .csv files whose columns are leads)"));
  } else {
    fs::path file = path;
    if (!fs::exists(file, error) && fs::exists(path + ".hea", error)) file = path + ".hea";
    if (!fs::exists(file, error)) throw IoError(str(path, ": no such file or folder"));
    std::string extension = detail::lower(file.extension().string());
    if (extension == ".mat" || extension == ".dat") file.replace_extension(extension = ".hea");
    ANYLEAD_CHECK(extension == ".hea" || extension == ".npy" || extension == ".csv", OptionError, path,
                  "expected a folder, a WFDB record, an .npy or a .csv file");
    add(file.stem().string(), file);
  }
  if (!options.patients_csv.empty()) patients_.add_table(options.patients_csv);
}

ANYLEAD_INLINE std::uint64_t RecordFolder::version(Index i) const {
  namespace fs = std::filesystem;
  const fs::path file = path(i);
  Hash64 hash;
  const auto add = [&](const fs::path& p) {
    std::error_code error;
    const auto size = fs::file_size(p, error);
    if (error) return;
    hash.add(std::string_view(p.filename().native()));
    hash.add(static_cast<std::uint64_t>(size));
    hash.add(static_cast<std::uint64_t>(fs::last_write_time(p, error).time_since_epoch().count()));
  };
  add(file);
  if (file.extension() == ".hea") {  // the signal files that the header names
    for (const auto& name : detail::first_words(file.string())) add(file.parent_path() / name);
  }
  hash.add(std::string_view(patients_.find(id(i))));
  hash.add(options_.array_rate_hz);
  for (const std::string& lead : options_.array_leads) hash.add(std::string_view(lead));
  hash.add(std::uint64_t{options_.ignore_checksums});
  return hash.value();
}

ANYLEAD_INLINE RawRecord RecordFolder::read_raw(Index i) const {
  const std::string& file = path(i);
  const std::string extension = detail::lower(std::filesystem::path(file).extension().string());
  RawRecord record = extension == ".npy"   ? detail::read_npy_recording(file, files_[static_cast<std::size_t>(i)].part,
                                                                        options_.array_rate_hz, options_.array_leads)
                     : extension == ".csv" ? detail::read_csv_recording(file, options_.array_rate_hz)
                                           : read_wfdb(file, {.ignore_checksums = options_.ignore_checksums});
  record.id = id(i);
  return record;
}

ANYLEAD_INLINE Record RecordFolder::read(Index i) const {
  Record record = to_record(read_raw(i));
  record.id = id(i);
  record.patient = patients_.find(record.id);
  return record;
}

}  // namespace anylead::data
