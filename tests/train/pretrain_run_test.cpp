#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <anylead/core/parallel.hpp>
#include <anylead/cpu.hpp>
#include <anylead/data/npy.hpp>
#include <anylead/train/model_io.hpp>
#include <anylead/train/pretrain_run.hpp>

#include <support/catch.hpp>
#include <support/temporary_folder.hpp>

using namespace anylead;

namespace {

/// A model of a few thousand parameters on a cohort of a few segments.
train::Settings settings(const std::string& out, Index steps) {
  train::Settings s;
  train::apply_config(s, "tiny");
  s.cohort_patients = 6;
  s.cohort_records = 2;
  s.conv = "[(8, 4, 4)] * 2";
  s.model.encoder.width = 16;
  s.model.encoder.heads = 2;
  s.model.encoder.feed_forward = 16;
  s.model.encoder.layers = 1;
  s.model.encoder.position_taps = 8;
  s.model.encoder.position_groups = 4;
  s.model.w2v.entries = 4;
  s.model.w2v.final_width = 8;
  s.model.w2v.negatives.own = 5;
  s.batch = 4;
  s.validation = 0.3;
  s.validate_every = 3;
  s.save_every = 2;
  s.steps = steps;
  s.out = out;
  train::resolve(s);
  return s;
}

data::SegmentCache segments(const std::string& folder) { return train::open_segments(settings("", 1), folder); }

void train_run(train::Settings s, const data::SegmentCache& cache, bool resume = false,
               const train::PretrainCallbacks& callbacks = {}) {
  s.resume = resume;
  train::PretrainRun run(s, cache, cpu());
  run.run(callbacks);
}

void check_equal(const std::string& a, const std::string& b, Index step) {
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    INFO(file);
    const std::string inside = str("/checkpoints/step-", step, "/", file);
    const std::string content = read_file(a + inside);
    CHECK_FALSE(content.empty());
    CHECK(content == read_file(b + inside));
  }
  const auto left = train::read_metrics(a + "/metrics.jsonl", "train"),
             right = train::read_metrics(b + "/metrics.jsonl", "train");
  REQUIRE(left.size() == right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    CHECK(left[i].step == right[i].step);
    CHECK(left[i].loss == right[i].loss);
    CHECK(left[i].grad_norm == right[i].grad_norm);
  }
}

}  // namespace

