#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/data/ascii.hpp>
#include <anylead/data/mat4.hpp>
#include <anylead/data/wfdb.hpp>
#include <anylead/data/wfdb_formats.hpp>

namespace anylead::data {
namespace detail {

// Bounds far above any recording; their products fit in 63 bits.
inline constexpr Index kMostFrames = Index{1} << 40;
inline constexpr Index kMostFrameSamples = Index{1} << 20;  ///< of one file

/// A line of a header, field by field.
class WfdbLine {
 public:
  WfdbLine(std::string_view text, std::string_view file, Index number) : rest_(trimmed(text)), file_(file), number_(number) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  /// The next field; empty behind the last.
  std::string_view next() {
    const std::size_t end = std::min(rest_.find_first_of(" \t"), rest_.size());
    const std::string_view field = rest_.substr(0, end);
    rest_ = trimmed(rest_.substr(end));
    return field;
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... problem) const {
    throw FormatError(file_, str("line ", number_), str(problem...));
  }

  /// The whole text as an integer within bounds.
  Index integer(std::string_view text, std::string_view what, Index least, Index most) const {
    Index value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + (text.starts_with('+') ? 1 : 0), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < least || value > most)
      fail(what, ": expected an integer from ", least, " to ", most, ", found ", printable(text));
    return value;
  }

  /// The whole text as a finite number.
  double real(std::string_view text, std::string_view what) const {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + (text.starts_with('+') ? 1 : 0), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value))
      fail(what, ": expected a number, found ", printable(text));
    return value;
  }

 private:
  std::string_view rest_, file_;
  Index number_;
};

/// Takes off and returns the digits after a mark, if the text begins with it.
inline std::optional<std::string_view> after_mark(std::string_view& text, char mark) {
  if (!text.starts_with(mark)) return std::nullopt;
  const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
  const std::string_view digits = text.substr(1, end - 1);
  text.remove_prefix(end);
  return digits;
}

/// `name[/segments] signals [rate[/counter[(base)]] [frames [time and date]]]`; returns the number of signals.
inline Index parse_record_line(WfdbLine line, WfdbHeader& header) {
  std::string_view name = line.next();
  if (const std::size_t slash = name.find('/'); slash != name.npos) {
    const Index segments = line.integer(name.substr(slash + 1), "segments", 1, std::numeric_limits<std::int32_t>::max());
    line.fail("expected a record of one segment, found a multi-segment record of ", segments);
  }
  header.record = name;
  const Index signals = line.integer(line.next(), "number of signals", 0, std::numeric_limits<std::int32_t>::max());
  if (const std::string_view rate = line.next(); !rate.empty()) {
    header.rate_hz = line.real(rate.substr(0, rate.find('/')), "sampling rate");
    if (!(header.rate_hz > 0) || header.rate_hz > 1e9)
      line.fail("expected a sampling rate from 0 to 1e9 Hz, found ", printable(rate));
  }
  if (const std::string_view frames = line.next(); !frames.empty()) {
    const Index count = line.integer(frames, "number of samples", 0, kMostFrames);
    if (count > 0) header.frames = count;  // 0 means unknown
  }
  header.start = line.rest();
  return signals;
}

/// `format[xN][:skew][+offset]`
inline void parse_format(const WfdbLine& line, std::string_view field, WfdbSignal& signal) {
  const auto refuse = [&] { line.fail("expected a format such as 16, 16x2:3+24, found ", printable(field)); };
  const std::size_t digits = std::min(field.find_first_not_of("0123456789"), field.size());
  if (digits == 0) refuse();
  signal.format = static_cast<int>(line.integer(field.substr(0, digits), "format", 0, 99999));
  std::string_view rest = field.substr(digits);
  if (const auto n = after_mark(rest, 'x'))
    signal.samples_per_frame = line.integer(*n, "samples per frame", 1, kMostFrameSamples);
  if (const auto n = after_mark(rest, ':')) signal.skew_frames = line.integer(*n, "skew", 0, kMostFrames);
  if (const auto n = after_mark(rest, '+')) signal.byte_offset = line.integer(*n, "byte offset", 0, kMostFrames);
  if (!rest.empty()) refuse();
}

