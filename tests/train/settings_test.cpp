#include <anylead/train/settings_json.hpp>

#include "support/catch.hpp"

using namespace anylead;

TEST_CASE("settings survive JSON, and unknown or ill-typed ones are named", "[train]") {
  train::Settings s;
  REQUIRE(train::apply_config(s, "small"));
  s.rlm = 0.25;
  s.model.encoder.norm_first = true;
  s.conv = "[(8, 3, 2)] * 2";
  const auto back = train::settings_from_json(train::to_json(s), "here");
  CHECK(train::to_json(back) == train::to_json(s));
  CHECK(back.model.encoder.width == 256);
  CHECK_THROWS_WITH(train::settings_from_json(R"({"widht": 3})", "here"), Catch::Contains("widht"));
  CHECK_THROWS_WITH(train::settings_from_json(R"({"width": "3"})", "here"), Catch::Contains("expected an integer"));
  CHECK_THROWS_AS(train::settings_from_json("[1]", "here"), FormatError);
}

TEST_CASE("only settings that shape the numbers count as differences", "[train]") {
  train::Settings a, b;
  b.steps = 7;
  b.threads = 1;
  b.out = "elsewhere";
  b.device = "cuda";
  CHECK(train::differences(a, b).empty());
  CHECK(train::identity_json(a) == train::identity_json(b));
  b.rate.rate = 1e-3;
  CHECK(train::differences(a, b) == "--rate was 5e-05, is 0.001");
}

TEST_CASE("named sizes are those of the published and of the peer's models", "[train]") {
  const std::pair<const char*, Index> sizes[] = {{"base", 90883072}, {"small", 3893504}, {"tiny", 146976}};
  for (const auto& [name, parameters] : sizes) {
    train::Settings s;
    REQUIRE(train::apply_config(s, name));
    train::resolve(s);
    ssl::PretrainModel<float> model(s.model);
    CHECK(nn::parameter_count(model) == parameters);
  }
  train::Settings s;
  CHECK_FALSE(train::apply_config(s, "huge"));
}

TEST_CASE("settings outside their range are refused by flag", "[train]") {
  const auto refused = [](auto change, const char* flag) {
    train::Settings s;
    change(s);
    CHECK_THROWS_WITH(train::resolve(s), Catch::Contains(flag));
  };
  refused([](auto& s) { s.method = "bert"; }, "--method");
  refused([](auto& s) { s.batch = 7; }, "--batch");
  refused([](auto& s) { s.rlm = 1.5; }, "--rlm");
  refused([](auto& s) { s.model.encoder.dropout = 1; }, "--dropout");
  refused([](auto& s) { s.schedule = "linear"; }, "--schedule");
  refused([](auto& s) { s.device = "tpu"; }, "--device");
  refused([](auto& s) { s.conv = "(8, 3, 2)"; }, "convolution layers");
}

TEST_CASE("extractor layers are read in the reference's notation", "[train]") {
  const auto layers = ssl::parse_conv_layers(" [(256, 2, 2)]*4 + [(512,3,1), (8,1,1)] ");
  REQUIRE(layers.size() == 6);
  CHECK(layers[3] == nn::ConvLayer{256, 2, 2});
  CHECK(layers[4] == nn::ConvLayer{512, 3, 1});
  CHECK(ssl::parse_conv_layers(ssl::conv_layers_text(layers)) == layers);
  for (const char* bad : {"", "[]", "[(1,2)]", "[(1,2,3)] * 0", "[(1,2,3)] x", "[(1,2,3)] * 1000", "[(-1,2,3)]", "[(1,2,3)] +"})
    CHECK_THROWS_AS(ssl::parse_conv_layers(bad), OptionError);
}
