#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/glob.hpp>
#include <anylead/data/npy.hpp>
#include <anylead/data/source.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;
using namespace anylead::data;

static_assert(RecordSource<RecordFolder>);

namespace {

/// Two signals of three samples: 1, 2, 3 and -1, -2, -3 microvolt.
void write_wfdb(const std::string& folder, const std::string& name) {
  std::filesystem::create_directories(folder);
  write_file(folder + "/" + name + ".hea", name + " 2 500 3\n" + name + ".dat 16 1000/mV 16 0 1 6 0 I\n" + name +
                                               ".dat 16 1000/mV 16 0 -1 -6 0 II\n#Age: 40\n");
  std::string bytes;
  for (const int x : {1, -1, 2, -2, 3, -3}) {
    bytes += static_cast<char>(x);
    bytes += static_cast<char>(x < 0 ? -1 : 0);
  }
  write_file(folder + "/" + name + ".dat", bytes);
}

std::vector<std::string> ids_of(const RecordFolder& folder) {
  std::vector<std::string> ids;
  for (Index i = 0; i < folder.size(); ++i) ids.push_back(folder.id(i));
  return ids;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("file names match patterns", "[glob]") {
  CHECK(matches_glob("00001_hr", "*_hr"));
  CHECK_FALSE(matches_glob("00001_lr", "*_hr"));
  CHECK(matches_glob("georgia/E00001", "georgia/*"));
  CHECK(matches_glob("A0001", "A000?"));
  CHECK_FALSE(matches_glob("A000", "A000?"));
  CHECK(matches_glob("A7", "A[5-9]"));
  CHECK_FALSE(matches_glob("A7", "A[!5-9]"));
  CHECK(matches_glob("a]b", "a[]]b"));
  CHECK(matches_glob("a[b", "a[b"));
  CHECK(matches_glob("", ""));
  CHECK(matches_glob("", "**"));
  CHECK_FALSE(matches_glob("", "?"));
  CHECK_FALSE(matches_glob("x", ""));
  CHECK(matches_glob("abcabd", "*abd"));
  // Exponential in a matcher that tries every split.
  CHECK_FALSE(matches_glob(std::string(2000, 'a'), "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"));
}

TEST_CASE("a folder's recordings are found at any depth, in the order of their paths", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder / "b", "r2");
  write_wfdb(folder / "b", "r1");
  write_wfdb(folder / "a", "r9");
  write_npy(folder / "c.npy", {12, 20}, std::vector<float>(240, 0.5f));
  write_file(folder / "d.csv", "time,I,aVF\n0,0.1,0.2\n0.002,,nan\n");
  write_file(folder / "RECORDS", "b/r1\n");
  write_file(folder / "notes.csv", "what,why\n1,2\n");
  const RecordFolder all(folder.path());
  CHECK(ids_of(all) == Names{"a/r9", "b/r1", "b/r2", "c", "d"});
  CHECK(ids_of(RecordFolder(folder.path(), {.match = "r?"})) == Names{"a/r9", "b/r1", "b/r2"});
  CHECK(ids_of(RecordFolder(folder.path(), {.match = "b/*"})) == Names{"b/r1", "b/r2"});

  const Record wfdb = all.read(1);
  CHECK(wfdb.id == "b/r1");
  CHECK(wfdb.rate_hz == 500);
  CHECK(wfdb.leads == Names{"I", "II"});
  CHECK(wfdb.signal == std::vector<float>{0.001f, 0.002f, 0.003f, -0.001f, -0.002f, -0.003f});
  CHECK(wfdb.age_years == 40);
  CHECK(wfdb.patient.empty());
  const Record array = all.read(3);
  CHECK(array.leads.at(3) == "aVR");
  CHECK(array.samples == 20);
  CHECK(array.signal == std::vector<float>(240, 0.5f));
  const Record table = all.read(4);
  CHECK(table.leads == Names{"I", "aVF"});
  CHECK(table.samples == 2);
  CHECK(table.lead(0)[0] == 0.1f);
  CHECK(std::isnan(table.lead(0)[1]));
  CHECK(std::isnan(table.lead(1)[1]));
}

TEST_CASE("files that differ in their extension only keep distinct ids", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder.path(), "r");
  write_file(folder / "r.csv", "I\n1\n");
  write_npy(folder / "r.npy", {12, 20}, std::vector<float>(240, 0));
  const auto ids = ids_of(RecordFolder(folder.path()));
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 3);
}

