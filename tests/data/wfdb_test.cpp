// Headers and signal files made by hand. Real recordings: expected_test.cpp.
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/wfdb.hpp>
#include <anylead/data/wfdb_formats.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;
using Catch::Matchers::Contains;

namespace {

WfdbHeader header_of(const std::string& text) { return parse_wfdb_header(text, "r.hea"); }

WfdbSignal signal_of(const std::string& line) { return header_of("r 1\n" + line).signals.at(0); }

/// A recording whose signal files are in memory.
RawRecord decode(const std::string& header, const std::map<std::string, std::string>& files, const WfdbOptions& options = {}) {
  std::vector<char> exact;  // of the file's very size, so that sanitizers see the end
  const auto open = [&](const std::string& name) {
    const std::string& content = files.at(name);
    exact.assign(content.begin(), content.end());
    exact.shrink_to_fit();
    return std::as_bytes(std::span<const char>(exact));
  };
  return decode_wfdb(header_of(header), open, options);
}

std::string bytes16(const std::vector<int>& samples) {
  std::string out;
  for (const int x : samples) {
    out += static_cast<char>(x & 0xFF);
    out += static_cast<char>((x >> 8) & 0xFF);
  }
  return out;
}

std::vector<std::int32_t> decoded(int format, const std::string& bytes) {
  const WfdbFormat& f = *wfdb_format(format);
  const std::vector<char> exact(bytes.begin(), bytes.end());
  std::vector<std::int32_t> samples(static_cast<std::size_t>(f.samples_in(static_cast<Index>(bytes.size()))));
  f.decode(std::as_bytes(std::span(exact)).data(), samples);
  return samples;
}

/// NaN equals NaN.
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))) return false;
  return true;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

// --- headers -----------------------------------------------------------------------------------------------------------------

TEST_CASE("a record line gives name, signals, rate, samples and start", "[data]") {
  const WfdbHeader full = header_of("12726 0 250/24000(17.5) 825000 15:08:24 01/02/1990");
  CHECK(full.record == "12726");
  CHECK(full.signals.empty());
  CHECK(full.rate_hz == 250);
  CHECK(full.frames == 825000);
  CHECK(full.start == "15:08:24 01/02/1990");

  const WfdbHeader shortest = header_of("E01137.mat 0");
  CHECK(shortest.record == "E01137.mat");
  CHECK(shortest.rate_hz == 250);
  CHECK_FALSE(shortest.frames);
  CHECK(shortest.start.empty());

  CHECK(header_of("r 0 0.0166666666667/125 7").rate_hz == 0.0166666666667);
  CHECK(header_of("r 0 3.6e2").rate_hz == 360);
  CHECK_FALSE(header_of("r 0 360 0").frames);  // 0: unknown
  CHECK(header_of("r\t0\t360\t5").frames == 5);
}

TEST_CASE("a signal line gives what it states and defaults for the rest", "[data]") {
  const WfdbSignal full = signal_of("a.dat 16x2:3+24 12.84(-1605)/mmHg 12 5 -943 -23651 512 ABP of the left arm ");
  CHECK(full.file == "a.dat");
  CHECK(full.format == 16);
  CHECK(full.samples_per_frame == 2);
  CHECK(full.skew_frames == 3);
  CHECK(full.byte_offset == 24);
  CHECK(full.gain == 12.84);
  CHECK(full.baseline == -1605);  // not the ADC zero
  CHECK(full.unit == "mmHg");
  CHECK(full.initial == -943);
  CHECK(full.checksum == -23651);
  CHECK(full.description == "ABP of the left arm");

  const WfdbSignal shortest = signal_of("a.dat 212");
  CHECK(shortest.format == 212);
  CHECK(shortest.samples_per_frame == 1);
  CHECK(shortest.skew_frames == 0);
  CHECK(shortest.byte_offset == 0);
  CHECK(shortest.gain == 200);
  CHECK(shortest.baseline == 0);
  CHECK(shortest.unit == "mV");
  CHECK_FALSE(shortest.initial);
  CHECK_FALSE(shortest.checksum);
  CHECK(shortest.description.empty());
}

