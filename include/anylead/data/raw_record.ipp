#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/data/ascii.hpp>
#include <anylead/data/raw_record.hpp>

namespace anylead::data {
namespace detail {

/// The text behind `key:` at the start of a comment or `<key>:` anywhere in it (then up to the next '<').
inline std::optional<std::string_view> comment_value(std::string_view comment, std::string_view key) {
  const std::string text = lower(comment);
  if (const std::size_t at = text.find(str("<", key, ">:")); at != text.npos) {
    const std::string_view rest = comment.substr(at + key.size() + 3);
    return trimmed(rest.substr(0, rest.find('<')));
  }
  if (!text.starts_with(key)) return std::nullopt;
  const std::string_view rest = trimmed(comment.substr(key.size()));
  if (!rest.starts_with(':')) return std::nullopt;
  return trimmed(rest.substr(1));
}

/// Sample t of a signal on a grid that is n_max / n times as fine.
inline double interpolated(const double* x, Index count, Index t, Index n, Index n_max) {
  const Index i = t * n / n_max, rest = t * n % n_max;
  if (rest == 0 || i + 1 >= count) return x[std::min(i, count - 1)];
  const double f = static_cast<double>(rest) / static_cast<double>(n_max);
  return (1 - f) * x[i] + f * x[i + 1];
}

}  // namespace detail

ANYLEAD_INLINE std::optional<double> millivolts_per(std::string_view unit) {
  const std::string u = detail::lower(detail::trimmed(unit));
  if (u == "mv") return 1;
  if (u == "v") return 1e3;
  if (u == "nv") return 1e-6;
  // The micro sign, the Greek letter, and the micro sign as one byte of Latin-1.
  for (const char* micro : {"uv", "\xC2\xB5v", "\xCE\xBCv", "\xB5v"})
    if (u == micro) return 1e-3;
  return std::nullopt;
}

ANYLEAD_INLINE void describe_from_comments(RawRecord& record) {
  for (const std::string& comment : record.comments) {
    if (const auto age = detail::comment_value(comment, "age")) {
      double years = 0;
      const auto parsed = std::from_chars(age->data(), age->data() + age->size(), years);
      if (parsed.ec == std::errc() && years >= 0 && years <= 150) record.age_years = years;  // false for NaN
    }
    if (const auto sex = detail::comment_value(comment, "sex")) {
      const std::string s = detail::lower(*sex);
      if (s == "f" || s == "female") record.sex = "female";
      if (s == "m" || s == "male") record.sex = "male";
    }
    if (auto codes = detail::comment_value(comment, "dx")) {
      while (!codes->empty()) {
        const std::size_t comma = std::min(codes->find(','), codes->size());
        const std::string_view code = detail::trimmed(codes->substr(0, comma));
        if (!code.empty()) record.codes.emplace_back(code);
        codes->remove_prefix(std::min(comma + 1, codes->size()));
      }
    }
  }
}

ANYLEAD_INLINE Record to_record(const RawRecord& record) {
  constexpr Index kMostGrowth = 64;  // a slow lead beside fast ones may grow; a hostile header asks for millions of times
  std::vector<const RawSignal*> voltages;
  Index n_max = 1, stored = 0;
  for (const RawSignal& s : record.signals) {
    const auto count = static_cast<Index>(s.values.size());
    stored += count;
    if (!millivolts_per(s.unit)) continue;
    voltages.push_back(&s);
    n_max = std::max(n_max, s.samples_per_frame);
  }
  if (voltages.empty())
    throw FormatError(record.id, "", "expected a signal in volts, millivolts, microvolts or nanovolts, found none");

  const RawSignal& first = *voltages.front();
  const Index frames = static_cast<Index>(first.values.size()) / std::max<Index>(first.samples_per_frame, 1);
  for (const RawSignal* s : voltages) {
    const auto count = static_cast<Index>(s->values.size());
    if (s->samples_per_frame < 1 || count % s->samples_per_frame != 0 || count / s->samples_per_frame != frames)
      throw FormatError(record.id, "",
                        str("signal ", printable(s->name), ": expected ", frames, " frames of ", s->samples_per_frame,
                            " samples, found ", count, " samples"));
    if (s->skew_frames < 0) throw FormatError(record.id, "", str("signal ", printable(s->name), ": skew ", s->skew_frames));
  }
  const auto leads = static_cast<Index>(voltages.size());
  if (frames > 0 && n_max > kMostGrowth * stored / frames / leads)
    throw FormatError(record.id, "",
                      str("expected voltages at similar rates, found ", leads, " of up to ", n_max, " samples per frame in ",
                          stored, " samples of ", frames, " frames"));

  Record out;
  out.id = record.id;
  out.rate_hz = record.rate_hz * static_cast<double>(n_max);
  out.samples = frames * n_max;
  out.age_years = record.age_years;
  out.sex = record.sex;
  out.codes = record.codes;
  out.comments = record.comments;
  out.notes = record.notes;
  out.signal.resize(static_cast<std::size_t>(leads * out.samples), std::numeric_limits<float>::quiet_NaN());
  for (Index c = 0; c < leads; ++c) {
    const RawSignal& s = *voltages[static_cast<std::size_t>(c)];
    out.leads.push_back(s.name);
    const double scale = *millivolts_per(s.unit);
    const Index skew = std::min(s.skew_frames, frames), n = s.samples_per_frame;
    const double* x = s.values.data() + skew * n;
    const Index count = (frames - skew) * n;
    float* y = out.lead(c);
    for (Index t = 0; t < (frames - skew) * n_max; ++t) {
      const double v = scale * (n == n_max ? x[t] : detail::interpolated(x, count, t, n, n_max));
      if (std::abs(v) <= static_cast<double>(std::numeric_limits<float>::max())) y[t] = static_cast<float>(v);
    }
  }
  return out;
}

}  // namespace anylead::data
