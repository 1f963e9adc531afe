#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include <anylead/core/mapped_file.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/io/checkpoint.hpp>
#include <anylead/io/json_lines.hpp>
#include <anylead/io/run_lock.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/io/state_dict.hpp>
#include <anylead/nn/init.hpp>
#include <anylead/nn/precision.hpp>
#include <anylead/train/batch.hpp>
#include <anylead/train/model_io.hpp>
#include <anylead/train/pretrain_run.hpp>
#include <anylead/train/settings_json.hpp>

namespace anylead::train {

namespace detail {

/// The metrics of a line, in the order of the file.
template <class M, class F>
void describe_metrics(M& m, F&& f) {
  f("step", m.step);
  f("epoch", m.epoch);
  f("loss", m.loss);
  f("contrastive", m.contrastive);
  f("diversity", m.diversity);
  f("penalty", m.penalty);
  f("cmsc", m.cmsc);
  f("accuracy", m.accuracy);
  f("prob_perplexity", m.prob_perplexity);
  f("code_perplexity", m.code_perplexity);
  f("rate", m.rate);
  f("grad_norm", m.grad_norm);
  f("temperature", m.temperature);
  f("masked_frames", m.masked_frames);
  f("segments_per_second", m.segments_per_second);
  f("seconds", m.seconds);
}

ANYLEAD_INLINE std::string metrics_line(const StepMetrics& m, const char* kind) {
  nlohmann::ordered_json line;
  line["kind"] = kind;
  describe_metrics(m, [&](const char* name, const auto& value) { line[name] = value; });
  return line.dump();
}

ANYLEAD_INLINE std::vector<data::Augmentation> augmentations(const Settings& s) {
  std::vector<data::Augmentation> list;
  for (const auto& name : split_list(s.augment)) {
    auto noise = choose<data::Augmentation>("augment", name,
                                            {{"powerline", data::Powerline{}},
                                             {"emg", data::Emg{}},
                                             {"wander", data::BaselineWander{}},
                                             {"shift", data::BaselineShift{}}});
    std::visit([&](auto& n) { n.p = s.augment_probability; }, noise);
    list.push_back(noise);
  }
  return list;
}

/// Sums of a step's or a validation's batches.
struct Totals {
  double total = 0, contrastive = 0, diversity = 0, penalty = 0, cmsc = 0, prob = 0, code = 0;
  Index correct = 0, size = 0;

  void add(const ssl::PretrainTerms<float>& t) {
    const auto n = static_cast<double>(t.sample_size);
    const auto value = [](const auto& x) { return x.defined() ? double(item(x)) : 0.0; };
    total += value(t.total);
    size += t.sample_size;
    contrastive += value(t.w2v.contrastive);
    diversity += n * value(t.w2v.diversity);
    penalty += n * value(t.w2v.penalty);
    cmsc += n * value(t.cmsc.loss);
    prob += n * value(t.w2v.prob_perplexity);
    code += n * value(t.w2v.code_perplexity);
    if (t.w2v.correct.defined())
      for (const Flag c : t.w2v.correct.to_host()) correct += c;
  }

  StepMetrics metrics() const {
    StepMetrics m;
    const double n = std::max<double>(1, static_cast<double>(size));
    m.loss = total / n;
    m.contrastive = contrastive / n;
    m.diversity = diversity / n;
    m.penalty = penalty / n;
    m.cmsc = cmsc / n;
    m.accuracy = static_cast<double>(correct) / n;
    m.prob_perplexity = prob / n;
    m.code_perplexity = code / n;
    m.masked_frames = size;
    return m;
  }
};

}  // namespace detail

struct PretrainRun::State {
  using T = float;