TEST_CASE("every part of a format and of a gain may be missing", "[data]") {
  CHECK(signal_of("a 16:3").skew_frames == 3);
  CHECK(signal_of("a 16+7").byte_offset == 7);
  CHECK(signal_of("a 16x5+7").byte_offset == 7);
  CHECK(signal_of("a 16x5:2").samples_per_frame == 5);
  CHECK(signal_of("a 16 1000").unit == "mV");
  CHECK(signal_of("a 16 1000/uV").unit == "uV");
  CHECK(signal_of("a 16 1000/").unit == "mV");
  CHECK(signal_of("a 16 3/l/min").unit == "l/min");
  CHECK(signal_of("a 16 1000(7)").baseline == 7);
  CHECK(signal_of("a 16 1000.0(-0)/mV").gain == 1000);
  CHECK(signal_of("a 16 1.052e+04/NU").gain == 10520);
  CHECK(signal_of("a 16 +10/NU").gain == 10);
  CHECK(signal_of("a 16 -19.34(3064)/degC").gain == -19.34);
  CHECK(signal_of("a 16 2.4011e-11/nV").gain == 2.4011e-11);
  CHECK(signal_of("a 16 200/\xB5V").unit == "\xB5V");  // one byte, as old software writes it
}

TEST_CASE("a gain of 0 means 200, and without a baseline the ADC zero is the baseline", "[data]") {
  CHECK(signal_of("a 16 0").gain == 200);
  CHECK(signal_of("a 16 0(5)/mmHg").gain == 200);
  CHECK(signal_of("a 16 0/mmHg").unit == "mmHg");
  CHECK(signal_of("a 212 200 11 1024 995").baseline == 1024);
  CHECK(signal_of("a 212 200(0) 11 1024 995").baseline == 0);
}

TEST_CASE("comments and empty lines may stand anywhere, line ends may be of either kind, the last may be missing", "[data]") {
  const WfdbHeader h =
      header_of("#wfdb 10.7\r\n\r\n# before\nr 2 500 3\r\n\n #within\na 16\r\n\t\r\nb 16 1000/mV\r\n#Age: 5\r\n##<x>: 1");
  CHECK(h.signals.size() == 2);
  CHECK(h.signals[1].line == 9);
  CHECK(h.signals[1].unit == "mV");
  CHECK(h.comments == std::vector<std::string>{"wfdb 10.7", "before", "within", "Age: 5", "#<x>: 1"});
}

TEST_CASE("headers that break the grammar are refused with line, expectation and finding", "[data]") {
  const auto refuses = [](const std::string& text, const std::string& message) {
    INFO(message);
    CHECK_THROWS_AS(header_of(text), FormatError);
    CHECK_THROWS_WITH(header_of(text), Contains(message));
  };
  refuses("", "r.hea: line 0: expected a record line, found the end of the file");
  refuses("# only\n\n", "line 2: expected a record line");
  refuses("r", "line 1: number of signals: expected an integer from 0 to 2147483647, found ''");
  refuses("r x", "found 'x'");
  refuses("r -1", "found '-1'");
  refuses("r 99999999999999999999", "found '99999999999999999999'");
  refuses("r 2147483647\na 16", "line 2: expected 2147483647 signals, found 1");
  refuses("r 1 0", "expected a sampling rate from 0 to 1e9 Hz, found '0'");
  refuses("r 1 -500", "expected a sampling rate");
  refuses("r 1 nan", "sampling rate: expected a number, found 'nan'");
  refuses("r 1 inf", "found 'inf'");
  refuses("r 1 1e400", "found '1e400'");
  refuses("r 1 /5", "sampling rate: expected a number, found ''");
  refuses("r 1 500 -1", "number of samples: expected an integer from 0");
  refuses("r 1 500 9223372036854775807", "number of samples");
  refuses("r 1 500 5.5", "found '5.5'");
  refuses("r/3 2 360\ns 5", "line 1: expected a record of one segment, found a multi-segment record of 3");
  refuses("r/x 2 360", "segments: expected an integer");
  refuses("r 1\n\na", "line 3: expected a file name and a format, found 'a'");
  refuses("r 1\na x", "expected a format such as 16, 16x2:3+24, found 'x'");
  refuses("r 1\na 999999", "format: expected an integer from 0 to 99999, found '999999'");
  refuses("r 1\na 16y", "expected a format such as 16, 16x2:3+24, found '16y'");
  refuses("r 1\na 16x", "samples per frame: expected an integer from 1");
  refuses("r 1\na 16x0", "found '0'");
  refuses("r 1\na 16x99999999", "samples per frame");
  refuses("r 1\na 16:", "skew");
  refuses("r 1\na 16:-1", "skew: expected an integer");
  refuses("r 1\na 16+", "byte offset");
  refuses("r 1\na 16+9:7", "expected a format such as");
  refuses("r 1\na 16 x", "gain: expected a number, found 'x'");
  refuses("r 1\na 16 inf", "gain: expected a number, found 'inf'");
  refuses("r 1\na 16 1e-300", "gain 1e-300 is out of range");
  refuses("r 1\na 16 1e300", "gain 1e+300 is out of range");
  refuses("r 1\na 16 5(", "expected a baseline in parentheses, found '5('");
  refuses("r 1\na 16 5()", "baseline: expected a number, found ''");
  refuses("r 1\na 16 5(1e300)", "baseline 1e+300 is out of range");
  refuses("r 1\na 16 5(1)mV", "expected a gain such as 200, 1000(0)/mV, found '5(1)mV'");
  refuses("r 1\na 16 5 x", "ADC resolution");
  refuses("r 1\na 16 5 16 x", "ADC zero");
  refuses("r 1\na 16 5 16 0 x", "initial value");
  refuses("r 1\na 16 5 16 0 0 x", "checksum");
  refuses("r 1\na 16 5 16 0 0 0 x", "block size");
  refuses("r 1\na 16\nb 16", "line 3: expected 1 signals and then comments, found 'b 16'");
  refuses("r 1\na \x1B[31m", "found '?[31m'");  // nothing that a terminal obeys
}

