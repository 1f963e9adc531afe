#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/isa.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/report/html.hpp>
#include <anylead/train/progress.hpp>
#include <anylead/train/run_report.hpp>

namespace anylead::train {

namespace detail {

ANYLEAD_INLINE report::Series curve(const std::string& name, const std::vector<StepMetrics>& metrics,
                                    double StepMetrics::*value) {
  report::Series s{name, {}, {}};
  for (const auto& m : metrics) {
    s.x.push_back(static_cast<double>(m.step));
    s.y.push_back(m.*value);
  }
  return s;
}

ANYLEAD_INLINE std::string rounded(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// Masked frames as stretches of time.
ANYLEAD_INLINE std::vector<report::TimeSpan> masked_spans(const std::vector<Flag>& mask, double seconds) {
  std::vector<report::TimeSpan> spans;
  const double frame = seconds / static_cast<double>(std::max<std::size_t>(1, mask.size()));
  for (std::size_t t = 0; t < mask.size(); ++t) {
    if (!mask[t]) continue;
    const double begin = static_cast<double>(t) * frame;
    if (t > 0 && mask[t - 1])
      spans.back().end = begin + frame;
    else
      spans.push_back({begin, begin + frame});
  }
  return spans;
}

}  // namespace detail

ANYLEAD_INLINE void write_report(const PretrainRun& run, const data::SegmentCache& cache, const std::string& path) {
  using detail::curve;
  using detail::rounded;
  const Settings& s = run.settings();
  const auto train = read_metrics(s.out + "/metrics.jsonl", "train"),
             held_back = read_metrics(s.out + "/metrics.jsonl", "validation");
  report::RunReport r;
  r.title = str("Pre-training: ", s.method, s.rlm > 0 ? str(" + RLM ", s.rlm) : std::string(), ", ", s.config);
  r.subtitle = str("step ", run.step(), " of ", run.last_step(), "; data: ", s.data);
  if (!train.empty()) {
    const StepMetrics& m = train.back();
    r.key_numbers = {{"loss", rounded(m.loss, 3), "per masked frame, nats"},
                     {"contrastive accuracy", rounded(100 * m.accuracy, 1) + " %", "of masked frames, last batch"},
                     {"code perplexity", rounded(m.code_perplexity, 1), str("of ", s.model.w2v.groups * s.model.w2v.entries)}};
    std::vector<double> rate;
    for (const auto& x : train) rate.push_back(x.segments_per_second);
    std::nth_element(rate.begin(), rate.begin() + static_cast<std::ptrdiff_t>(rate.size() / 2), rate.end());
    r.key_numbers.push_back({"throughput", rounded(rate[rate.size() / 2], 1), "segments per second, median"});
  }
  if (!held_back.empty()) {
    r.key_numbers.push_back({"held-back loss", rounded(held_back.back().loss, 3), str(run.validation_segments(), " segments")});
    r.key_numbers.push_back(
        {"held-back accuracy", rounded(100 * held_back.back().accuracy, 1) + " %", "all leads, no dropout"});
  }
  r.loss = {curve("training", train, &StepMetrics::loss)};
  r.parts = {curve("contrastive", train, &StepMetrics::contrastive), curve("CMSC", train, &StepMetrics::cmsc),
             curve("diversity", train, &StepMetrics::diversity), curve("feature penalty", train, &StepMetrics::penalty)};
  r.accuracy = {curve("training", train, &StepMetrics::accuracy)};
  r.perplexity = {curve("codes", train, &StepMetrics::code_perplexity),
                  curve("probabilities", train, &StepMetrics::prob_perplexity)};
  r.learning_rate = {curve("rate", train, &StepMetrics::rate)};
  r.gradient_norm = {curve("norm", train, &StepMetrics::grad_norm)};
  r.throughput = {curve("segments/s", train, &StepMetrics::segments_per_second)};
  if (!held_back.empty()) {
    r.loss.push_back(curve("held back", held_back, &StepMetrics::loss));
    r.accuracy.push_back(curve("held back", held_back, &StepMetrics::accuracy));
    r.validation = {curve("contrastive", held_back, &StepMetrics::contrastive), curve("CMSC", held_back, &StepMetrics::cmsc)};
  }
  const Snapshot& shot = run.snapshot();
  if (!shot.signal.empty()) {
    report::EcgStrip strip;
    strip.signal = shot.signal;
    strip.samples = shot.samples;
    strip.rate_hz = cache.rate_hz();
    strip.leads = cache.lead_names();
    strip.title = "What the model saw last";
    strip.caption = "hatched: masked leads; bands: masked frames";
    strip.layout = report::EcgLayout::stacked;
    for (const Flag kept : shot.kept) strip.masked_leads.push_back(!kept);
    strip.masked_spans = detail::masked_spans(shot.frame_mask, static_cast<double>(shot.samples) / cache.rate_hz());
    strip.embedded = true;
    r.strips.push_back(std::move(strip));
  }
  if (!shot.usage.empty()) {
    const auto half = static_cast<std::ptrdiff_t>(shot.usage.size() / 2);
    r.code_usage = {.title = "Codewords chosen in the last batch",
                    .groups = shot.groups,
                    .codewords = static_cast<Index>(half) / std::max<Index>(1, shot.groups),
                    .share = std::vector<double>(shot.usage.begin() + half, shot.usage.end())};
  }
  const data::PreparationReport& d = cache.report();
  r.data.numbers = {{"recordings", std::to_string(d.records), str(d.used, " used")},
                    {"patients", std::to_string(cache.patients().size()), ""},
                    {"segments", std::to_string(d.segments), str(d.segments_dropped, " dropped")},
                    {"training", std::to_string(run.training_segments()), "segments"},
                    {"held back", std::to_string(run.validation_segments()), "segments"},
                    {"duplicates", std::to_string(d.duplicates.size()), "left out"},
                    {"leads missing", std::to_string(d.leads_missing), "zero and absent"},
                    {"leads emptied", std::to_string(d.leads_dropped), "long gaps"},
                    {"samples bridged", std::to_string(d.samples_bridged), "short gaps"}};
  r.data.files = {{"could not be read", {}}, {"left out in favour of a copy", {}}, {"read with a note", {}}};
  for (const auto& [record, message] : d.bad) r.data.files[0].files.emplace_back(record, message);
  for (const auto& [record, of] : d.duplicates) r.data.files[1].files.emplace_back(record, "the same recording as " + of);
  for (const auto& [record, message] : d.notes) r.data.files[2].files.emplace_back(record, message);

  describe(s, [&](const char* group, const char* name, const auto& value, const char*) {
    if (r.settings.empty() || r.settings.back().heading != group) r.settings.push_back({group, {}});
    r.settings.back().values.emplace_back(name, str(value));
  });
  const MemoryStatistics memory = memory_pool(run.device()).statistics();
  r.resources = {{"This run",
                  {{"parameters", std::to_string(nn::parameter_count(run.model()))},
                   {"tensors at most", str(memory.peak >> 20, " MiB")},
                   {"time", duration_text(train.empty() ? 0 : train.back().seconds)},
                   {"device", str(run.device())},
                   {"threads", std::to_string(threads())},
                   {"instruction set", std::string(name(current_isa()))}}}};
  replace_text(path, report::html_page(r));
}

}  // namespace anylead::train
