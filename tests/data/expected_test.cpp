// Every recording that lies beside the repository, against statistics that other software computed from the same files.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/csv.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/wfdb.hpp>
#include <nlohmann/json.hpp>
#include <support/catch.hpp>
#include <support/shared.hpp>

namespace fs = std::filesystem;
using namespace anylead;
using namespace anylead::data;
using nlohmann::json;

namespace {

struct Statistics {
  double mean = 0, min = INFINITY, max = -INFINITY, std = 0;
  Index valid = 0;
};

Statistics statistics_of(const std::vector<double>& values) {
  Statistics s;
  double sum = 0;
  for (const double x : values) {
    if (std::isnan(x)) continue;
    ++s.valid;
    sum += x;
    s.min = std::min(s.min, x);
    s.max = std::max(s.max, x);
  }
  s.mean = sum / static_cast<double>(s.valid);
  double squares = 0;
  for (const double x : values)
    if (!std::isnan(x)) squares += (x - s.mean) * (x - s.mean);
  s.std = std::sqrt(squares / static_cast<double>(s.valid));
  return s;
}

/// The files have ten significant digits.
void check_near(double value, double expected, double scale) {
  CHECK(value == Approx(expected).epsilon(1e-9).margin(1e-9 * scale));
}

void check_statistics(const RawSignal& signal, const json& expected) {
  const Statistics s = statistics_of(signal.values);
  const double scale = std::abs(expected["max"].get<double>()) + std::abs(expected["min"].get<double>());
  check_near(s.mean, expected["mean"], scale);
  check_near(s.min, expected["min"], scale);
  check_near(s.max, expected["max"], scale);
  check_near(s.std, expected["std"], scale);
}

/// The stored number of a physical value.
Index stored(const RawSignal& signal, double value) { return std::llround(value * signal.gain + signal.baseline); }

std::string data_folder() {
  const std::string shared = shared_folder();
  return shared.empty() || !fs::is_directory(shared + "/data") ? std::string() : shared + "/data/";
}

json read_json(const std::string& path) {
  std::ifstream file(path);
  return file ? json::parse(file) : json();
}

/// Formats that are read.
bool supported(const json& signals) {
  return std::all_of(signals.begin(), signals.end(), [](const json& s) { return s["format"] == 16 || s["format"] == 212; });
}

std::vector<std::vector<std::string>> read_columns(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; fields >> field;) rows.back().push_back(field);
  }
  return rows;
}

}  // namespace

TEST_CASE("leads of Challenge and PTB-XL recordings have the expected statistics", "[data]") {
  const std::string data = data_folder();
  int checked = 0;
  for (const char* source : {"cinc2021", "ptbxl"}) {
    const json expected = data.empty() ? json() : read_json(data + source + "/expected-stats.json");
    for (const json& record : expected.is_null() ? json::array() : expected["records"]) {
      const std::string path = data + record["file"].get<std::string>();
      if (!fs::exists(path)) continue;
      INFO(path);
      const RawRecord raw = read_wfdb(path);
      CHECK(raw.rate_hz == record["sampling_rate_hz"]);
      REQUIRE(raw.signals.size() == record["leads"].size());
      for (std::size_t c = 0; c < raw.signals.size(); ++c) {
        const RawSignal& signal = raw.signals[c];
        const json& lead = record["leads"][c];
        INFO(signal.name);
        CHECK(signal.name == lead["lead"]);
        CHECK(signal.unit == lead["units"]);
        CHECK(signal.gain == lead["gain"]);
        CHECK(signal.baseline == lead["baseline"]);
        REQUIRE(static_cast<Index>(signal.values.size()) == record["samples"]);
        CHECK(stored(signal, signal.values.front()) == lead["first_digital"]);
        check_statistics(signal, lead);
      }
      ++checked;
    }
  }
  if (checked == 0) WARN("skipped: no recordings beside the repository");
}