// --- formats -----------------------------------------------------------------------------------------------------------------

TEST_CASE("format 16 is two's complement, low byte first", "[data]") {
  CHECK(decoded(16, std::string("\x01\x02\xFF\xFF\xFF\x7F\x00\x80\x55", 9)) ==
        std::vector<std::int32_t>{0x201, -1, 32767, -32768});
  CHECK(decoded(16, "").empty());
  CHECK(decoded(16, "x").empty());
}

TEST_CASE("format 212 packs two samples in three bytes and a last one in two", "[data]") {
  const std::string three("\x23\x61\x45", 3);  // 0x123 and 0x645
  CHECK(decoded(212, three) == std::vector<std::int32_t>{0x123, 0x645});
  CHECK(decoded(212, three + "\x23") == std::vector<std::int32_t>{0x123, 0x645});
  CHECK(decoded(212, three + "\xFF\xF7") == std::vector<std::int32_t>{0x123, 0x645, 2047});
  CHECK(decoded(212, std::string("\x00\x78\xFF\xFF\x0F\x00", 6)) == std::vector<std::int32_t>{-2048, 2047, -1, 0});
  CHECK(decoded(212, "").empty());
  CHECK(decoded(212, "x").empty());
}

TEST_CASE("samples and bytes of a format fit each other", "[data]") {
  for (const int number : {16, 212}) {
    const WfdbFormat& f = *wfdb_format(number);
    for (Index n = 0; n < 20; ++n) {
      CHECK(f.samples_in(f.bytes_of(n)) == n);
      if (n > 0) CHECK(f.samples_in(f.bytes_of(n) - 1) == n - 1);
    }
  }
  CHECK(wfdb_format(80) == nullptr);
}

TEST_CASE("formats that are not read are refused by name, before any file is opened", "[data]") {
  for (const auto& [format, name] : std::map<std::string, std::string>{{"0", "format 0 (no signal file)"},
                                                                       {"8", "format 8 (8-bit differences)"},
                                                                       {"80", "format 80 (8-bit offset binary)"},
                                                                       {"310", "format 310 (10-bit)"},
                                                                       {"516", "format 516 (FLAC)"},
                                                                       {"77", "format 77"}})
    CHECK_THROWS_WITH(decode("r 2 500 3\na 16\nb " + format, {}),
                      Contains("r.hea: line 3: expected format 16 or 212, found " + name));
}

