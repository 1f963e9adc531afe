// Recordings in files.
#pragma once

#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/patients.hpp>
#include <anylead/data/raw_record.hpp>
#include <anylead/data/record.hpp>

namespace anylead::data {

struct FolderOptions {
  std::string match = {};         ///< only recordings whose id, or its last part, matches; empty: all. @see matches_any_glob
  bool ignore_checksums = false;  ///< read signals whose checksum disagrees with the header
  std::string patients_csv = {};  ///< table with columns record and patient, before those found in the folder
  double array_rate_hz = 500;     ///< of .npy and .csv recordings, whose numbers are millivolts
  std::vector<std::string> array_leads = {};  ///< of .npy recordings; empty: the twelve standard leads
};

/// A RecordSource: all recordings below a folder (WFDB headers, .npy arrays, .csv files whose columns are leads), in the order
/// of their paths; or a single file. Signals are read when asked for.
///
/// An .npy array is one recording, [leads, samples] or [samples, leads] with fewer leads than samples, or a third axis in front
/// numbers recordings: NAME#0, NAME#1, ...
///
/// Patients come from options.patients_csv, from tables records.csv (record, patient) above the recording and from PTB-XL's
/// ptbxl_database.csv; a recording in none of them has no patient. @see Patients
class RecordFolder {
 public:
  /// @throws IoError if the folder cannot be read; OptionError if nothing in it is a recording
  ANYLEAD_INLINE explicit RecordFolder(const std::string& path, const FolderOptions& options = {});

  Index size() const { return static_cast<Index>(files_.size()); }
  const std::string& id(Index i) const { return files_[static_cast<std::size_t>(i)].id; }      ///< path without extension
  const std::string& path(Index i) const { return files_[static_cast<std::size_t>(i)].path; }  ///< of the header or array
  ANYLEAD_INLINE std::uint64_t version(Index i) const;  ///< hash of sizes and times of its files
  ANYLEAD_INLINE Record read(Index i) const;            ///< @throws IoError, FormatError
  ANYLEAD_INLINE RawRecord read_raw(Index i) const;     ///< as stored. @throws IoError, FormatError

 private:
  struct File {
    std::string id, path;
    Index part = -1;  ///< number of the recording in a file of several
  };
  FolderOptions options_;
  std::vector<File> files_;
  Patients patients_;
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/folder.ipp>
#endif