TEST_CASE("arrays hold one recording in either orientation, or several", "[folder]") {
  const TemporaryFolder folder;
  std::vector<float> values(2 * 2 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  write_npy(folder / "many.npy", {2, 2, 5}, values);
  write_npy(folder / "turned.npy", {5, 2}, std::span<const float>(values).first(10));
  const RecordFolder arrays(folder.path(), {.array_rate_hz = 128, .array_leads = {"II", "V5"}});
  CHECK(ids_of(arrays) == Names{"many#0", "many#1", "turned"});
  const Record second = arrays.read(1);
  CHECK(second.id == "many#1");
  CHECK(second.rate_hz == 128);
  CHECK(second.leads == Names{"II", "V5"});
  CHECK(second.signal == std::vector<float>{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK(arrays.read(2).signal == std::vector<float>{0, 2, 4, 6, 8, 1, 3, 5, 7, 9});

  CHECK_THROWS_WITH(RecordFolder(folder.path()).read(0), Catch::Contains("2 leads without names"));
  CHECK_THROWS_WITH(RecordFolder(folder.path(), {.array_leads = {"I"}}).read(0), Catch::Contains("expected the 1 named leads"));
  write_npy(folder / "square.npy", {12, 12}, std::vector<float>(144, 0));
  CHECK_THROWS_WITH(RecordFolder(folder / "square.npy").read(0), Catch::Contains("fewer leads than samples"));
  write_npy(folder / "line.npy", {12}, std::vector<float>(12, 0));
  CHECK_THROWS_AS(RecordFolder(folder / "line.npy").read(0), FormatError);
  write_npy(folder / "none.npy", {1000000000000, 0, 12}, std::vector<float>{});
  CHECK(RecordFolder(folder / "none.npy").size() == 1);  // and not as many as its header claims
  CHECK_THROWS_AS(RecordFolder(folder / "none.npy").read(0), FormatError);
}

TEST_CASE("a recording that cannot be read leaves the others readable", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder.path(), "r1");
  write_wfdb(folder.path(), "r2");
  write_wfdb(folder.path(), "r3");
  write_file(folder / "r1.dat", "short");
  std::filesystem::remove(folder / "r2.dat");
  const RecordFolder records(folder.path());
  REQUIRE(records.size() == 3);
  CHECK_THROWS_AS(records.read(0), FormatError);
  CHECK_THROWS_AS(records.read(1), IoError);
  CHECK(records.read(2).samples == 3);
}

TEST_CASE("checksums are verified unless asked otherwise", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder.path(), "r");
  std::string bytes = read_file(folder / "r.dat");
  bytes[0] = 9;
  write_file(folder / "r.dat", bytes);
  CHECK_THROWS_WITH(RecordFolder(folder.path()).read(0), Catch::Contains("checksum"));
  CHECK(RecordFolder(folder.path(), {.ignore_checksums = true}).read(0).lead(0)[0] == 0.009f);
}

TEST_CASE("patients come from tables in the folder and from the user's", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder / "ptbxl/records500/00000", "00001_hr");
  write_wfdb(folder / "ptbxl/records500/00000", "00002_hr");
  write_wfdb(folder / "other", "S0001");
  write_wfdb(folder / "other", "S0002");
  write_wfdb(folder / "other", "S0003");
  write_file(folder / "ptbxl/ptbxl_database.csv",
             "ecg_id,patient_id,report,filename_lr,filename_hr\n"
             "1,15709.0,\"sinus, normal\",records100/00000/00001_lr,records500/00000/00001_hr\n"
             "2,,x,records100/00000/00002_lr,records500/00000/00002_hr\n");
  write_file(folder / "other/records.csv",
             "record,patient\nS0001,ptb-patient001\nS0002,unknown\nS0003,one-record-per-patient\n");
  const RecordFolder records(folder.path());
  std::vector<std::string> patients;
  for (Index i = 0; i < records.size(); ++i) patients.push_back(records.read(i).patient);
  CHECK(patients == Names{"other/ptb-patient001", "", "", "ptbxl-15709", ""});

  write_file(folder / "mine.txt", "patient;record\nAnna;other/S0002\nBert;00002_hr\nCarl;S0001.hea\n");
  const RecordFolder named(folder.path(), {.patients_csv = folder / "mine.txt"});
  patients.clear();
  for (Index i = 0; i < named.size(); ++i) patients.push_back(named.read(i).patient);
  CHECK(patients == Names{"Carl", "Anna", "", "ptbxl-15709", "Bert"});
  CHECK(named.version(0) != records.version(0));
  CHECK(named.version(3) == records.version(3));

  write_file(folder / "wrong.txt", "name,patient\nx,y\n");
  CHECK_THROWS_WITH(RecordFolder(folder.path(), {.patients_csv = folder / "wrong.txt"}), Catch::Contains("record and patient"));
}

