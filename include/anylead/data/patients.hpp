// Which patient a recording belongs to.
#pragma once

#include <map>
#include <string>

#include <anylead/core/config.hpp>

namespace anylead::data {

/// Patients by recording, from tables of the user's and of known collections.
class Patients {
 public:
  /// The user's table with columns `record` and `patient`, which comes before all others; "unknown", "one-record-per-patient"
  /// and empty fields name no patient: such a recording stands for itself. @throws IoError; FormatError if a column is missing
  ANYLEAD_INLINE void add_table(const std::string& path);

  /// Such a table found in a folder of the collection (path below the collection's; empty: itself). It speaks for the
  /// recordings below its folder alone, and its patients are its own: "7" of folder b is "b/7", nobody of another table. Only
  /// the patients of PTB-XL (@see add_ptbxl) are the same in all tables.
  ANYLEAD_INLINE void add_found(const std::string& path, const std::string& folder);

  /// PTB-XL's ptbxl_database.csv: filename_hr and filename_lr belong to patient_id. Patients are named as in the Challenge's
  /// tables, ptbxl-15709, so that both copies of a recording have one patient.
  ANYLEAD_INLINE void add_ptbxl(const std::string& path);

  /// The patient of a recording by its id (path below the collection's folder, without extension); empty: unknown. Each table
  /// is asked for the path below its own folder, then for the last part of it; of tables that were found the nearest one first.
  ANYLEAD_INLINE std::string find(const std::string& id) const;

 private:
  using Names = std::map<std::string, std::string>;  // by recording
  Names given_, ptbxl_;
  std::map<std::string, Names> found_;  // by folder
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/patients.ipp>
#endif
