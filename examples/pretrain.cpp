// Pre-trains a lead-agnostic ECG encoder: recordings in, checkpoints, metrics and a report out.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/train/pretrain_run.hpp>
#include <anylead/train/progress.hpp>
#include <anylead/train/run_report.hpp>
#include <anylead/train/stop_signal.hpp>

#include "support/device.hpp"
#include "support/settings_cli.hpp"

using namespace anylead;

namespace {

constexpr const char* kExamples = R"(
Examples:
  pretrain --data synthetic --config tiny --steps 200 --batch 16 --out runs/first
      no recordings needed: an artificial cohort
  pretrain --data ptbxl/records500 --patients patients.csv --config small --batch 32 --out runs/ptbxl
      a folder of WFDB records, searched recursively; open runs/ptbxl/report.html
  pretrain --resume --out runs/ptbxl
      goes on where that run stopped, bit for bit
  pretrain --config small --print-config > mine.toml;  pretrain --config mine.toml
      all settings in a file; flags win over it

Ctrl-C finishes the step, saves and stops. The run folder then holds checkpoints/, metrics.jsonl, config.toml and report.html.)";

std::string line(const train::StepMetrics& m, Index last, double eta) {
  char text[256];
  std::snprintf(
      text, sizeof text,
      "step %lld/%lld  loss %.4f  contrast %.4f  cmsc %.4f  div %.3f  pen %.4f  acc %.1f%%  codes %.1f  %.1f seg/s  ETA %s",
      static_cast<long long>(m.step), static_cast<long long>(last), m.loss, m.contrastive, m.cmsc, m.diversity, m.penalty,
      100 * m.accuracy, m.code_perplexity, m.segments_per_second, train::duration_text(eta).c_str());
  return text;
}

int run(int argc, char** argv) {
  train::Settings settings;
  CLI::App app(
      "Pre-train a lead-agnostic ECG encoder with wav2vec 2.0 (W2V), contrastive multi-segment coding (CMSC) and random "
      "lead masking (RLM).");
  app.footer(kExamples);
  std::string resume;
  auto* resume_option = app.add_option("--resume", resume, "continue the run in --out (or in the folder given here)")
                            ->expected(0, 1)
                            ->configurable(false);
  std::string out = settings.out;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string(argv[i]) == "--out") out = argv[i + 1];
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]).starts_with("--out=")) out = std::string(argv[i]).substr(6);
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]) == "--resume" && i + 1 < argc && argv[i + 1][0] != '-') out = argv[i + 1];
  app.add_option("--out", settings.out, "folder of the run")->capture_default_str()->configurable(false);

  // A run that is continued has its settings in its folder; flags may still change how long it goes on.
  std::vector<std::string> arguments(argv, argv + argc);
  bool resumes = false, has_config = false;
  for (const auto& a : arguments) {
    resumes = resumes || a == "--resume" || a.starts_with("--resume=");
    has_config = has_config || a == "--config" || a.starts_with("--config=");
  }
  if (resumes && !has_config && std::filesystem::exists(out + "/config.toml")) {
    arguments.push_back("--config");
    arguments.push_back(out + "/config.toml");
  }
  std::vector<char*> pointers;
  for (auto& a : arguments) pointers.push_back(a.data());
  const SettingsCli cli(app, settings, static_cast<int>(pointers.size()), pointers.data());
  CLI11_PARSE(app, static_cast<int>(pointers.size()), pointers.data());
  settings.resume = resume_option->count() > 0;
  if (!resume.empty()) settings.out = resume;
  train::resolve(settings);
  if (cli.print()) {
    std::fputs(SettingsCli::text(settings).c_str(), stdout);
    return 0;
  }

  const Device device = open_device(settings.device);
  train::Progress progress;
  const auto note = [&](const std::string& text) {
    progress.finish();
    std::fprintf(stderr, "%s\n", text.c_str());
  };
  const auto cache = train::open_segments(settings, settings.out + "/cache", [&](Index done, Index total) {
    progress.show(str("reading recordings ", done, "/", total), done == total);
  });
  note(str("data: ", cache.report()));

  train::PretrainRun pretraining(settings, cache, device);
  replace_text(settings.out + "/config.toml", SettingsCli::text(settings));
  if (pretraining.resumed_from()) note(str("resumed from step ", *pretraining.resumed_from()));
  if (settings.resume && !pretraining.resumed_from())
    note("nothing to resume: no checkpoint was finished; starting from the beginning");
  note(str("model: ", nn::parameter_count(pretraining.model()), " parameters; ", pretraining.training_segments(),
           " segments to train on, ", pretraining.validation_segments(), " held back; ", device, ", ", threads(), " threads, ",
           name(current_isa())));

  const train::StopSignal signal;
  const Index first = pretraining.step();
  const double start = progress.seconds();
  train::PretrainCallbacks callbacks;
  callbacks.on_step = [&](const train::StepMetrics& m) {
    const double spent = progress.seconds() - start;
    double eta = spent / static_cast<double>(m.step - first) * static_cast<double>(pretraining.last_step() - m.step);
    if (settings.max_seconds > 0) eta = std::min(eta, settings.max_seconds - spent);
    progress.show(line(m, pretraining.last_step(), eta), m.step == pretraining.last_step());
  };
  callbacks.on_validation = [&](const train::StepMetrics& m) {
    char text[200];
    std::snprintf(text, sizeof text, "validation at step %lld: loss %.4f  contrast %.4f  cmsc %.4f  acc %.1f%%  codes %.1f",
                  static_cast<long long>(m.step), m.loss, m.contrastive, m.cmsc, 100 * m.accuracy, m.code_perplexity);
    note(text);
  };
  callbacks.stop = [&] { return signal.number() != 0; };
  pretraining.run(callbacks);
  progress.finish();
  train::write_report(pretraining, cache, settings.out + "/report.html");
  note(str("saved ", pretraining.last_checkpoint(), "; report in ", settings.out, "/report.html"));
  if (signal.number() != 0) {
    note(str("stopped by signal; continue with --resume --out ", settings.out));
    return 128 + signal.number();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pretrain: %s\n", e.what());
    return 1;
  }
}