TEST_CASE("equal names of patients in tables of different folders are different patients", "[folder]") {
  const TemporaryFolder folder;
  for (const char* where : {"a", "a/b", "c/d"})
    for (const char* name : {"1", "2"}) write_wfdb(folder / where, name);
  write_wfdb(folder.path(), "1");
  write_file(folder / "a/records.csv", "record,patient\n1,Anna\nb/2,Bert\n2,ptbxl-7\n");
  write_file(folder / "a/b/records.csv", "record,patient\n1,Anna\n");
  write_file(folder / "c/records.csv", "record,patient\n1,Anna\nd/2,ptbxl-7\n");
  const auto patients = [&](const FolderOptions& options) {
    Names names;
    const RecordFolder records(folder.path(), options);
    for (Index i = 0; i < records.size(); ++i) names.push_back(records.id(i) + " " + records.read(i).patient);
    return names;
  };
  CHECK(patients({}) ==
        Names{"1 ", "a/1 a/Anna", "a/2 ptbxl-7", "a/b/1 a/b/Anna", "a/b/2 a/Bert", "c/d/1 c/Anna", "c/d/2 ptbxl-7"});
  write_file(folder / "records.csv", "record,patient\n1,Anna\n");  // nearer tables come first
  CHECK(patients({}) ==
        Names{"1 Anna", "a/1 a/Anna", "a/2 ptbxl-7", "a/b/1 a/b/Anna", "a/b/2 a/Bert", "c/d/1 c/Anna", "c/d/2 ptbxl-7"});
  write_file(folder / "mine.txt", "record,patient\na/1,Anna\nc/d/1,Anna\n");
  CHECK(patients({.patients_csv = folder / "mine.txt"}) ==
        Names{"1 Anna", "a/1 Anna", "a/2 ptbxl-7", "a/b/1 a/b/Anna", "a/b/2 a/Bert", "c/d/1 Anna", "c/d/2 ptbxl-7"});
}

TEST_CASE("the version of a recording changes with its files and options", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder.path(), "r");
  const std::uint64_t before = RecordFolder(folder.path()).version(0);
  CHECK(RecordFolder(folder.path()).version(0) == before);
  CHECK(RecordFolder(folder.path(), {.ignore_checksums = true}).version(0) != before);
  std::filesystem::last_write_time(folder / "r.dat",
                                   std::filesystem::last_write_time(folder / "r.dat") + std::chrono::seconds(5));
  CHECK(RecordFolder(folder.path()).version(0) != before);
}

TEST_CASE("single recordings are opened by header, by name or by signal file", "[folder]") {
  const TemporaryFolder folder;
  write_wfdb(folder.path(), "r");
  for (const char* name : {"r", "r.hea", "r.dat"}) {
    const RecordFolder one(folder / name);
    REQUIRE(one.size() == 1);
    CHECK(one.id(0) == "r");
    CHECK(one.read(0).samples == 3);
  }
  write_file(folder / "r.txt", "x");
  CHECK_THROWS_AS(RecordFolder(folder / "r.txt"), OptionError);
}

TEST_CASE("missing and empty folders are errors that say what was looked for", "[folder]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(RecordFolder(folder / "none"), Catch::Contains("no such file or folder"));
  CHECK_THROWS_WITH(RecordFolder(folder.path()), Catch::Contains(".hea") && Catch::Contains(".npy"));
  write_wfdb(folder.path(), "r");
  CHECK_THROWS_WITH(RecordFolder(folder.path(), {.match = "*_hr"}), Catch::Contains("none of the 1 recordings matches *_hr"));
}