/// `gain[(baseline)][/unit]`; returns whether a baseline is there.
inline bool parse_gain(const WfdbLine& line, std::string_view field, WfdbSignal& signal) {
  const std::size_t end = std::min(field.find_first_of("(/"), field.size());
  std::string_view rest = field.substr(end);
  const double gain = line.real(field.substr(0, end), "gain");
  // Beyond these limits a 32-bit number in volts would leave the range of float.
  if (gain != 0 && !(std::abs(gain) >= 1e-18 && std::abs(gain) <= 1e18)) line.fail("gain ", gain, " is out of range");
  if (gain != 0) signal.gain = gain;
  bool has_baseline = false;
  if (rest.starts_with('(')) {
    const std::size_t close = rest.find(')');
    if (close == rest.npos) line.fail("expected a baseline in parentheses, found ", printable(field));
    signal.baseline = line.real(rest.substr(1, close - 1), "baseline");
    if (std::abs(signal.baseline) > 1e12) line.fail("baseline ", signal.baseline, " is out of range");
    has_baseline = true;
    rest.remove_prefix(close + 1);
  }
  if (rest.starts_with('/')) {
    if (rest.size() > 1) signal.unit = rest.substr(1);
  } else if (!rest.empty()) {
    line.fail("expected a gain such as 200, 1000(0)/mV, found ", printable(field));
  }
  return has_baseline;
}

inline WfdbSignal parse_signal_line(WfdbLine line, Index number) {
  constexpr Index kMost = std::numeric_limits<std::uint32_t>::max();
  WfdbSignal s;
  s.line = number;
  s.file = line.next();
  const std::string_view format = line.next();
  if (format.empty()) line.fail("expected a file name and a format, found ", printable(s.file));
  parse_format(line, format, s);
  const std::string_view gain = line.next();
  const bool has_baseline = !gain.empty() && parse_gain(line, gain, s);
  if (const auto field = line.next(); !field.empty()) line.integer(field, "ADC resolution", 0, 64);
  if (const auto field = line.next(); !field.empty()) {
    const Index zero = line.integer(field, "ADC zero", -kMost, kMost);
    if (!has_baseline) s.baseline = static_cast<double>(zero);
  }
  if (const auto field = line.next(); !field.empty()) s.initial = line.integer(field, "initial value", -kMost, kMost);
  if (const auto field = line.next(); !field.empty()) s.checksum = line.integer(field, "checksum", -kMost, kMost);
  if (const auto field = line.next(); !field.empty()) line.integer(field, "block size", -kMost, kMost);
  s.description = line.rest();
  return s;
}

inline std::string beside(std::string_view path, std::string_view name) {
  const std::size_t slash = path.rfind('/');
  return str(slash == path.npos ? std::string_view() : path.substr(0, slash + 1), name);
}

/// The signals of one signal file: header.signals[begin .. end), side by side in every frame.
struct WfdbGroup {
  std::size_t begin, end;
  Index frame_samples = 0;
  const WfdbFormat* format = nullptr;
};

/// Signals of one file stand on consecutive lines. Everything that can be refused without opening a file is.
inline std::vector<WfdbGroup> wfdb_groups(const WfdbHeader& header) {
  std::vector<WfdbGroup> groups;
  std::set<std::string_view> files;
  for (std::size_t i = 0; i < header.signals.size(); ++i) {
    const WfdbSignal& s = header.signals[i];
    const auto fail = [&](const auto&... problem) { throw FormatError(header.file, str("line ", s.line), str(problem...)); };
    const WfdbFormat* format = wfdb_format(s.format);
    if (!format) fail("expected format 16 or 212, found ", wfdb_format_name(s.format));
    if (s.file == "." || s.file == ".." || s.file == "-" || s.file == "~" ||
        s.file.find_first_of(std::string_view("/\\\0", 3)) != s.file.npos)
      fail("expected the name of a file beside the header, found ", printable(s.file));
    if (i == 0 || s.file != header.signals[i - 1].file) {
      if (!files.insert(s.file).second) fail("expected the signals of ", printable(s.file), " on consecutive lines");
      groups.push_back({i, i, 0, format});
    }
    WfdbGroup& g = groups.back();
    const WfdbSignal& first = header.signals[g.begin];
    if (s.format != first.format || s.byte_offset != first.byte_offset)
      fail("expected ", printable(s.file), " in format ", first.format, " at byte ", first.byte_offset, " as on line ",
           first.line, ", found ", s.format, " at byte ", s.byte_offset);
    g.end = i + 1;
    g.frame_samples += s.samples_per_frame;
    if (g.frame_samples > kMostFrameSamples)
      fail("expected frames of at most ", kMostFrameSamples, " samples, found ", g.frame_samples);
  }
  return groups;
}

