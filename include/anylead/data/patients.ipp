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

inline constexpr std::string_view kPtbxl = "ptbxl-";

inline std::string last_part(const std::string& id) { return id.substr(id.rfind('/') + 1); }

/// Calls add(recording, patient) for every row that names one.
template <class Add>
void read_patients(const std::string& path, const Add& add) {
  const CsvTable table = read_csv(path);
  const Index record = table.column("record"), patient = table.column("patient");
  if (record < 0 || patient < 0) throw FormatError(path, "line 1", "expected columns named record and patient");
  for (const auto& row : table.rows) {
    const std::string name(trimmed(row[static_cast<std::size_t>(patient)]));
    const std::string key = lower(name);
    if (key.empty() || key == "unknown" || key == "one-record-per-patient") continue;
    std::string id(trimmed(row[static_cast<std::size_t>(record)]));
    for (const char* extension : {".hea", ".mat", ".dat", ".npy", ".csv"}) id = without_extension(std::move(id), extension);
    add(id, name);
  }
}

/// The patient of the first of the names that is there.
inline std::string find_patient(const std::map<std::string, std::string>& patients, const std::string& id) {
  auto found = patients.find(id);
  if (found == patients.end()) found = patients.find(last_part(id));
  return found == patients.end() ? std::string() : found->second;
}

}  // namespace detail

ANYLEAD_INLINE void Patients::add_table(const std::string& path) {
  detail::read_patients(path, [this](const std::string& id, const std::string& name) { given_[id] = name; });
}

ANYLEAD_INLINE void Patients::add_found(const std::string& path, const std::string& folder) {
  Names& names = found_[folder];
  detail::read_patients(path, [&](const std::string& id, const std::string& name) {
    names[id] = folder.empty() || name.starts_with(detail::kPtbxl) ? name : str(folder, '/', name);
  });
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
        const std::string& id = table.rows[i][static_cast<std::size_t>(c)];
        ptbxl_[detail::last_part(id)] = str(detail::kPtbxl, static_cast<long long>(number));
      }
  }
}

ANYLEAD_INLINE std::string Patients::find(const std::string& id) const {
  std::string patient = detail::find_patient(given_, id);
  for (std::string folder = id; patient.empty() && !folder.empty();) {  // from the recording's own folder up to the top
    const auto slash = folder.rfind('/');
    folder.resize(slash == folder.npos ? 0 : slash);
    if (const auto table = found_.find(folder); table != found_.end())
      patient = detail::find_patient(table->second, id.substr(folder.empty() ? 0 : folder.size() + 1));
  }
  return patient.empty() ? detail::find_patient(ptbxl_, id) : patient;
}

}  // namespace anylead::data
