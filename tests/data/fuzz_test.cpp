// Damaged files are refused with FormatError or read; nothing else happens. The same entry points run under libFuzzer.
#include <cstdint>
#include <string>
#include <vector>

#include <fuzz/readers.hpp>
#include <support/catch.hpp>

namespace {

/// Small numbers that are the same on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::size_t n) {  // SplitMix64
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::size_t>((z ^ (z >> 31)) % n);
  }

 private:
  std::uint64_t state_;
};

/// One to four damages: a byte changed, removed or doubled, a number replaced by an awkward one, an end cut off.
std::string damaged(std::string text, Dice& dice) {
  const std::vector<std::string> awkward = {
      "0",   "-1",   "99999999999999999999", "2147483648",           "-32768", "1e400", "nan", "inf", "0x10",
      "1/0", "1(-)", "16x2147483647",        "212x1000000:1000000",  "16:9+7", "~",     "#",   "\n",  "\r\n",
      "\"",  ",",    "\xFF\xFF\xFF\xFF",     "\x80\x96\x98\xFF/..(", "()",     " ",     "'",   "{",   std::string(4, '\0')};
  for (std::size_t times = 1 + dice.below(4); times > 0; --times) {
    const std::size_t at = dice.below(text.size() + 1);
    switch (dice.below(5)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(dice.below(256));
        break;
      case 1:
        text.erase(at, 1 + dice.below(8));
        break;
      case 2:
        text.insert(at, text.substr(at, 1 + dice.below(16)));
        break;
      case 3:
        text.replace(at, dice.below(6), awkward[dice.below(awkward.size())]);
        break;
      default:
        if (dice.below(8) == 0) text.resize(at);
    }
  }
  return text;
}

/// The seeds are accepted; of their 20,000 damaged copies some are and some are not, so that both ways were walked.
template <class Target>
void survive(const std::vector<std::string>& seeds, std::uint64_t seed, Target target) {
  const auto run = [&](const std::string& input) {  // a copy of its exact size, so that sanitizers see the end
    const std::vector<std::uint8_t> copy(input.begin(), input.end());
    return target(copy.data(), copy.size());
  };
  for (const std::string& valid : seeds) REQUIRE(run(valid));
  Dice dice(seed);
  int accepted = 0;
  constexpr int kTrials = 20000;
  for (int trial = 0; trial < kTrials; ++trial) accepted += run(damaged(seeds[dice.below(seeds.size())], dice));
  CHECK(accepted > 0);
  CHECK(accepted < kTrials);
}

const std::string kChallenge =
    "E00001.mat 2 500 3 05-May-2020 09:49:17\nE00001.mat 16+24 1000/mV 16 0 1 -6 0 I\n"
    "E00001.mat 16x1+24 1000.0(0)/mv 16 0 2 9 0 II\n#Age: 65\n# Sex: F\n#Dx: 253352002,427084000\n";
const std::string kFrames =
    "# before\r\nr 3 125/250(7) 4 17:27:45 15/08/1994\r\na.dat 212x4 2963.77/mV 12 0 67 -11266 0 MCL1\r\n\r\n"
    "a.dat 212 12.84(-1605)/mmHg 12 0 -943 -23651 0 ABP\r\na.dat 212:4 2000/uV 12 0 -304 6310 0 RESP";
const std::string kNoLength = "n 2 360\nn.dat 212 200 11 1024 995 -22131 0 MLII\nn.dat 212 200 11 1024 1011 20052 0 V5\n";

std::string little(std::int32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(static_cast<std::uint32_t>(value) >> 8 * i);
  return out;
}

std::string big(std::int32_t value) {
  const std::string l = little(value);
  return {l.rbegin(), l.rend()};
}

const std::string kMat = little(30) + little(2) + little(3) + little(0) + little(4) + std::string("val\0", 4) + "abcdefghijkl";

std::string npy(char version, const std::string& header, const std::string& data) {
  std::string out = std::string("\x93NUMPY") + version + '\0';
  out += static_cast<char>(header.size());
  out += version == 1 ? std::string(1, '\0') : std::string(3, '\0');
  return out + header + data;
}

}  // namespace

TEST_CASE("damaged WFDB headers are read or refused", "[fuzz]") {
  survive({kChallenge, kFrames, kNoLength, "e 0 360 650000\n# From mitdb/100"}, 1, fuzz::wfdb_header);
}

TEST_CASE("damaged WFDB signals are read or refused", "[fuzz]") {
  const std::string nul(1, '\0');
  survive({kChallenge + nul + kMat, kFrames + nul + std::string(36, 'x'), kNoLength + nul + "abcdef"}, 2, fuzz::wfdb_signals);
}

TEST_CASE("damaged MATLAB 4 files are read or refused", "[fuzz]") {
  const std::string big_endian =
      big(1000) + big(1) + big(2) + big(0) + big(2) + std::string("x\0", 2) + std::string(16, '\x3F');
  const std::string bytes = little(50) + little(3) + little(1) + little(0) + little(1) + std::string(1, '\0') + "abc";
  survive({kMat, big_endian, bytes}, 3, fuzz::mat4);
}

TEST_CASE("damaged NumPy arrays are read or refused", "[fuzz]") {
  survive({npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", std::string(24, 'x')),
           npy(2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", std::string(12, 'x')),
           npy(3, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", "hello"),
           npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", std::string(8, 'x'))},
          4, fuzz::npy);
}

TEST_CASE("damaged tables are read or refused", "[fuzz]") {
  survive({"a,b,c\n1,2,3\n4,,nan\n", "\xEF\xBB\xBFx;y\r\n\"1\";\"2\"\r\n", "t\tI\n0\t-1.5e-3\n\n1\t2",
           "\"a\"\"b\",\"c\nd\"\n1,2\n"},
          5, fuzz::csv);
}
