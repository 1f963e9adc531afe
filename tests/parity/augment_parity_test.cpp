// Noises of the reference implementation: every random choice is given, the result is compared.
#include <anylead/data/augment.hpp>
#include <support/catch.hpp>
#include <support/fixtures.hpp>

using namespace anylead;
using namespace anylead::data;
using nlohmann::json;

namespace {

/// The tensors of a fixture by name, all numbers as double.
struct Tensors {
  const io::Arrays& arrays;

  std::vector<double> list(const std::string& name) const { return arrays.at(name).to_vector<double>(); }
  double number(const std::string& name) const { return list(name).at(0); }
  std::vector<Index> indices(const std::string& name) const { return arrays.at(name).to_vector<Index>(); }
};

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
  Index compared = 0;
  for (const std::string& name : all_fixtures("augmentation")) {
    const Fixture fixture = load_fixture(name);
    const std::string which = fixture.meta.at("which");
    if (which != "powerline" && which != "emg" && which != "wander" && which != "shift") continue;
    INFO("fixture " << name);
    ++compared;
    const json& config = fixture.meta.at("config");
    const Tensors tensors{fixture.arrays};
    const io::Array& input = fixture.arrays.at("input.signal");
    const Index leads = input.shape()[0], samples = input.shape()[1];
    std::vector<float> signal = input.to_vector<float>();
    const auto expected = tensors.list("out.signal");
    REQUIRE(expected.size() == signal.size());
    const std::vector<Flag> present(static_cast<std::size_t>(leads), Flag{1});
    apply_fixture(which, config, tensors, {signal.data(), present.data(), leads, samples, config.value("freq", 500.0)});

    double largest = 0;
    for (std::size_t i = 0; i < signal.size(); ++i) largest = std::max(largest, std::abs(double{signal[i]} - expected[i]));
    INFO("largest difference " << largest);
    CHECK(largest <= 1e-6);
  }
  if (compared == 0) WARN("skipped: no noises among the fixtures");
}
