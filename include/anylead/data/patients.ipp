#pragma once

#include <cmath>

#include <anylead/core/error.hpp>
#include <anylead/data/ascii.hpp>
#include <anylead/data/csv.hpp>
#include <anylead/data/patients.hpp>

namespace anylead::data {

namespace detail {

ANYLEAD_INLINE std::string without_extension(std::string name, std::string_view extension) {
  if (name.size() > extension.size() && lower(name).ends_with(extension)) name.resize(name.size() - extension.size());
  return name;
}

}  // namespace detail

ANYLEAD_INLINE void Patients::add_table(const std::string& path) {
  const CsvTable table = read_csv(path);
  const Index record = table.column("record"), patient = table.column("patient");
  if (record < 0 || patient < 0) throw FormatError(path, "line 1", "expected columns named record and patient");
  for (const auto& row : table.rows) {
    const std::string name(detail::trimmed(row[static_cast<std::size_t>(patient)]));
    const std::string key = detail::lower(name);
    if (key.empty() || key == "unknown" || key == "one-record-per-patient") continue;
    std::string id(detail::trimmed(row[static_cast<std::size_t>(record)]));
    for (const char* extension : {".hea", ".mat", ".dat", ".npy", ".csv"})
      id = detail::without_extension(std::move(id), extension);
    patient_[id] = name;
  }
}

ANYLEAD_INLINE void Patients::add_ptbxl(const std::string& path) {
  const CsvTable table = read_csv(path);
  const Index patient = table.column("patient_id");
  if (patient < 0) throw FormatError(path, "line 1", "expected a column named patient_id");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const double number = csv_number(table.rows[i][static_cast<std::size_t>(patient)], path, table.lines[i], "patient_id");
    if (!std::isfinite(number) || std::abs(number) > 1e15) continue;
    for (const char* column : {"filename_hr", "filename_lr"})
      if (const Index c = table.column(column); c >= 0) {
        std::string id = table.rows[i][static_cast<std::size_t>(c)];
        patient_[id.substr(id.rfind('/') + 1)] = str("ptbxl-", static_cast<long long>(number));
      }
  }
}

ANYLEAD_INLINE std::string Patients::find(const std::string& id) const {
  auto found = patient_.find(id);
  if (found == patient_.end()) found = patient_.find(id.substr(id.rfind('/') + 1));
  return found == patient_.end() ? std::string() : found->second;
}

}  // namespace anylead::data
