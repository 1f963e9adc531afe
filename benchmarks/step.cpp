// One training step, or one inference, of the whole model: seconds, segments per second, share of the products in it, peak
// memory, start-up. Signals are synthetic: the time of a step does not depend on their values. The keys of --json are those
// that other implementations' step benchmarks print, so that two programs can be run in turn and compared.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <anylead/anylead.hpp>
#include <anylead/core/isa.hpp>
#include <anylead/cpu.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/state_dict.hpp>
#include <anylead/nn/inference.hpp>
#include <anylead/nn/precision.hpp>
#include <anylead/train/model_io.hpp>
#include <anylead/train/settings.hpp>

using namespace anylead;

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr const char* kExamples = R"(
Examples:
  step --config base --batch 8 --threads 2 --steps 5 --json
  step --config small --mode infer --batch 1 --steps 50
  step --config base --mode infer --batch 1 --warmup 0 --steps 1 --weights base.safetensors
      what a process costs from its start to its first embedding; --save-weights writes such a file)";

struct Options {
  std::string config = "small", mode = "train", precision = "f32", weights, save_weights;
  Index batch = 8, threads = 2, steps = 5, warmup = 2, samples = 2500, masked = 0;
  std::uint64_t seed = 0;
  bool json = false, prepare = true;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double round_to(double x, double unit) { return std::round(x / unit) * unit; }

/// Multiply-adds of a forward pass of one segment: products and convolutions, these as direct sums.
double multiply_adds(const ssl::PretrainOptions& o, Index samples, double masked) {
  const auto& e = o.encoder;
  double total = 0, time = double(samples), channels = double(e.leads);
  for (const auto& layer : e.conv) {
    time = std::floor((time - double(layer.taps)) / double(layer.stride)) + 1;
    total += time * channels * double(layer.taps * layer.channels);
    channels = double(layer.channels);
  }
  const double width = double(e.width), per_group = width / double(e.position_groups);
  total += time * channels * width + time * width * per_group * double(e.position_taps);
  total += double(e.layers) * (time * width * (4 * width + 2 * double(e.feed_forward)) + 2 * time * time * width);
  const double codes = double(o.w2v.groups * o.w2v.entries), out = double(o.w2v.final_width);
  return total + masked * (channels * codes + out * out + width * out + double(o.w2v.negatives.own + 1) * out);
}

/// A periodic wave and noise on every lead, [B, C, T].
std::vector<float> signals(Index batch, Index leads, Index samples, std::uint64_t seed) {
  const RandomStream phase = {seed, 0, site_key("phase")}, noise = {seed, 0, site_key("noise")};
  std::vector<float> x(static_cast<std::size_t>(batch * leads * samples));
  for (Index row = 0; row < batch * leads; ++row) {
    const float shift = 6.28f * phase.uniform(static_cast<std::uint64_t>(row));
    for (Index t = 0; t < samples; ++t) {
      const auto i = static_cast<std::uint64_t>(row * samples + t);
      x[i] = std::sin(7.f * static_cast<float>(t) / 500.f + shift) + 1.04f * (noise.uniform(i) - 0.5f);
    }
  }
  return x;
}

/// Processor seconds of this process: in its own code, in the system's.
std::pair<double, double> own_seconds() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  const auto s = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  return {s(u.ru_utime), s(u.ru_stime)};
}

double peak_rss_mib() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return double(u.ru_maxrss) / 1024;
}

/// Processor seconds that the whole machine has been busy, or a negative number where the system does not tell.
double machine_seconds() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  double t[8] = {};
  if (!(file >> cpu)) return -1;
  for (double& x : t) file >> x;
  return file ? (std::accumulate(t, t + 8, 0.0) - t[3] - t[4]) / double(sysconf(_SC_CLK_TCK)) : -1;
}

/// What a training step tells beside its time.
struct StepResult {
  Json losses;
  Index masked = 0;
  double forward = 0, backward = 0, optimiser = 0;
};

class Trainer {
 public:
  /// masked: frames of every segment that are masked, or 0 for as many as a draw gives, fewer in a larger batch.
  Trainer(ssl::PretrainModel<float>& model, const train::Settings& s, Index batch, std::vector<float> signal, Index samples,
          Index masked)
      : model_(model), settings_(s), adam_(nn::parameters<float>(model), s.adam) {
    batch_.signal = Tensor<float>::from_host(signal, {batch, s.model.encoder.leads, samples}, cpu());
    for (Index b = 0; b < batch; ++b) {
      batch_.patient.push_back(b / 2);
      batch_.segment.push_back(static_cast<Flag>(b % 2));
    }
    if (masked > 0) {
      const Index frames = model.encoder().frames(samples);
      ANYLEAD_CHECK(masked <= frames, OptionError, "--masked", "a segment has ", frames, " frames, asked for ", masked);
      auto& mask = choices_.time_mask.emplace(static_cast<std::size_t>(batch * frames));
      for (Index b = 0; b < batch; ++b)
        for (Index i = 0; i < masked; ++i) mask[static_cast<std::size_t>(b * frames + i * frames / masked)] = 1;
    }
  }

