#include <support/fixtures.hpp>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::io;

TEST_CASE("every fixture holds the tensors that its description names", "[io]") {
  const auto names = all_fixtures();
  CHECK(names.size() >= 20);
  for (const std::string& name : names) {
    INFO(name);
    const Fixture fixture = load_fixture(name);
    const auto& tensors = fixture.meta.at("tensors");
    CHECK(static_cast<std::size_t>(fixture.arrays.size()) == tensors.size());
    for (const auto& [tensor, array] : fixture.arrays) {
      INFO(tensor);
      CHECK(tensors.at(tensor).at("dtype") == io::name(array.dtype()));
      CHECK(tensors.at(tensor).at("shape") == array.shape());
      CHECK(static_cast<Index>(array.to_vector<double>().size()) == array.count());
    }
  }
}

TEST_CASE("fixtures are found by prefix and by kind", "[io]") {
  CHECK(has_fixture("unit_mean_pool"));
  CHECK_FALSE(has_fixture("unit_none"));
  CHECK(all_fixtures("unit_mean").size() == 1);
  CHECK(all_fixtures("augmentation") == all_fixtures("aug_"));
  CHECK(all_fixtures("statistics").size() == 2);
  CHECK_THROWS(load_fixture("unit_none"));
}

TEST_CASE("the listed parameters of the full-size model are as many as its total says", "[io]") {
  const auto model = load_fixture_json("base_pretrain_keys.json");
  Index total = 0;
  for (const auto& [name, shape] : model.at("state_dict").items()) total += element_count(shape.get<std::vector<Index>>());
  CHECK(total == model.at("parameters"));
}