TEST_CASE("a run that was killed and continued equals one that was not, bit for bit", "[train]") {
  const TemporaryFolder folder;
  const auto cache = segments(folder / "cache");
  const std::string whole = folder / "whole", killed = folder / "killed";
  train_run(settings(whole, 10), cache);

  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // without the pool: its threads are not in the child
    auto s = settings(killed, 10);
    s.threads = 1;
    train::PretrainRun run(s, cache, cpu());
    train::PretrainCallbacks callbacks;
    callbacks.on_step = [](const train::StepMetrics& m) {
      if (m.step == 5) kill(getpid(), SIGKILL);  // step 5 is in metrics.jsonl, the last checkpoint is of step 4
    };
    run.run(callbacks);
    _exit(1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
  train_run(settings(killed, 10), cache, true);
  check_equal(whole, killed, 10);
}

TEST_CASE("arrays are read with the names of their leads that the settings give", "[train]") {
  const TemporaryFolder folder;
  data::write_npy(folder / "holter.npy", {2, 5000}, std::vector<float>(10000, 0.5f));
  auto s = settings("", 1);
  s.data = folder.path();
  s.array_leads = "V5, II";
  const auto cache = train::open_segments(s, folder / "cache");
  CHECK(cache.size() == 2);
  CHECK(cache.present(0)[1]);        // II
  CHECK(cache.present(0)[10]);       // V5
  CHECK_FALSE(cache.present(0)[0]);  // I
  s.array_leads = "";
  const auto unnamed = train::open_segments(s, folder / "cache");
  REQUIRE(unnamed.report().bad.size() == 1);
  CHECK_THAT(unnamed.report().bad[0].message, Catch::Contains("--array-leads"));
}

TEST_CASE("threads, prefetch and stops between steps leave the numbers alone", "[train]") {
  const TemporaryFolder folder;
  const auto cache = segments(folder / "cache");
  const std::string whole = folder / "whole", pieces = folder / "pieces";
  train_run(settings(whole, 7), cache);
  auto s = settings(pieces, 7);
  s.prefetch = 0;
  s.threads = 1;
  int asked = 0;
  train_run(s, cache, false, {.on_step = {}, .on_validation = {}, .on_note = {}, .stop = [&] { return ++asked == 3; }});
  s.prefetch = 2;
  s.threads = 2;
  train_run(s, cache, true);
  check_equal(whole, pieces, 7);
}

TEST_CASE("a run folder is not started twice, nor continued with other settings", "[train]") {
  const TemporaryFolder folder;
  const auto cache = segments(folder / "cache");
  const auto s = settings(folder / "run", 2);
  train_run(s, cache);
  CHECK_THROWS_WITH(train_run(s, cache), Catch::Contains("--resume"));
  auto other = s;
  other.rate.rate = 1;
  CHECK_THROWS_WITH(train_run(other, cache, true), Catch::Contains("--rate was 5e-05, is 1"));
  auto bigger = s;
  bigger.batch = 1000;
  bigger.out = folder / "bigger";
  CHECK_THROWS_WITH(train_run(bigger, cache), Catch::Contains("--batch"));
  {
    auto resumed = s;
    resumed.resume = true;
    const train::PretrainRun first(resumed, cache, cpu());
    CHECK_THROWS_AS(train::PretrainRun(resumed, cache, cpu()), IoError);  // the folder is locked
  }
}

TEST_CASE("each method trains, and an update that is not finite changes nothing", "[train]") {
  const TemporaryFolder folder;
  const auto cache = segments(folder / "cache");
  for (const std::string method : {"w2v", "cmsc", "w2v_cmsc"}) {
    INFO(method);
    auto s = settings(folder / method, 3);
    s.method = method;
    s.accumulate = 2;
    s.augment = "powerline,emg,wander,shift";
    s.model.w2v.negatives.cross = 2;
    s.model.w2v.negatives.codebook = 3;
    s.model.encoder.recompute = true;
    train::resolve(s);
    train_run(s, cache);
    CHECK(train::read_metrics(s.out + "/metrics.jsonl", "train").size() == 3);
  }
  auto s = settings(folder / "diverging", 50);
  s.rate.rate = 1e30;
  train::PretrainRun run(s, cache, cpu());
  CHECK_THROWS_WITH(run.run({}),
                    Catch::Contains("not finite") && Catch::Contains("patient_") && Catch::Contains("Last checkpoint"));
}

TEST_CASE("a checkpoint gives its encoder back", "[train]") {
  const TemporaryFolder folder;
  const auto cache = segments(folder / "cache");
  const auto s = settings(folder / "run", 2);
  train_run(s, cache);
  for (const std::string& path : {s.out, s.out + "/checkpoints/step-2", s.out + "/checkpoints/step-2/model.safetensors"}) {
    INFO(path);
    const auto file = train::open_model(path);
    const auto encoder = train::load_encoder(file, cpu());
    CHECK(encoder.options().width == 16);
    CHECK(encoder.options().heads == 2);
    CHECK(encoder.options().conv == ssl::parse_conv_layers(s.conv));
    const auto signal = Tensor<float>::from_host(std::vector<float>(12 * 2500, 0.1f), {1, 12, 2500}, cpu());
    const auto y = encoder.forward(Ctx{}, Var<float>(signal)).value().to_host();
    for (const float v : y) REQUIRE(std::isfinite(v));
  }
  CHECK_THROWS_AS(train::open_model(folder / "nowhere"), Error);
}
