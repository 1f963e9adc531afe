#pragma once

#include <algorithm>
#include <cmath>

#include <anylead/data/hash.hpp>
#include <anylead/data/invalid.hpp>
#include <anylead/data/segments.hpp>

namespace anylead::data {

ANYLEAD_INLINE void PreparedRecord::copy_segment(Index s, float* to) const {
  const Index leads = static_cast<Index>(leads_.size());
  for (Index n = 0; n < leads; ++n, to += samples_) {
    if (present[s * leads + n])
      std::copy_n(leads_[n].data() + position[s] * samples_, samples_, to);
    else
      std::fill_n(to, samples_, 0.f);
  }
}

ANYLEAD_INLINE std::vector<float> PreparedRecord::signal() const {
  const std::size_t values = leads_.size() * static_cast<std::size_t>(samples_);
  std::vector<float> all(static_cast<std::size_t>(size()) * values);
  for (Index s = 0; s < size(); ++s) copy_segment(s, all.data() + static_cast<std::size_t>(s) * values);
  return all;
}

ANYLEAD_INLINE Segmenter::Segmenter(const SegmentOptions& options) : options_(options), order_(options.leads) {
  ANYLEAD_CHECK(options.rate_hz >= 25 && options.rate_hz <= 1e5, OptionError, "segments",
                "expected a rate from 25 Hz to 100 kHz, found ", options.rate_hz);
  const double samples = options.seconds * options.rate_hz;
  ANYLEAD_CHECK(samples >= 1 && samples <= 1e7, OptionError, "segments", "expected 1 to 10 million samples, found ",
                options.seconds, " s at ", options.rate_hz, " Hz");
  ANYLEAD_CHECK(options.bridged_seconds >= 0 && options.bridged_seconds <= options.seconds, OptionError, "segments",
                "expected gaps of 0 to ", options.seconds, " s to be bridged, found ", options.bridged_seconds);
  samples_ = static_cast<Index>(std::llround(samples));
}

ANYLEAD_INLINE PreparedRecord Segmenter::operator()(const Record& record) const {
  ANYLEAD_CHECK(record.samples >= 0 && record.signal.size() == record.leads.size() * static_cast<std::size_t>(record.samples),
                FormatError, record.id, record.leads.size(), " leads of ", record.samples, " samples, but ",
                record.signal.size(), " values");
  ANYLEAD_CHECK(record.rate_hz >= 25 && record.rate_hz <= 1e5, FormatError, record.id,
                "expected a sampling rate from 25 Hz to 100 kHz, found ", record.rate_hz, " Hz");
  const Index leads = order_.size();
  const auto match = order_.match(record.leads);
  const auto longest_gap = static_cast<Index>(options_.bridged_seconds * record.rate_hz + 1e-9);

  PreparedRecord out;
  out.counts.records = 1;
  out.counts.leads_repeated = match.repeated;
  for (const std::string& note : record.notes) out.counts.notes.push_back({record.id, note});
  Hash64 content;
  content.add(record.rate_hz);
  bool varies = false;
  out.samples_ = samples_;
  out.leads_.resize(static_cast<std::size_t>(leads));
  auto& rows = out.leads_;
  Index missing = 0;
  for (Index n = 0; n < leads; ++n) {
    if (match.row[n] < 0) {
      ++missing;
      continue;
    }
    std::vector<float> lead(record.lead(match.row[n]), record.lead(match.row[n]) + record.samples);
    out.counts.samples_bridged += bridge_gaps(lead, longest_gap);
    if (!is_flat(lead)) {
      varies = true;
      content.add(static_cast<std::uint64_t>(n));
      content.add(lead.data(), lead.size() * sizeof(float));
    }
    rows[n] = at_model_rate(lead, record.rate_hz);
    if (options_.normalization == Normalization::z_score) standardize(rows[n]);
  }
  out.content = varies ? content.value() : 0;

  Index total = resampled_length(record.samples, record.rate_hz, options_.rate_hz);
  for (const auto& row : rows)
    if (!row.empty()) total = static_cast<Index>(row.size());  // may differ by one where the ratio of rates is not exact
  const Index pieces = total / samples_;
  for (Index p = 0; p < pieces; ++p) {
    Index kept = 0;
    for (const auto& row : rows) {
      const std::span<const float> part(row.empty() ? nullptr : row.data() + p * samples_,
                                        row.empty() ? 0 : static_cast<std::size_t>(samples_));
      const bool usable = !part.empty() && all_valid(part) && !(options_.flat_is_absent && is_flat(part));
      out.present.push_back(usable);
      kept += usable;
    }
    if (kept > 0) {
      out.position.push_back(p);
      out.counts.leads_dropped += leads - missing - kept;
    } else {
      out.present.resize(out.present.size() - static_cast<std::size_t>(leads));
      ++out.counts.segments_dropped;
    }
  }
  out.counts.segments = out.size();
  out.counts.used = out.size() > 0;
  out.counts.too_short = pieces == 0;
  out.counts.without_segment = pieces > 0 && out.size() == 0;
  out.counts.leads_missing = out.size() > 0 ? missing : 0;
  return out;
}

ANYLEAD_INLINE std::vector<float> Segmenter::at_model_rate(std::span<const float> lead, double rate_hz) const {
  if (rate_hz == options_.rate_hz) return {lead.begin(), lead.end()};
  if (options_.resampling == Resampling::linear) return resample_linear(lead, rate_hz, options_.rate_hz);
  return (*resampler(rate_hz))(lead);
}

ANYLEAD_INLINE std::shared_ptr<const Resampler> Segmenter::resampler(double rate_hz) const {
  const std::lock_guard lock(mutex_);
  if (resamplers_.size() >= 8 && !resamplers_.contains(rate_hz))
    resamplers_.clear();  // files with absurd rates must not pile up
  auto& entry = resamplers_[rate_hz];
  if (!entry) entry = std::make_shared<const Resampler>(rate_hz, options_.rate_hz);
  return entry;
}

}  // namespace anylead::data
