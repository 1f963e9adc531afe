#include <anylead/cpu.hpp>
#include <anylead/io/state_dict.hpp>
#include <anylead/nn/conv_positional.hpp>
#include <anylead/nn/init.hpp>
#include <anylead/nn/linear.hpp>

#include "support/catch.hpp"

using namespace anylead;

namespace {

io::Arrays renamed(const io::Arrays& from, const std::vector<std::pair<std::string, std::string>>& names) {
  io::Arrays to;
  for (const auto& [name, array] : from) {
    std::string other = name;
    for (const auto& [a, b] : names)
      if (name == a) other = b;
    to.add(other, array);
  }
  return to;
}

}  // namespace

TEST_CASE("weight-normalised weights load in all three forms", "[train]") {
  nn::ConvPositional<double> module({.width = 8, .taps = 4, .groups = 2});
  nn::init(module, {.seed = 3, .device = cpu()});
  const auto stored = io::state_dict(module);
  const auto expected = io::state_dict(module).at("pos_conv.0.weight_v").to_vector<double>();

  const auto load = [&](const io::Arrays& arrays) {
    nn::ConvPositional<double> other({.width = 8, .taps = 4, .groups = 2});
    io::load_state_dict(other, arrays, "file", {.device = cpu(), .prefix = ""});
    const auto x = Tensor<double>::from_host(std::vector<double>(5 * 8, 0.3), {1, 5, 8}, cpu());
    return other.forward(Var<double>(x)).value().to_host();
  };
  const auto plain = load(stored);
  CHECK(load(renamed(stored, {{"pos_conv.0.weight_g", "pos_conv.0.parametrizations.weight.original0"},
                              {"pos_conv.0.weight_v", "pos_conv.0.parametrizations.weight.original1"}})) == plain);
  // at the start the magnitudes are the norms, so the folded weight is the direction itself
  io::Arrays folded;
  folded.add("pos_conv.0.bias", stored.at("pos_conv.0.bias"));
  folded.add("pos_conv.0.weight", stored.at("pos_conv.0.weight_v"));
  const auto from_folded = load(folded);
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(from_folded[i] == Approx(plain[i]).epsilon(1e-12));
}

TEST_CASE("everything that does not fit is listed at once, and nothing is loaded", "[train]") {
  nn::Linear<float> linear(3, 2);
  nn::init(linear, {.seed = 1, .device = cpu()});
  const auto before = io::state_dict(linear).at("weight").to_vector<float>();
  io::Arrays arrays;
  arrays.add("weight", io::Array::of<float>({2, 4}, std::vector<float>(8)));
  arrays.add("extra", io::Array::of<float>({1}, std::vector<float>(1)));
  arrays.add("quantizer.vars", io::Array::of<float>({1}, std::vector<float>(1)));
  CHECK_THROWS_WITH(io::load_state_dict(linear, arrays, "some.pt", {.device = cpu(), .prefix = "", .surplus = {"quantizer."}}),
                    Catch::Contains("some.pt") && Catch::Contains("missing   bias [2]") &&
                        Catch::Contains("weight: expected [2, 3], found [2, 4]") && Catch::Contains("surplus   extra [1]") &&
                        !Catch::Contains("quantizer"));
  CHECK(io::state_dict(linear).at("weight").to_vector<float>() == before);
}