TEST_CASE("signals of the sample records have the expected stored and physical values", "[data]") {
  const std::string folder = data_folder().empty() ? "" : data_folder() + "wfdb-formats/";
  const json expected = folder.empty() ? json() : read_json(folder + "expected-facts.json");
  int checked = 0;
  for (const json& record : expected.is_null() ? json::array() : expected["records"]) {
    const std::string path = folder + record["header"].get<std::string>();
    INFO(path);
    if (!fs::exists(path)) continue;
    const std::string reason = record.value("why", "");
    if (reason == "no signals") {
      CHECK(read_wfdb(path).signals.empty());
      continue;
    }
    if (!record["decoded"].get<bool>() || !supported(record["signals"])) {
      CHECK_THROWS_AS(read_wfdb(path), Error);
      continue;
    }
    RawRecord raw;
    try {
      raw = read_wfdb(path);
    } catch (const IoError&) {
      continue;  // signal file not here
    }
    CHECK(raw.rate_hz == record["frame_rate_hz"]);
    REQUIRE(raw.signals.size() == record["signals"].size());
    for (std::size_t c = 0; c < raw.signals.size(); ++c) {
      const RawSignal& signal = raw.signals[c];
      const json& lead = record["signals"][c];
      INFO(signal.name);
      CHECK(signal.name == lead["lead"]);
      CHECK(signal.unit == lead["units"]);
      CHECK(signal.samples_per_frame == lead["samples_per_frame"]);
      CHECK(signal.skew_frames == lead["skew"]);
      CHECK(signal.gain == lead["gain"]);
      CHECK(signal.baseline == lead["baseline"]);
      CHECK(static_cast<Index>(signal.values.size()) == lead["samples"]);
      CHECK(static_cast<Index>(signal.values.size()) == record["frames"].get<Index>() * signal.samples_per_frame);
      CHECK(signal.invalid == lead["invalid"]);
      const Statistics s = statistics_of(signal.values);
      CHECK(s.valid + signal.invalid == static_cast<Index>(signal.values.size()));
      if (s.valid > 0) check_statistics(signal, lead);
      if (signal.invalid > 0) continue;  // the stored facts include the reserved value
      CHECK(stored(signal, signal.values.front()) == lead["first_digital"]);
      CHECK(stored(signal, signal.values.back()) == lead["last_digital"]);
      CHECK(stored(signal, s.min) == lead["min_digital"]);
      CHECK(stored(signal, s.max) == lead["max_digital"]);
      Index sum = 0;
      for (const double x : signal.values) sum += stored(signal, x);
      CHECK(sum == lead["sum_digital"]);
    }
    ++checked;
  }
  if (checked == 0) WARN("skipped: no sample records beside the repository");
}

TEST_CASE("signals equal the read-outs of the reference software", "[data]") {
  const std::string folder = data_folder().empty() ? "" : data_folder() + "wfdb-formats/";
  struct Readout {
    const char *file, *record;
    std::vector<std::size_t> signals;
    std::size_t from;
    bool digital;
  };
  int checked = 0;
  for (const Readout& r :
       {Readout{"record-1a", "test01_00s", {0, 1, 2, 3}, 0, true}, Readout{"record-1b", "a103l", {2, 0}, 12500, false},
        Readout{"record-1c", "a103l", {0, 1}, 20000, true}, Readout{"record-2b", "100", {1}, 1, true},
        Readout{"record-2c", "100_3chan", {0, 1, 2}, 0, false}}) {
    const std::string readout = folder + "rdsamp-output/" + r.file, header = folder + r.record + ".hea";
    if (folder.empty() || !fs::exists(readout) || !fs::exists(header)) continue;
    INFO(readout);
    const auto rows = read_columns(readout);
    const RawRecord raw = read_wfdb(header);
    REQUIRE_FALSE(rows.empty());
    double worst = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      REQUIRE(rows[i].size() == r.signals.size());
      for (std::size_t c = 0; c < r.signals.size(); ++c) {
        const RawSignal& signal = raw.signals.at(r.signals[c]);
        const double value = signal.values.at(r.from + i), expected = std::strtod(rows[i][c].c_str(), nullptr);
        worst = std::max(worst, std::abs((r.digital ? static_cast<double>(stored(signal, value)) : value) - expected));
      }
    }
    CHECK(worst <= (r.digital ? 0 : 5.1e-9));  // half of the last decimal printed
    ++checked;
  }
  if (checked == 0) WARN("skipped: no read-outs beside the repository");
}