  StepResult step(std::uint64_t number) {
    const Ctx ctx = {.seed = settings_.seed, .step = number, .training = true};
    StepResult result;
    auto start = Clock::now();
    const Index rows = batch_.signal.shape()[0], leads = settings_.model.encoder.leads;
    batch_.keep = Tensor<Flag>::from_host(
        ssl::draw_lead_mask(ctx.at("lead_mask").stream(), rows, leads, {}, settings_.lead_mask), {rows, leads}, cpu());
    Tape<float> tape;
    const auto terms = model_.forward(ctx, tape.input(batch_.signal), batch_, choices_);
    result.masked = terms.sample_size;
    const auto n = static_cast<double>(terms.sample_size);
    const auto& o = settings_.model;
    const double diversity = o.w2v.diversity_weight * n * double(item(terms.w2v.diversity)),
                 penalty = o.w2v.penalty_weight * n * double(item(terms.w2v.penalty));
    result.losses = {{"loss", item(terms.total)},
                     {"contrastive", item(terms.w2v.contrastive)},
                     {"diversity", diversity},
                     {"penalty", penalty},
                     {"cmsc", item(terms.cmsc.loss)},
                     {"prob_perplexity", item(terms.w2v.prob_perplexity)},
                     {"code_perplexity", item(terms.w2v.code_perplexity)}};
    result.forward = seconds_since(start);
    start = Clock::now();
    tape.backward(terms.total);
    result.backward = seconds_since(start);
    start = Clock::now();
    const double norm = adam_.grad_norm(1 / n);
    adam_.step(settings_.rate.rate, 1 / n, norm);
    result.optimiser = seconds_since(start);
    return result;
  }

 private:
  ssl::PretrainModel<float>& model_;
  const train::Settings& settings_;
  optim::Adam<float> adam_;
  ssl::PretrainBatch<float> batch_;
  ssl::W2vChoices<float> choices_;
};