  Settings settings;
  data::SegmentCache cache;
  Device device;
  io::RunLock lock;
  io::CheckpointFolder checkpoints;
  data::Selection training, validation;
  ssl::PretrainModel<T> model;
  optim::Adam<T> adam;
  std::unique_ptr<data::Loader> loader;
  std::unique_ptr<io::JsonLines> log;
  Index step = 0, last = 0, per_epoch = 0;
  double best = std::numeric_limits<double>::infinity();
  std::optional<Index> resumed;
  Snapshot snapshot;

  State(const Settings& s, const data::SegmentCache& c, const Device& d)
      : settings(s), cache(c), device(d), lock(s.out), checkpoints(s.out), model(s.model) {
    set_threads(s.threads > 0 ? static_cast<int>(s.threads)
                              : static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
    const data::Selection all =
        s.method == "w2v"
            ? data::single_segments(cache)
            : data::segment_pairs(cache, detail::choose<data::PairRule>(
                                             "pairs", s.pairs,
                                             {{"adjacent", data::PairRule::adjacent}, {"manifest", data::PairRule::manifest}}));
    auto split = data::split_by_patient(cache, all, {.validation = s.validation, .seed = s.seed});
    training = std::move(split.training);
    validation = std::move(split.validation);
    const Index items = s.batch / training.per_item;
    ANYLEAD_CHECK(training.items() >= items, OptionError, "--batch", s.batch, " segments are more than the ",
                  training.items() * training.per_item, " of the training part (", cache.size(), " segments in all, ",
                  all.items(), training.per_item == 2 ? " pairs" : " items", "); lower --batch or --validation");
    loader = std::make_unique<data::Loader>(cache, training,
                                            data::Loader::Options{.batch = s.batch,
                                                                  .seed = s.seed,
                                                                  .frozen_batches = s.frozen_batches,
                                                                  .prefetch = s.prefetch,
                                                                  .augmentations = detail::augmentations(s)});
    per_epoch = std::max<Index>(1, loader->batches_per_epoch() / s.accumulate);
    last = s.steps > 0 ? s.steps : s.epochs * per_epoch;
    nn::init(model, {.seed = s.seed, .device = device});
    nn::set_precision(model, precision_of(s.precision));
    adam = optim::Adam<T>(nn::parameters<T>(model), s.adam);

    const auto newest = checkpoints.last();
    ANYLEAD_CHECK(s.resume || (!newest && !std::filesystem::exists(metrics_path())), OptionError, "--out", s.out,
                  " already holds a run; --resume continues it, another folder starts a new one");
    if (newest) {
      load(*newest);
      resumed = newest;
      checkpoints.discard_after(*newest);
    }
    io::cut_json_lines(metrics_path(), step);
    log = std::make_unique<io::JsonLines>(metrics_path());
  }

  std::string metrics_path() const { return settings.out + "/metrics.jsonl"; }

  // --- checkpoints
  // ------------------------------------------------------------------------------------------------------------

  void save() {
    if (checkpoints.last() == step) return;
    io::Arrays moments;
    for (std::size_t i = 0; i < adam.parameters().size(); ++i) {
      const Shape& shape = adam.parameters()[i].leaf->value.shape();
      const std::vector<Index> sizes(shape.begin(), shape.end());
      moments.add("exp_avg." + adam.parameters()[i].name, io::Array::of<T>(sizes, adam.mean(i).to_host()));
      moments.add("exp_avg_sq." + adam.parameters()[i].name, io::Array::of<T>(sizes, adam.square(i).to_host()));
    }
    const data::LoaderState at = loader->state();
    nlohmann::ordered_json state;
    state["format"] = "anylead checkpoint";
    state["version"] = 1;
    state["step"] = step;
    state["loader"] = {{"epoch", at.epoch}, {"position", at.position}};
    state["segments_key"] = std::to_string(cache.key());
    if (std::isfinite(best)) state["best"] = best;
    state["settings"] = nlohmann::ordered_json::parse(to_json(settings));
    const std::string text = state.dump(2) + "\n";
    log->sync();
    checkpoints.save(step, {{"model.safetensors",
                             [&](OutputFile& f) {
                               io::write_safetensors(f, io::state_dict(model), {{"settings", identity_json(settings)}});
                             }},
                            {"optimizer.safetensors", [&](OutputFile& f) { io::write_safetensors(f, moments); }},
                            {"state.json", [&](OutputFile& f) { f.write(text.data(), text.size()); }}});
  }

  void load(Index from) {
    const std::string state_path = checkpoints.path(from, "state.json");
    const auto state = nlohmann::json::parse(read_text(state_path), nullptr, false);
    const auto need = [&](const nlohmann::json& j, const char* key) -> const nlohmann::json& {
      if (!j.is_object() || !j.contains(key)) throw FormatError(state_path, "", str("expected a member \"", key, "\""));
      return j.at(key);
    };
    if (need(state, "version") != 1)
      throw FormatError(state_path, "", str("version ", need(state, "version").dump(), ", this program reads version 1"));
    const Settings stored = settings_from_json(need(state, "settings").dump(), state_path);
    const std::string changed = differences(stored, settings);
    ANYLEAD_CHECK(changed.empty(), OptionError, "--resume", "the run in ", settings.out, " was started otherwise: ", changed);
    if (need(state, "segments_key") != std::to_string(cache.key()))
      throw OptionError(str("--resume: the recordings are not those that the run in ", settings.out,
                            " was started with (files were added, removed or changed)"));
    io::load_state_dict(model, io::load_safetensors(checkpoints.path(from, "model.safetensors")).arrays,
                        checkpoints.path(from, "model.safetensors"), {.device = device, .prefix = ""});
    const std::string moments_path = checkpoints.path(from, "optimizer.safetensors");
    const auto moments = io::load_safetensors(moments_path).arrays;
    for (std::size_t i = 0; i < adam.parameters().size(); ++i)
      for (const auto& [prefix, tensor] : {std::pair{"exp_avg.", adam.mean(i)}, std::pair{"exp_avg_sq.", adam.square(i)}}) {
        const auto* array = moments.find(prefix + adam.parameters()[i].name);
        if (!array || array->count() != tensor.count())
          throw FormatError(moments_path, "",
                            str("no array ", prefix, adam.parameters()[i].name, " of ", tensor.count(), " values"));
        tensor.assign(array->template to_vector<T>());
      }
    step = need(state, "step").get<Index>();
    adam.set_updates(step);
    best = state.value("best", std::numeric_limits<double>::infinity());
    const auto& at = need(state, "loader");
    loader->restore({need(at, "epoch").get<Index>(), need(at, "position").get<Index>()});
  }

  // --- steps
  // ------------------------------------------------------------------------------------------------------------------

  std::string record_names(const data::Batch& b) const {
    std::string names;
    for (std::size_t i = 0; i < b.record.size() && i < 8; ++i)
      names += str(i ? ", " : "", cache.records()[static_cast<std::size_t>(b.record[i])].id);
    return b.record.size() > 8 ? str(names, ", ... (", b.record.size(), " segments)") : names;
  }

  void remember(const data::Batch& b, const std::vector<Flag>& keep, const ssl::PretrainTerms<T>& terms) {
    const auto cells = static_cast<std::ptrdiff_t>(b.leads * b.samples);
    snapshot.leads = b.leads;
    snapshot.samples = b.samples;
    snapshot.signal.assign(b.signal.begin(), b.signal.begin() + cells);
    snapshot.kept.assign(keep.begin(), keep.begin() + static_cast<std::ptrdiff_t>(b.leads));
    const auto frames = static_cast<std::ptrdiff_t>(terms.w2v.mask.size()) / static_cast<std::ptrdiff_t>(b.size);
    snapshot.frame_mask.assign(terms.w2v.mask.begin(), terms.w2v.mask.begin() + frames);
    snapshot.usage.clear();
    if (terms.w2v.usage.defined()) {
      const auto usage = terms.w2v.usage.to_host();
      snapshot.usage.assign(usage.begin(), usage.end());
      snapshot.groups = settings.model.w2v.groups;
    }
  }

  StepMetrics update(bool keep_snapshot) {
    const Ctx ctx = {.seed = settings.seed, .step = static_cast<std::uint64_t>(step), .training = true};
    detail::Totals totals;
    std::string records;
    Index epoch = 0;
    for (Index i = 0; i < settings.accumulate; ++i) {
      const data::Batch& b = loader->next();
      const Ctx inner = settings.accumulate > 1 ? ctx.at(static_cast<std::uint64_t>(i)) : ctx;
      const std::vector<Flag> keep =
          settings.rlm > 0 || settings.lead_mask.selection == ssl::LeadMaskOptions::Selection::conditional
              ? draw_leads(inner, b, settings.lead_mask)
              : b.present;
      const auto batch = to_device<T>(b, keep, device);
      Tape<T> tape;
      const auto terms = model.forward(inner, tape.input(batch.signal), batch);
      totals.add(terms);
      records += str(records.empty() ? "" : "; ", record_names(b));
      epoch = b.epoch;
      if (keep_snapshot) remember(b, keep, terms);
      if (!std::isfinite(totals.total)) fail(records, "the loss is not finite");
      tape.backward(terms.total);
    }
    const double scale = 1 / std::max<double>(1, static_cast<double>(totals.size));
    const double norm = adam.grad_norm(scale);
    if (!std::isfinite(norm)) fail(records, "the gradient is not finite");
    StepMetrics m = totals.metrics();
    m.rate = settings.rate.at(step);
    m.grad_norm = adam.step(m.rate, scale, norm);
    m.temperature = settings.method == "cmsc" ? 0 : model.w2v().quantizer().temperature(ctx.step);
    m.epoch = epoch;
    m.step = ++step;
    return m;
  }

  [[noreturn]] void fail(const std::string& records, const char* what) const {
    const auto newest = checkpoints.last();
    throw Error(str("step ", step + 1, ": ", what, "; nothing was updated. Records: ", records,
                    ". Last checkpoint: ", newest ? checkpoints.path(*newest) : "none"));
  }

  /// Losses of the held-back patients: the same masks and negatives every time, all leads, no dropout.
  StepMetrics validate() {
    data::Loader batches(cache, validation,
                         {.batch = std::min(settings.batch, validation.items() * validation.per_item),
                          .seed = settings.seed,
                          .shuffle = false,
                          .drop_last = false,
                          .prefetch = 1});
    detail::Totals totals;
    for (Index i = 0; i < batches.batches_per_epoch(); ++i) {
      const data::Batch& b = batches.next();
      Ctx ctx = {.seed = settings.seed, .step = static_cast<std::uint64_t>(i)};
      const auto batch = to_device<T>(b, b.present, device);
      totals.add(model.forward(ctx.at("validation"), Var<T>(batch.signal), batch));
    }
    StepMetrics m = totals.metrics();
    m.step = step;
    m.epoch = (step - 1) / per_epoch;
    return m;
  }
};

ANYLEAD_INLINE PretrainRun::PretrainRun(const Settings& settings, const data::SegmentCache& cache, const Device& device)
    : state_(std::make_unique<State>(settings, cache, device)) {}
ANYLEAD_INLINE PretrainRun::~PretrainRun() = default;

ANYLEAD_INLINE Index PretrainRun::step() const { return state_->step; }
ANYLEAD_INLINE Index PretrainRun::last_step() const { return state_->last; }
ANYLEAD_INLINE Index PretrainRun::training_segments() const { return static_cast<Index>(state_->training.segments.size()); }
ANYLEAD_INLINE Index PretrainRun::validation_segments() const { return static_cast<Index>(state_->validation.segments.size()); }
ANYLEAD_INLINE const ssl::PretrainModel<float>& PretrainRun::model() const { return state_->model; }
ANYLEAD_INLINE const Settings& PretrainRun::settings() const { return state_->settings; }
ANYLEAD_INLINE const Device& PretrainRun::device() const { return state_->device; }
ANYLEAD_INLINE const Snapshot& PretrainRun::snapshot() const { return state_->snapshot; }
ANYLEAD_INLINE std::optional<Index> PretrainRun::resumed_from() const { return state_->resumed; }
ANYLEAD_INLINE std::string PretrainRun::last_checkpoint() const {
  const auto newest = state_->checkpoints.last();
  return newest ? state_->checkpoints.path(*newest) : std::string();
}

ANYLEAD_INLINE void PretrainRun::run(const PretrainCallbacks& callbacks) {
  State& s = *state_;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const Index validate_every = s.settings.validate_every > 0 ? s.settings.validate_every : s.per_epoch;
  const Index save_every = s.settings.save_every > 0 ? s.settings.save_every : s.per_epoch;
  const bool validates = s.validation.items() > 0;
  bool ending = s.step >= s.last;
  while (!ending) {
    const double before = seconds();
    const bool out_of_time = [&] { return s.settings.max_seconds > 0 && before >= s.settings.max_seconds; }();
    if (out_of_time) break;
    const Index next = s.step + 1;
    StepMetrics m = s.update(next == 1 || next == s.last || next % save_every == 0 || s.settings.max_seconds > 0);
    m.seconds = seconds();
    m.segments_per_second = static_cast<double>(s.settings.batch * s.settings.accumulate) / std::max(1e-9, m.seconds - before);
    s.log->append(detail::metrics_line(m, "train"));
    if (callbacks.on_step) callbacks.on_step(m);
    ending = s.step >= s.last || (callbacks.stop && callbacks.stop());
    bool improved = false;
    if (validates && (s.step % validate_every == 0 || s.step >= s.last)) {
      StepMetrics v = s.validate();
      v.seconds = seconds();
      s.log->append(detail::metrics_line(v, "validation"));
      if (callbacks.on_validation) callbacks.on_validation(v);
      improved = v.loss < s.best;
      s.best = std::min(s.best, v.loss);
    }
    if (ending || improved || s.step % save_every == 0) {
      s.save();
      if (improved) s.checkpoints.mark_best(s.step);
      s.checkpoints.prune(s.settings.keep);
    }
  }
  s.save();
}

ANYLEAD_INLINE data::SegmentCache open_segments(const Settings& s, const std::string& cache_folder,
                                                const std::function<void(Index, Index)>& progress) {
  const data::SegmentOptions options = segment_options(s);
  if (s.data == "synthetic")
    return data::cached_segments(data::SyntheticCohort({.patients = s.cohort_patients,
                                                        .records_per_patient = s.cohort_records,
                                                        .seconds = std::max(10.0, 2 * s.seconds),
                                                        .rate_hz = s.rate_hz,
                                                        .seed = s.cohort_seed}),
                                 cache_folder, options, progress);
  return data::cached_segments(data::RecordFolder(s.data, {.match = s.match,
                                                           .ignore_checksums = s.ignore_checksums,
                                                           .patients_csv = s.patients,
                                                           .array_rate_hz = s.array_rate_hz,
                                                           .array_leads = detail::split_list(s.array_leads)}),
                               cache_folder, options, progress);
}

ANYLEAD_INLINE std::vector<StepMetrics> read_metrics(const std::string& path, const std::string& kind) {
  std::vector<StepMetrics> all;
  std::ifstream file(path);
  Index number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) throw FormatError(path, str("line ", number), "expected a JSON object");
    if (json.value("kind", "") != kind) continue;
    StepMetrics m;
    detail::describe_metrics(m, [&](const char* name, auto& value) {
      if (json.contains(name) && json.at(name).is_number())
        value = json.at(name).get<std::remove_reference_t<decltype(value)>>();
    });
    all.push_back(m);
  }
  return all;
}

}  // namespace anylead::train