// --- signal files ------------------------------------------------------------------------------------------------------------

TEST_CASE("signals of one file lie side by side, several files make one record", "[data]") {
  const RawRecord r =
      decode("r 3 500 2\na 16 10(1)/mV 16 0 0 0 0 I\na 16 -4/uV 16 0\nb 212 1/NU\n",
             {{"a", bytes16({11, 4, -9, -8})}, {"b", std::string("\x23\x61\x45", 3)}}, {.ignore_checksums = true});
  CHECK(r.rate_hz == 500);
  REQUIRE(r.signals.size() == 3);
  CHECK(r.signals[0].name == "I");
  CHECK(r.signals[0].values == std::vector<double>{1, -1});
  CHECK(r.signals[0].gain == 10);
  CHECK(r.signals[0].baseline == 1);
  CHECK(r.signals[1].values == std::vector<double>{-1, 2});
  CHECK(r.signals[1].unit == "uV");
  CHECK(r.signals[2].values == std::vector<double>{0x123, 0x645});
}

TEST_CASE("a frame holds all samples of a signal before the next signal's", "[data]") {
  const RawRecord r = decode("r 3 100 2\na 16 1\na 16x3 1\na 16 1\n", {{"a", bytes16({1, 2, 3, 4, 5, 6, 7, 8, 9, 10})}});
  CHECK(r.signals[0].values == std::vector<double>{1, 6});
  CHECK(r.signals[1].values == std::vector<double>{2, 3, 4, 7, 8, 9});
  CHECK(r.signals[1].samples_per_frame == 3);
  CHECK(r.signals[1].rate_hz == 300);
  CHECK(r.signals[2].values == std::vector<double>{5, 10});
}

TEST_CASE("an odd number of samples in format 212 needs no last byte", "[data]") {
  const std::string odd("\x01\x30\x02\x05\x00", 5);
  CHECK(decode("r 3 100 1\na 212 1\na 212 1\na 212 1\n", {{"a", odd}}).signals[1].values == std::vector<double>{0x302});
  CHECK(decode("r 1 100 3\na 212 1\n", {{"a", odd}}).signals[0].values == std::vector<double>{1, 0x302, 5});
}

TEST_CASE("a byte offset skips what stands before the samples", "[data]") {
  CHECK(decode("r 1 100 2\na 16+3 1\n", {{"a", "xyz" + bytes16({7, 8})}}).signals[0].values == std::vector<double>{7, 8});
}

TEST_CASE("the reserved lowest numbers are invalid samples, and only those", "[data]") {
  const RawSignal s16 = decode("r 1 100 3\na 16 1\n", {{"a", bytes16({-32768, -32767, -2048})}}).signals[0];
  CHECK(same(s16.values, {kNan, -32767, -2048}));
  CHECK(s16.invalid == 1);
  const RawSignal s212 = decode("r 1 100 2\na 212 1\n", {{"a", std::string("\x00\x88\x01", 3)}}).signals[0];
  CHECK(same(s212.values, {kNan, -2047}));
  CHECK(s212.invalid == 1);
}

TEST_CASE("without a sample count the shortest file has the last word, whole frames only", "[data]") {
  const std::map<std::string, std::string> files = {{"a", bytes16({1, 2, 3, 4, -32768, 6, 7})}, {"b", bytes16({8, 9})}};
  const RawRecord r =
      decode("r 3 100\na 16 1\na 16 1 16 0 0 12345\nb 16 1\n", files);  // checksums of unknown lengths say nothing
  CHECK(r.signals[0].values == std::vector<double>{1, 3});
  CHECK(r.signals[0].invalid == 0);
  CHECK(r.signals[1].values == std::vector<double>{2, 4});
  CHECK(r.signals[2].values == std::vector<double>{8, 9});
  for (const char* less_than_a_frame : {"", "x", "xyz"})
    CHECK(decode("r 2 100\na 16\na 16\n", {{"a", less_than_a_frame}}).signals[1].values.empty());
}