/// A .mat file says itself what lies behind its header; it must be what the text header says.
inline void check_mat4(const WfdbSignal& s, const std::string& path, std::span<const std::byte> bytes, Index rows,
                       Index columns) {
  const Mat4Header mat = parse_mat4_header(bytes, path);
  if (mat.data_offset != s.byte_offset)
    throw FormatError(path, str("byte ", mat.data_offset),
                      str("expected the samples at byte ", s.byte_offset, ", found them here"));
  if (mat.number != Mat4Number::int16 || mat.big_endian)
    throw FormatError(path, "byte 0", "expected a matrix of 16-bit integers, low byte first");
  if (mat.rows != rows || mat.columns != columns)
    throw FormatError(path, "byte 4",
                      str("expected a matrix of ", rows, " x ", columns, " samples, found ", mat.rows, " x ", mat.columns));
}

/// Picks the samples of one signal, which begin at `column` of every frame, and returns the sum of the stored numbers.
inline std::uint32_t to_physical(std::span<const std::int32_t> stored, Index frame_samples, Index column, std::int32_t reserved,
                                 RawSignal& out) {
  const double gain = out.gain, baseline = out.baseline;  // in registers
  const Index n = out.samples_per_frame, frames = static_cast<Index>(out.values.size()) / n;
  std::uint32_t sum = 0;
  Index invalid = 0;
  for (Index k = 0; k < n; ++k) {
    for (Index f = 0; f < frames; ++f) {
      const std::int32_t number = stored[f * frame_samples + column + k];
      sum += static_cast<std::uint32_t>(number);
      invalid += number == reserved;
      out.values[f * n + k] = number == reserved ? std::numeric_limits<double>::quiet_NaN() : (number - baseline) / gain;
    }
  }
  out.invalid = invalid;
  return sum;
}

/// Sum of the stored numbers modulo 65536 against the header's, which may be signed or not.
inline void check_sum(const WfdbSignal& s, const std::string& path, std::size_t number, std::uint32_t sum) {
  const auto found = static_cast<std::uint16_t>(sum), expected = static_cast<std::uint16_t>(*s.checksum);
  if (found == expected) return;
  const int shown = *s.checksum > std::numeric_limits<std::int16_t>::max() ? int{found} : int{static_cast<std::int16_t>(found)};
  throw FormatError(
      path, "",
      str("checksum of signal ", number, " ", printable(s.description), ": expected ", *s.checksum, ", found ", shown));
}

}  // namespace detail

ANYLEAD_INLINE WfdbHeader parse_wfdb_header(std::string_view text, std::string_view file) {
  WfdbHeader header;
  header.file = file;
  bool has_record = false;
  Index number = 0, signals = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = detail::trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (content.empty()) continue;
    if (content[0] == '#') {
      header.comments.emplace_back(detail::trimmed(content.substr(1)));
      continue;
    }
    const detail::WfdbLine line(content, file, number);
    if (!has_record) {
      signals = detail::parse_record_line(line, header);
      has_record = true;
    } else if (static_cast<Index>(header.signals.size()) < signals) {
      header.signals.push_back(detail::parse_signal_line(line, number));
    } else {
      line.fail("expected ", signals, " signals and then comments, found ", printable(content));
    }
  }
  if (!has_record) throw FormatError(file, str("line ", number), "expected a record line, found the end of the file");
  if (static_cast<Index>(header.signals.size()) < signals)
    throw FormatError(file, str("line ", number), str("expected ", signals, " signals, found ", header.signals.size()));
  return header;
}

