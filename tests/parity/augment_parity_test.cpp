// Noises of the reference implementation: every random choice is given, the result is compared.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include <anylead/data/augment.hpp>
#include <support/catch.hpp>
#include <support/shared.hpp>

using namespace anylead;
using namespace anylead::data;
using nlohmann::json;

namespace {

/// The tensors of one file of the fixtures, all numbers as double.
class Tensors {
 public:
  explicit Tensors(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::uint64_t header = 0;
    REQUIRE(bytes.size() >= 8);
    std::memcpy(&header, bytes.data(), 8);
    REQUIRE(header <= bytes.size() - 8);
    const json names = json::parse(bytes.substr(8, header));
    for (const auto& [name, entry] : names.items()) {
      if (name == "__metadata__") continue;
      const std::size_t begin = 8 + header + entry["data_offsets"][0].get<std::size_t>();
      const std::size_t end = 8 + header + entry["data_offsets"][1].get<std::size_t>();
      REQUIRE((begin <= end && end <= bytes.size()));
      const std::string type = entry["dtype"];
      if (type == "F32") add<float>(name, bytes, begin, end);
      if (type == "F64") add<double>(name, bytes, begin, end);
      if (type == "I64") add<std::int64_t>(name, bytes, begin, end);
    }
  }

  const std::vector<double>& list(const std::string& name) const {
    INFO("tensor " << name);
    REQUIRE(tensors_.count(name) == 1);
    return tensors_.at(name);
  }
  double number(const std::string& name) const {
    REQUIRE(list(name).size() == 1);
    return list(name)[0];
  }
  std::vector<Index> indices(const std::string& name) const { return {list(name).begin(), list(name).end()}; }

 private:
  template <class N>
  void add(const std::string& name, const std::string& bytes, std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at + sizeof(N) <= end; at += sizeof(N)) {
      N value;
      std::memcpy(&value, bytes.data() + at, sizeof value);
      tensors_[name].push_back(static_cast<double>(value));
    }
  }
  std::map<std::string, std::vector<double>> tensors_;
};

bool is_noise(const std::string& which) {
  return which == "powerline" || which == "emg" || which == "wander" || which == "shift";
}

struct NoiseFixture {
  std::filesystem::path path;  // of the description
  json about;
};

std::vector<NoiseFixture> noises_in(const std::string& folder) {
  std::vector<NoiseFixture> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    const json about = json::parse(in);
    if (about.is_object() && about.value("kind", "") == "augmentation" && is_noise(about.at("which")))
      found.push_back({entry.path(), about});
  }
  return found;
}

/// Of the folder that ANYLEAD_FIXTURES names, else of the first known folder that has any.
std::vector<NoiseFixture> noise_fixtures() {
  if (const char* named = std::getenv("ANYLEAD_FIXTURES")) return noises_in(named);
  for (const std::string& folder : {std::string(ANYLEAD_SOURCE_DIR) + "/tests/fixtures", shared_folder() + "/fixtures"})
    if (std::filesystem::is_directory(folder))
      if (auto found = noises_in(folder); !found.empty()) return found;
  return {};
}

NoiseOptions noise_options(const json& config) {
  return {config.at("p"), config.at("min_amplitude"), config.at("max_amplitude"), config.at("dependency")};
}

/// The choices of the file, applied.
void apply_fixture(const std::string& which, const json& config, const Tensors& t, const SegmentView& segment) {
  const NoiseOptions options = noise_options(config);
  if (which == "powerline") {
    apply(Powerline{options}, {t.number("choice.amplitude"), t.number("choice.frequency"), t.number("choice.phase")}, segment);
  } else if (which == "emg") {
    apply(Emg{options}, {t.list("choice.amplitude"), t.list("choice.noise")}, segment);
  } else if (which == "wander") {
    apply(BaselineWander{options, config.at("k"), config.at("min_freq"), config.at("max_freq")},
          {t.list("choice.amplitude"), t.list("choice.frequency"), t.list("choice.phase"), t.list("choice.lead_gain")},
          segment);
  } else {
    apply(BaselineShift{options, config.at("shift_ratio"), config.at("num_segment")},
          {t.number("choice.amplitude"), t.list("choice.sign"), t.indices("choice.start"), t.indices("choice.end")}, segment);
  }
}

}  // namespace

TEST_CASE("noises equal the reference implementation's for its random choices", "[parity]") {
  const auto fixtures = noise_fixtures();
  if (fixtures.empty()) WARN("skipped: no fixtures of augmentations");
  for (const auto& [path, about] : fixtures) {
    INFO("file " << path);
    const std::string which = about.at("which");
    const json& config = about.at("config");
    const Tensors tensors(std::filesystem::path(path).replace_extension(".safetensors"));
    const auto& shape = about.at("tensors").at("input.signal").at("shape");
    const Index leads = shape.at(0), samples = shape.at(1);
    const auto& input = tensors.list("input.signal");
    const auto& expected = tensors.list("out.signal");
    REQUIRE(static_cast<Index>(input.size()) == leads * samples);
    REQUIRE(expected.size() == input.size());
    std::vector<float> signal(input.begin(), input.end());
    const std::vector<Flag> present(static_cast<std::size_t>(leads), Flag{1});
    apply_fixture(which, config, tensors, {signal.data(), present.data(), leads, samples, config.value("freq", 500.0)});

    double largest = 0;
    for (std::size_t i = 0; i < signal.size(); ++i) largest = std::max(largest, std::abs(double{signal[i]} - expected[i]));
    INFO("largest difference " << largest);
    CHECK(largest <= 1e-6);
  }
}