TEST_CASE("bytes behind the declared samples are left alone and noted", "[data]") {
  const RawRecord r = decode("r 1 100 2\na 16 1 16 0 1 3\n", {{"a", bytes16({1, 2, 3, 4})}});
  CHECK(r.signals[0].values == std::vector<double>{1, 2});
  CHECK(r.notes == std::vector<std::string>{"a: byte 4: 4 bytes behind the 2 frames of 1 samples"});
  CHECK(to_record(r).notes == r.notes);
  CHECK(decode("r 2 100 2\na 16\na 16\n", {{"a", bytes16({1, 2, 3, 4})}}).notes.empty());
  CHECK(decode("r 2 100\na 16\na 16\n", {{"a", bytes16({1, 2, 3}) + "x"}}).notes ==
        std::vector<std::string>{"a: byte 4: 3 bytes behind the 1 frames of 2 samples"});
  CHECK(decode("r 2 100 1\na 16+2\nb 16\n", {{"a", bytes16({1, 2, 3})}, {"b", bytes16({1})}}).notes ==
        std::vector<std::string>{"a: byte 4: 2 bytes behind the 1 frames of 1 samples"});
}

TEST_CASE("an odd number of samples of 12 bits may fill its last three bytes", "[data]") {
  for (const auto& [size, notes] : {std::pair{5, 0}, {6, 0}, {7, 1}}) {
    INFO(size << " bytes");
    CHECK(static_cast<int>(
              decode("r 1 100 3\na 212\n", {{"a", std::string(static_cast<std::size_t>(size), 'x')}}).notes.size()) == notes);
  }
  CHECK(decode("r 1 100 2\na 212\n", {{"a", "xxxx"}}).notes.size() == 1);
}

TEST_CASE("a file that is too short is refused with expected and found sizes", "[data]") {
  CHECK_THROWS_WITH(decode("r 2 100 3\na 16\na 16x2\n", {{"a", std::string(17, 'x')}}),
                    "a: expected 18 bytes for 3 frames of 3 samples, found 17");
  CHECK_THROWS_WITH(decode("r 1 100 3\na 212\n", {{"a", "abcd"}}), "a: expected 5 bytes for 3 frames of 1 samples, found 4");
  CHECK_THROWS_WITH(decode("r 1 100 3\na 16+24\n", {{"a", "abcd"}}), "a: expected 30 bytes for 3 frames of 1 samples, found 4");
  CHECK_THROWS_WITH(decode("r 1 100\na 16+24\n", {{"a", "abcd"}}), "a: expected 24 bytes for 0 frames of 1 samples, found 4");
  CHECK_THROWS_WITH(decode("r 1 100 1099511627776\na 16x1048576+1099511627776\n", {{"a", "abcd"}}),
                    Contains("found 4"));  // nothing is reserved for what cannot be there
}

TEST_CASE("checksums are compared modulo 65536, signed or not", "[data]") {
  const std::map<std::string, std::string> files = {{"a", bytes16({-32768, -32767, -1, 0})}};  // sum -65536
  const auto with = [&](const std::string& checksum, bool ignore = false) {
    return decode("r 2 100 2\na 16 1 16 0 99 " + checksum + " 0 II\na 16 1\n", files, {.ignore_checksums = ignore});
  };
  for (const char* right : {"32767", "-32769", "98303"}) CHECK_NOTHROW(with(right));  // -32768 - 1
  CHECK_THROWS_AS(with("5"), FormatError);
  CHECK_THROWS_WITH(with("5"), "a: checksum of signal 0 'II': expected 5, found 32767");
  CHECK_THROWS_WITH(with("-5"), "a: checksum of signal 0 'II': expected -5, found 32767");
  CHECK(with("5", true).signals.size() == 2);
  CHECK_THROWS_WITH(decode("r 1 100 1\na 16 1 16 0 0 40000\n", {{"a", bytes16({-5})}}),
                    Contains("expected 40000, found 65531"));
  CHECK_THROWS_WITH(decode("r 1 100 1\na 16 1 16 0 0 4000\n", {{"a", bytes16({-5})}}), Contains("expected 4000, found -5"));
}

TEST_CASE("names of signal files must not lead out of the folder", "[data]") {
  for (const char* name : {"/etc/passwd", "../a", "sub/a", "..", ".", "-", "~", "a\\b"})
    CHECK_THROWS_WITH(decode(std::string("r 1 100 1\n") + name + " 16\n", {}),
                      Contains("line 2: expected the name of a file beside the header"));
  CHECK_THROWS_WITH(decode(std::string("r 1 100 1\na\0b 16\n", 17), {}), Contains("found 'a?b'"));
}