ANYLEAD_INLINE RawRecord decode_wfdb(const WfdbHeader& header, const WfdbFile& open, const WfdbOptions& options) {
  RawRecord record;
  record.rate_hz = header.rate_hz;
  record.comments = header.comments;
  describe_from_comments(record);

  Index shortest = std::numeric_limits<Index>::max();  // frames
  std::vector<std::int32_t> stored;
  for (const detail::WfdbGroup& g : detail::wfdb_groups(header)) {
    const WfdbSignal& first = header.signals[g.begin];
    const std::string path = detail::beside(header.file, first.file);
    const std::span<const std::byte> bytes = open(first.file);
    const auto size = static_cast<Index>(bytes.size());
    const Index held = g.format->samples_in(std::max<Index>(size - first.byte_offset, 0)) / g.frame_samples;
    const Index frames = header.frames.value_or(held);
    const Index samples = frames * g.frame_samples, end = first.byte_offset + g.format->bytes_of(samples);
    if (frames > held || size < first.byte_offset)
      throw FormatError(path, "",
                        str("expected ", end, " bytes for ", frames, " frames of ", g.frame_samples, " samples, found ", size));
    // Some programs write the last samples that share bytes in full, whether or not there are so many.
    const Index full = samples + (g.format->packed - samples % g.format->packed) % g.format->packed;
    if (size > first.byte_offset + g.format->bytes_of(full))
      record.notes.push_back(str(path, ": byte ", end, ": ", size - end, " bytes behind the ", frames, " frames of ",
                                 g.frame_samples, " samples"));
    if (first.byte_offset > 0 && detail::lower(first.file).ends_with(".mat"))
      detail::check_mat4(first, path, bytes, g.frame_samples, frames);
    shortest = std::min(shortest, frames);

    stored.resize(static_cast<std::size_t>(samples));
    g.format->decode(bytes.data() + first.byte_offset, stored);
    Index column = 0;
    for (std::size_t i = g.begin; i < g.end; ++i) {
      const WfdbSignal& s = header.signals[i];
      const Index n = s.samples_per_frame;
      RawSignal out;
      out.name = s.description;
      out.unit = s.unit;
      out.rate_hz = header.rate_hz * static_cast<double>(n);
      out.gain = s.gain;
      out.baseline = s.baseline;
      out.samples_per_frame = n;
      out.skew_frames = s.skew_frames;
      out.values.resize(static_cast<std::size_t>(frames * n));
      const std::uint32_t sum = detail::to_physical(stored, g.frame_samples, column, g.format->invalid, out);
      column += n;
      if (header.frames && s.checksum && !options.ignore_checksums) detail::check_sum(s, path, i, sum);
      record.signals.push_back(std::move(out));
    }
  }
  if (!header.frames) {
    for (RawSignal& s : record.signals) {
      const auto keep = s.values.begin() + shortest * s.samples_per_frame;
      s.invalid -= std::count_if(keep, s.values.end(), [](double v) { return std::isnan(v); });
      s.values.erase(keep, s.values.end());
    }
  }
  return record;
}

ANYLEAD_INLINE RawRecord read_wfdb(const std::string& header_path, const WfdbOptions& options) {
  const MappedFile text(header_path);
  const WfdbHeader header =
      parse_wfdb_header({reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size()}, header_path);
  std::optional<MappedFile> signals;
  const auto open = [&](const std::string& name) { return signals.emplace(detail::beside(header_path, name)).bytes(); };
  RawRecord record = decode_wfdb(header, open, options);
  record.id = header_path.substr(header_path.rfind('/') + 1);
  record.id.erase(std::min(record.id.rfind('.'), record.id.size()));
  return record;
}

}  // namespace anylead::data
