// Which patient a recording belongs to.
#pragma once

#include <map>
#include <string>

#include <anylead/core/config.hpp>

namespace anylead::data {

/// Patients by recording, from tables of the user's and of known collections.
class Patients {
 public:
  /// A table with columns `record` and `patient`; "unknown", "one-record-per-patient" and empty fields name no patient: such a
  /// recording stands for itself. @throws IoError; FormatError if a column is missing
  ANYLEAD_INLINE void add_table(const std::string& path);

  /// PTB-XL's ptbxl_database.csv: filename_hr and filename_lr belong to patient_id. Patients are named as in the Challenge's
  /// tables, ptbxl-15709, so that both copies of a recording have one patient.
  ANYLEAD_INLINE void add_ptbxl(const std::string& path);

  /// The patient of a recording: by its id (path below its folder, without extension), else by the last part of it; empty:
  /// unknown.
  ANYLEAD_INLINE std::string find(const std::string& id) const;

 private:
  std::map<std::string, std::string> patient_;
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/patients.ipp>
#endif
