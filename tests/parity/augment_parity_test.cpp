// Noises of the reference implementation: every random choice is given, the result is compared.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <anylead/data/augment.hpp>
#include <anylead/io/safetensors.hpp>
#include <support/catch.hpp>
#include <support/shared.hpp>

using namespace anylead;
using namespace anylead::data;
using nlohmann::json;

namespace {

/// The tensors of one file, all numbers as double.
class Tensors {
 public:
  explicit Tensors(const std::string& path) : arrays_(io::load_safetensors(path).arrays) {}

  std::vector<double> list(const std::string& name) const { return arrays_.at(name).to_vector<double>(); }
  double number(const std::string& name) const { return list(name).at(0); }
  std::vector<Index> indices(const std::string& name) const { return arrays_.at(name).to_vector<Index>(); }

 private:
  io::Arrays arrays_;
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
    const auto input = tensors.list("input.signal");
    const auto expected = tensors.list("out.signal");
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