TEST_CASE("skewed signals with several samples per frame are aligned as the reference software does", "[data]") {
  const std::string folder = data_folder().empty() ? "" : data_folder() + "wfdb-formats/";
  if (folder.empty() || !fs::exists(folder + "rdsamp-output/record-4b")) {
    WARN("skipped: no read-outs beside the repository");
    return;
  }
  const auto rows = read_columns(folder + "rdsamp-output/record-4b");
  const RawRecord raw = read_wfdb(folder + "03700181.hea");
  REQUIRE(rows.size() == 75000 - 4);
  // Its columns hold one number per frame: the mean of the samples of that frame, truncated towards zero.
  Index different = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      const RawSignal& signal = raw.signals[c];
      const auto n = static_cast<std::size_t>(signal.samples_per_frame);
      Index sum = 0;
      for (std::size_t k = 0; k < n; ++k)
        sum += stored(signal, signal.values.at((i + static_cast<std::size_t>(signal.skew_frames)) * n + k));
      different += sum / static_cast<Index>(n) != std::atoll(rows[i].at(c).c_str());
    }
  CHECK(different == 0);
  // In the aligned record the voltages have the rate of the first signal.
  const Record record = to_record(raw);
  REQUIRE(record.leads == std::vector<std::string>{"MCL1", "RESP"});
  CHECK(record.rate_hz == 500);
  REQUIRE(record.samples == 300000);
  for (const Index frame : {0, 1, 17, 74995}) {
    CHECK(record.lead(1)[4 * frame] == static_cast<float>(raw.signals[2].values[static_cast<std::size_t>(frame + 4)]));
    CHECK(record.lead(0)[4 * frame + 3] == static_cast<float>(raw.signals[0].values[static_cast<std::size_t>(4 * frame + 3)]));
  }
  CHECK(std::isnan(record.lead(1)[4 * 74996]));
}

TEST_CASE("every Challenge and PTB-XL recording agrees with its checksums and its patient", "[data]") {
  const std::string data = data_folder();
  int checked = 0;
  for (const char* source : {"cinc2021", "ptbxl"}) {
    if (data.empty() || !fs::is_directory(data + source)) continue;
    const RecordFolder folder(data + source);
    std::set<std::string> patients;
    for (Index i = 0; i < folder.size(); ++i) {
      INFO(folder.path(i));
      const Record record = folder.read(i);  // throws where a checksum disagrees
      CHECK(record.channels() == 12);
      CHECK(record.samples > 0);
      const bool all_finite = std::all_of(record.signal.begin(), record.signal.end(), [](float x) { return std::isfinite(x); });
      CHECK(all_finite);
      if (!record.patient.empty()) patients.insert(record.patient);
      if (std::string(source) == "ptbxl") CHECK(record.patient.starts_with("ptbxl-"));
      ++checked;
    }
    if (std::string(source) == "ptbxl") CHECK(patients.count("ptbxl-15709") == 1);
  }
  if (checked == 0) WARN("skipped: no recordings beside the repository");
}

TEST_CASE("Challenge headers give age, sex and codes as the table of the collection has them", "[data]") {
  const std::string data = data_folder();
  if (data.empty() || !fs::exists(data + "cinc2021/records.csv")) {
    WARN("skipped: no recordings beside the repository");
    return;
  }
  const CsvTable table = read_csv(data + "cinc2021/records.csv");
  const RecordFolder folder(data + "cinc2021");
  int matched = 0;
  for (Index i = 0; i < folder.size(); ++i) {
    const std::string name = fs::path(folder.id(i)).filename().string();
    const auto column = [&](const std::vector<std::string>& row, const char* key) {
      return row[static_cast<std::size_t>(table.column(key))];
    };
    for (const auto& row : table.rows) {
      if (column(row, "record") != name) continue;
      INFO(name);
      const Record record = folder.read(i);
      std::string codes;
      for (const std::string& code : record.codes) codes += (codes.empty() ? "" : ",") + code;
      std::string expected = column(row, "dx_snomed");
      std::replace(expected.begin(), expected.end(), ';', ',');
      std::replace(expected.begin(), expected.end(), '|', ',');
      std::replace(expected.begin(), expected.end(), ' ', ',');
      CHECK(codes == expected);
      const double age = csv_number(column(row, "age"), "records.csv", 0, "age");
      CHECK(record.age_years.has_value() == !std::isnan(age));
      if (record.age_years) CHECK(*record.age_years == age);
      CHECK(record.sex == (column(row, "sex") == "Male" ? "male" : column(row, "sex") == "Female" ? "female" : ""));
      CHECK(record.samples == std::atoll(column(row, "samples").c_str()));
      const std::string patient = column(row, "patient");
      CHECK(record.patient == (patient == "unknown" || patient == "one-record-per-patient" ? "" : patient));
      ++matched;
    }
  }
  CHECK(matched == folder.size());
}
