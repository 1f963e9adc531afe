// Recordings in the WFDB formats of PhysioNet: a text header and signal files.
//
// Written from the format's description, header(5) and signal(5) of the WFDB Applications Guide.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/raw_record.hpp>

namespace anylead::data {

struct WfdbOptions {
  bool ignore_checksums = false;
};

/// A signal line of a header: `file format[xN][:skew][+offset] [gain[(baseline)][/unit] [resolution [zero [initial [checksum
/// [block [description]]]]]]]`.
struct WfdbSignal {
  std::string file;
  int format = 0;
  Index samples_per_frame = 1;
  Index skew_frames = 0;
  Index byte_offset = 0;
  double gain = 200;    ///< 200 also where the header has 0: uncalibrated
  double baseline = 0;  ///< the ADC zero where the header has none
  std::string unit = "mV";
  std::optional<Index> initial;   ///< the first stored sample; often wrong where the checksum is right
  std::optional<Index> checksum;  ///< sum of the stored samples, modulo 65536
  std::string description;        ///< the name of the signal
  Index line = 0;                 ///< in the header, from 1
};

struct WfdbHeader {
  std::string file;      ///< where it comes from, for messages
  std::string record;    ///< as written, perhaps with an extension
  double rate_hz = 250;  ///< frames per second
  std::optional<Index> frames;
  std::string start;  ///< time and date of the record line, as written
  std::vector<WfdbSignal> signals;
  std::vector<std::string> comments;  ///< without '#' and the white space around them
};

/// Reads the text of a header; `file` is for messages.
/// @throws FormatError naming the line, also for a record of several segments
ANYLEAD_INLINE WfdbHeader parse_wfdb_header(std::string_view text, std::string_view file);

/// Gives the bytes of a signal file of the header's folder; they stay valid until the next call.
using WfdbFile = std::function<std::span<const std::byte>(const std::string& name)>;

/// The recording of a header that parse_wfdb_header made, with the signal files from `open`. The id is empty.
/// @throws FormatError, and whatever `open` throws. @see read_wfdb
ANYLEAD_INLINE RawRecord decode_wfdb(const WfdbHeader& header, const WfdbFile& open, const WfdbOptions& options = {});

/// Reads a recording; `header_path` is the path of its .hea file.
///
/// Formats 16 and 212, and MATLAB 4 files (format 16 behind a header of 24 bytes, which is checked). Without a sample count in
/// the header it is what the shortest signal file holds; checksums are not verified then, as the format demands. Bytes behind
/// the last frame are left alone, with a note in the record. The stated first sample is not verified: it is often wrong where
/// the checksum is right.
/// @throws IoError for files that cannot be read
/// @throws FormatError for other formats, several segments, signal files outside the folder of the header or too short, and
///         checksums that do not match
ANYLEAD_INLINE RawRecord read_wfdb(const std::string& header_path, const WfdbOptions& options = {});

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/wfdb.ipp>
#endif