TEST_CASE("signals of one file agree about it and stand together", "[data]") {
  CHECK_THROWS_WITH(decode("r 3 100 1\na 16\nb 16\na 16\n", {}),
                    Contains("line 4: expected the signals of 'a' on consecutive lines"));
  CHECK_THROWS_WITH(decode("r 2 100 1\na 16\na 212\n", {}),
                    Contains("line 3: expected 'a' in format 16 at byte 0 as on line 2, found 212"));
  CHECK_THROWS_WITH(decode("r 2 100 1\na 16\na 16+2\n", {}), Contains("found 16 at byte 2"));
  CHECK_THROWS_WITH(decode("r 2 100 1\na 16x1048576\na 16\n", {}), Contains("expected frames of at most 1048576 samples"));
}

TEST_CASE("the header of a MATLAB file must say what the text header says", "[data]") {
  const auto mat = [](int type, int rows, int columns) {
    return bytes16({type, 0, rows, 0, columns, 0, 0, 0, 4, 0}) + std::string("val\0", 4) + bytes16({1, 2, 3, 4, 5, 6});
  };
  const auto with = [&](const std::string& file, const std::string& frames = " 3", const std::string& offset = "24") {
    return decode("r.mat 2 500" + frames + "\na.MAT 16+" + offset + " 1\na.MAT 16x1+" + offset + " 1(0)/mV\n",
                  {{"a.MAT", file}});
  };
  CHECK(with(mat(30, 2, 3)).signals[1].values == std::vector<double>{2, 4, 6});
  CHECK(with(mat(30, 2, 3), "").signals[0].values == std::vector<double>{1, 3, 5});
  CHECK_THROWS_WITH(with(mat(30, 3, 2)), "a.MAT: byte 4: expected a matrix of 2 x 3 samples, found 3 x 2");
  CHECK_THROWS_WITH(with(mat(30, 2, 3), " 2"), Contains("expected a matrix of 2 x 2 samples, found 2 x 3"));
  CHECK_THROWS_WITH(with(mat(40, 2, 3)), Contains("expected a matrix of 16-bit integers, low byte first"));
  CHECK_THROWS_WITH(with(mat(30, 2, 3), " 2", "28"), Contains("byte 24: expected the samples at byte 28"));
  CHECK_THROWS_WITH(with(mat(99, 2, 3)), Contains("expected a type of a MATLAB 4 matrix"));
  CHECK_THROWS_WITH(with(mat(30, 2, 3).substr(0, 35)), Contains("expected 36 bytes for 3 frames of 2 samples, found 35"));
}

TEST_CASE("a record on disk has the name of its header and reads the files beside it", "[data]") {
  const TemporaryFolder folder;
  write_file(folder / "x.1.hea", "whatever.mat 1 500 2\ny.dat 16 100/mV 16 0 1 3 0 II\n# Sex: F\n");
  CHECK_THROWS_AS(read_wfdb(folder / "x.1.hea"), IoError);
  CHECK_THROWS_WITH(read_wfdb(folder / "x.1.hea"), Contains("y.dat: cannot be opened"));
  write_file(folder / "y.dat", bytes16({1, 2}));
  const RawRecord r = read_wfdb(folder / "x.1.hea");
  CHECK(r.id == "x.1");
  CHECK(r.sex == "female");
  CHECK(r.signals[0].values == std::vector<double>{0.01, 0.02});
  CHECK_THROWS_AS(read_wfdb(folder / "none.hea"), IoError);
  write_file(folder / "empty.hea", "");
  CHECK_THROWS_AS(read_wfdb(folder / "empty.hea"), FormatError);
  write_file(folder / "y.dat", bytes16({2, 2}));
  CHECK_THROWS_WITH(read_wfdb(folder / "x.1.hea"), Contains("/y.dat: checksum of signal 0 'II': expected 3, found 4"));
  CHECK(read_wfdb(folder / "x.1.hea", {.ignore_checksums = true}).signals[0].values[0] == 0.02);
}