int run(int argc, char** argv) {
  Options o;
  CLI::App app("Time one training step, or one inference, of the W2V + CMSC + RLM model.");
  app.footer(kExamples);
  app.add_option("--config", o.config, "base, small or tiny")
      ->check(CLI::IsMember({"base", "small", "tiny"}))
      ->capture_default_str();
  app.add_option("--mode", o.mode, "train: forward, backward, norm of the gradient, Adam. infer: mean-pooled embedding")
      ->check(CLI::IsMember({"train", "infer"}))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "segments of a step; even in training, where two make a pair")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  app.add_option("--samples", o.samples, "samples of a segment")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_option("--masked", o.masked, "train: masked frames of every segment, evenly spread, instead of drawn ones (0)")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", o.threads, "threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--steps", o.steps, "timed steps")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_option("--warmup", o.warmup, "untimed steps before")->check(CLI::Range(0, 1 << 20))->capture_default_str();
  app.add_option("--seed", o.seed, "of parameters, signals and masks")->capture_default_str();
  app.add_option("--weights", o.weights, "take the parameters from this file instead of drawing them (infer)");
  app.add_option("--save-weights", o.save_weights, "write the drawn parameters to this .safetensors file");
  app.add_option("--precision", o.precision, "of the factors of products: f32, or bf16 with sums in float")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_flag("!--plain-weights", o.prepare,
               "infer: leave the weights as they are loaded, as for a single step, instead of packing them before");
  app.add_flag("--json", o.json, "print one JSON object");
  CLI11_PARSE(app, argc, argv);
  const bool training = o.mode == "train";
  ANYLEAD_CHECK(!training || o.batch % 2 == 0, OptionError, "--batch",
                "training pairs segments: expected an even number, found ", o.batch);
  ANYLEAD_CHECK(!training || o.weights.empty(), OptionError, "--weights", "is for --mode infer");
  set_threads(static_cast<int>(o.threads));

  train::Settings settings;
  settings.seed = o.seed;
  train::apply_config(settings, o.config);
  train::resolve(settings);

  auto start = Clock::now();
  ssl::PretrainModel<float> model;
  if (o.weights.empty()) {
    model = ssl::PretrainModel<float>(settings.model);
    nn::init(model, {.seed = o.seed, .device = cpu()});
    if (!o.save_weights.empty()) io::save_safetensors(o.save_weights, io::state_dict(model), {});
  } else {
    model.encoder() = train::load_encoder(train::open_model(o.weights, settings.model.encoder.heads), cpu());
  }
  nn::set_precision(model, train::precision_of(o.precision));
  const Index parameters = nn::parameter_count(model);
  if (!training && o.prepare && o.warmup + o.steps > 1) nn::prepare_inference(model.encoder());  // for one it would not pay
  const double build_s = seconds_since(start);
  const ssl::EcgEncoder<float>& encoder = model.encoder();
  const Index leads = encoder.options().leads;
  std::vector<float> x = signals(o.batch, leads, o.samples, o.seed);

  std::vector<double> times, forward, backward, optimiser;
  StepResult last;
  double first_s = 0, busy = 0, masked = 0;
  std::pair<double, double> own;
  Clock::time_point timed;
  std::unique_ptr<Trainer> trainer;
  Tensor<float> input;
  if (training)
    trainer = std::make_unique<Trainer>(model, settings, o.batch, std::move(x), o.samples, o.masked);
  else
    input = Tensor<float>::from_host(x, {o.batch, leads, o.samples}, cpu());
  for (Index i = 0; i < o.warmup + o.steps; ++i) {
    if (i == o.warmup) busy = machine_seconds(), own = own_seconds(), timed = Clock::now();
    start = Clock::now();
    if (training)
      last = trainer->step(static_cast<std::uint64_t>(i));
    else
      ops::mean_pool(encoder.forward(Ctx{}, Var<float>(input))).value().to_host();
    const double s = seconds_since(start);
    if (i == 0) first_s = s;
    if (i < o.warmup) continue;
    times.push_back(s);
    masked += double(last.masked) / double(o.batch * o.steps);
    forward.push_back(last.forward), backward.push_back(last.backward), optimiser.push_back(last.optimiser);
  }
  const double wall = seconds_since(timed), busy_now = machine_seconds();
  const auto own_now = own_seconds();
  own = {own_now.first - own.first, own_now.second - own.second};

  const double step_s = median(times);
  const double gflop =
      2e-9 * multiply_adds(settings.model, o.samples, training ? masked : 0) * double(o.batch) * (training ? 3 : 1);
  Json result = {
      {"peer", "anylead"},
      {"config", o.config},
      {"mode", o.mode},
      {"precision", o.precision},
      {"isa", std::string(name(current_isa()))},
      {"batch", o.batch},
      {"threads", o.threads},
      {"steps", o.steps},
      {"parameters", parameters},
      {"frames", encoder.frames(o.samples)},
      {"masked_frames", round_to(masked, 0.01)},
      {"median_step_s", round_to(step_s, 1e-6)},
      {"min_step_s", round_to(*std::min_element(times.begin(), times.end()), 1e-6)},
      {"max_step_s", round_to(*std::max_element(times.begin(), times.end()), 1e-6)},
      {"segments_per_s", round_to(double(o.batch) / step_s, 1e-4)},
      {"model_gflop_per_step", round_to(gflop, 1e-3)},
      {"gflop_per_s", round_to(gflop / step_s, 0.01)},
      {"peak_rss_mib", round_to(peak_rss_mib(), 0.1)},
      {"peak_tensor_mib", round_to(double(memory_pool(cpu()).statistics().peak) / (1 << 20), 0.1)},
      {"user_cpu_s", round_to(own.first, 1e-3)},
      {"system_cpu_s", round_to(own.second, 1e-3)},
      {"cores_busy_elsewhere",
       busy < 0 ? Json() : Json(round_to(std::max(0.0, busy_now - busy - own.first - own.second) / wall, 1e-3))},
      {"build_s", round_to(build_s, 1e-4)},
      {"first_step_s", round_to(first_s, 1e-4)},
  };
  if (training) {
    result["forward_s"] = round_to(median(forward), 1e-6);
    result["backward_s"] = round_to(median(backward), 1e-6);
    result["optimiser_s"] = round_to(median(optimiser), 1e-6);
    result["last_losses"] = last.losses;
  }
  if (o.json)
    std::printf("%s\n", result.dump().c_str());
  else
    for (const auto& [key, value] : result.items()) std::printf("%-22s %s\n", key.c_str(), value.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "step: %s\n", e.what());
    return 1;
  }
}
