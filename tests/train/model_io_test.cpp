#include <anylead/train/model_io.hpp>

#include <cmath>

#include <anylead/cpu.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/state_dict.hpp>
#include <io/pickle_builder.hpp>
#include <io/zip_builder.hpp>
#include <support/catch.hpp>
#include <support/temporary_folder.hpp>
#include <support/tiny_model.hpp>

using namespace anylead;
using Catch::Matchers::Contains;

namespace {

/// Of a model of width 12.
io::Arrays tiny_arrays() {
  ssl::PretrainModel<float> model(test::tiny_options());
  nn::init(model, {.seed = 5, .device = cpu()});
  return io::state_dict(model);
}

/// A file of torch.save with the arrays as `model`, and a `cfg` unless that is empty.
std::string torch_file(const io::Arrays& arrays, const std::string& cfg) {
  std::vector<ZipMember> members = {{"a/data.pkl", {}}};
  std::vector<std::pair<std::string, std::string>> model;
  for (const auto& [name, array] : arrays) {
    const std::string key = std::to_string(model.size());
    std::vector<int> shape(array.shape().begin(), array.shape().end()), strides(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    model.emplace_back(
        name, pickled::tensor(pickled::storage("FloatStorage", key, pickled::integer(static_cast<std::int32_t>(array.count()))),
                              pickled::integer(0), pickled::sizes(shape), pickled::sizes(strides)));
    members.push_back({"a/data/" + key, {reinterpret_cast<const char*>(array.bytes().data()), array.bytes().size()}});
  }
  std::vector<std::pair<std::string, std::string>> file = {{"model", pickled::dict(model)}};
  if (!cfg.empty()) file.emplace_back("cfg", cfg);
  members[0].data = "\x80\x02" + pickled::dict(file) + ".";
  return zip_of(members);
}

std::string config(const std::vector<std::pair<std::string, std::string>>& of_model) {
  return pickled::dict({{"model", pickled::dict(of_model)}});
}

std::vector<float> embedding(const train::ModelFile& file) {
  const auto encoder = train::load_encoder(file, cpu());
  std::vector<float> signal(12 * 200);
  for (std::size_t i = 0; i < signal.size(); ++i) signal[i] = static_cast<float>(std::sin(0.1 * double(i)));
  return encoder.forward(Ctx{}, Var<float>(Tensor<float>::from_host(signal, {1, 12, 200}, cpu()))).value().to_host();
}

}  // namespace

TEST_CASE("a file that does not tell its attention heads needs to be told", "[train]") {
  const TemporaryFolder folder;
  const auto arrays = tiny_arrays();
  io::save_safetensors(folder / "bare.safetensors", arrays);
  write_file(folder / "bare.pt", torch_file(arrays, ""));
  write_file(folder / "other.pt", torch_file(arrays, config({{"layer_norm_first", "\x89"}})));
  for (const char* name : {"bare.safetensors", "bare.pt", "other.pt"}) {
    INFO(name);
    const std::string path = folder / name;
    CHECK_THROWS_AS(train::open_model(path), OptionError);
    CHECK_THROWS_WITH(train::open_model(path), Contains(path) && Contains("--heads") && Contains("width 12"));
    CHECK(train::open_model(path, 4).settings.model.encoder.heads == 4);
    CHECK(embedding(train::open_model(path, 2)) != embedding(train::open_model(path, 4)));
    CHECK_THROWS_WITH(train::load_encoder(train::open_model(path, 5), cpu()), Contains("width 12 in 5 heads"));
  }
}

TEST_CASE("a file that tells its attention heads is believed", "[train]") {
  const TemporaryFolder folder;
  const auto arrays = tiny_arrays();
  const std::string path = folder / "told.pt";
  write_file(path, torch_file(arrays, config({{"encoder_attention_heads", "K\4"}, {"layer_norm_first", "\x88"}})));
  write_file(folder / "bare.pt", torch_file(arrays, ""));
  const auto file = train::open_model(path);
  CHECK(file.settings.model.encoder.heads == 4);
  CHECK(file.settings.model.encoder.norm_first);
  CHECK(train::open_model(path, 4).settings.model.encoder.heads == 4);
  CHECK_THROWS_WITH(train::open_model(path, 2), "--heads: " + path + " has 4 attention heads, not 2");
  auto same = train::open_model(folder / "bare.pt", 4);
  same.settings.model.encoder.norm_first = true;
  CHECK(embedding(file) == embedding(same));
}

TEST_CASE("a file without an encoder says so, whatever its heads", "[train]") {
  const TemporaryFolder folder;
  io::Arrays arrays;
  arrays.add("weight", io::Array::of<float>({2}, std::vector<float>(2)));
  io::save_safetensors(folder / "a.safetensors", arrays);
  CHECK_THROWS_WITH(train::open_model(folder / "a.safetensors"), Contains("not an encoder of this kind"));
  CHECK_THROWS_WITH(train::open_model(folder / "a.safetensors", 2), Contains("not an encoder of this kind"));
}
