// The code of the documents in docs/, compiled and run. What is between "// [name]" and "// [/name]" is printed there.
#include <filesystem>

#include <anylead/anylead.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/loader.hpp>
#include <anylead/data/split.hpp>
#include <anylead/data/synthetic.hpp>
#include <support/catch.hpp>

using namespace anylead;

namespace {

std::string fresh_folder() {
  const auto folder = std::filesystem::temp_directory_path() / "anylead_snippets";
  std::filesystem::remove_all(folder);
  return folder.string();
}

}  // namespace

TEST_CASE("docs/synthetic.md: recordings out of nothing", "[docs]") {
  // [cohort]
  const data::SyntheticCohort cohort({.patients = 64, .records_per_patient = 3, .seconds = 10});
  const data::Record record = cohort.read(17);  // [12, 5000] mV at 500 Hz, patient, age, sex, SNOMED CT codes
  // [/cohort]
  CHECK(record.signal.size() == 12 * 5000);
}

TEST_CASE("docs/data_formats.md: from recordings to batches that share no patient with validation", "[docs]") {
  const data::SyntheticCohort records({.patients = 40, .records_per_patient = 2});
  const std::string folder = fresh_folder();
  // [batches]
  const auto cache = data::cached_segments(records, folder, {.rate_hz = 250, .seconds = 2.5});
  const auto split = data::split_by_patient(cache, data::segment_pairs(cache), {.validation = 0.2, .seed = 1});
  data::Loader loader(cache, split.training, {.batch = 8, .augmentations = {data::Powerline{}, data::BaselineWander{}}});
  const data::Batch& batch = loader.next();  // signal [8, 12, 625]; rows 2k and 2k + 1 are a pair
  // [/batches]
  CHECK(batch.signal.size() == 8 * 12 * 625);
  CHECK(split.validation.items() > 0);
  std::filesystem::remove_all(folder);
}

TEST_CASE("docs/concepts.md: the same layer trains and infers", "[docs]") {
  // [inference]
  nn::Linear<float> layer(3, 2);
  nn::init(layer, {.seed = 1, .device = cpu()});
  const auto x = Tensor<float>::from_host({1, 2, 3}, {1, 3}, cpu());

  const Var<float> inferred = layer.forward(Var<float>(x));  // no tape: nothing is kept
  Tape<float> tape;
  const Var<float> recorded = layer.forward(tape.input(x));  // on a tape: the weight's gradient can follow
  // [/inference]
  CHECK(inferred.value().to_host() == recorded.value().to_host());
  CHECK(tape.size() == 1);
}

TEST_CASE("docs/concepts.md: random numbers are a function of seed, step and place", "[docs]") {
  // [random]
  const Ctx ctx{.seed = 7, .step = 41, .training = true};
  const RandomStream one = ctx.at("encoder").at(3).stream(), two = ctx.at("encoder").at(3).stream();
  const bool same = one.uniform(1000) == two.uniform(1000);  // whatever was drawn before, and on whatever thread
  // [/random]
  CHECK(same);
}

TEST_CASE("docs/objectives.md: a random choice is handed in", "[docs]") {
  ssl::EncoderOptions encoder;
  encoder.conv.assign(4, {8, 2, 2});
  encoder.layers = 1;
  encoder.width = 16;
  encoder.heads = 2;
  encoder.feed_forward = 16;
  encoder.position_taps = 4;
  encoder.position_groups = 2;
  ssl::PretrainModel<float> model({.encoder = encoder});
  nn::init(model, {.seed = 1, .device = cpu()});
  std::vector<float> values(2 * 12 * 320);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 1000) / 1000;
  const auto signal = Tensor<float>::from_host(values, {2, 12, 320}, cpu());
  const Ctx ctx{.seed = 1, .training = true};
  // [choices]
  std::vector<Flag> mask(2 * 20);  // [B, T'] frames: here every second one is masked
  for (std::size_t t = 0; t < mask.size(); t += 2) mask[t] = 1;
  const auto terms = model.forward(ctx, Var<float>(signal), {.patient = {0, 0}, .segment = {0, 1}}, {.time_mask = mask});
  // [/choices]
  CHECK(terms.sample_size == 20);
  CHECK(terms.w2v.mask == mask);
}
