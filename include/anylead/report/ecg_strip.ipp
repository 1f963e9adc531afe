#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <anylead/core/error.hpp>
#include <anylead/core/text.hpp>
#include <anylead/report/ecg_strip.hpp>
#include <anylead/report/svg.hpp>

namespace anylead::report {
namespace detail {

// User units are tenths of a millimetre of paper, so that whole numbers are exact enough and short.
inline constexpr double kUnitsPerMm = 10, kUnitsPerSecond = 25 * kUnitsPerMm;
inline constexpr int kColumn = 2;  // two extremes side by side

/// A part of one lead in its place on the paper.
struct StripCell {
  Index lead;
  double begin, end;   ///< seconds of the recording
  double x, y;         ///< where the second `begin` and 0 mV are
  double top, bottom;  ///< of the row
};

/// Appends `M x y l dx dy ...` through points of whole numbers with ascending x, leaving out those that are closer than 0.05 mm
/// to the straight line between their neighbours kept: a line is prolonged while its end stays in the cone that all points
/// passed so far allow (Sklansky and Gonzalez 1980).
ANYLEAD_INLINE void append_trace(std::string& path, const std::vector<std::array<int, 2>>& points) {
  constexpr double kTolerance = 0.5;
  if (points.empty()) return;
  std::array<int, 2> from = points[0], last = from;
  append(path, str('M', from[0], ' ', from[1], 'l'));
  double low = -1e9, high = 1e9;
  bool first = true;
  const auto keep = [&](const std::array<int, 2>& p) {
    const int dx = p[0] - from[0], dy = p[1] - from[1];
    append(path, str(first ? "" : " ", dx, dy < 0 ? "" : " ", dy));
    first = false;
    from = p;
    low = -1e9;
    high = 1e9;
  };
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& p = points[i];
    const auto slope = [&](double shift) { return (p[1] + shift - from[1]) / (p[0] - from[0]); };
    if (slope(0) < low || slope(0) > high) keep(last);
    low = std::max(low, slope(-kTolerance));
    high = std::min(high, slope(kTolerance));
    last = p;
  }
  if (points.size() == 1)
    path += "1 0";  // a lone sample is a dot
  else
    keep(last);
}

/// The trace of one cell: runs of finite samples, each reduced to the first and last extreme of every column.
ANYLEAD_INLINE std::string trace_path(const EcgStrip& strip, const StripCell& cell, double top, double bottom) {
  const auto sample_at = [&](double seconds) {
    return std::clamp(static_cast<Index>(std::ceil(seconds * strip.rate_hz - 1e-6)), Index{0}, strip.samples);
  };
  const float* lead = strip.signal.data() + cell.lead * strip.samples;
  const double units_per_mv = strip.mm_per_mv * kUnitsPerMm;
  const auto row = [&](Index i) {
    return static_cast<int>(std::lround(std::clamp(cell.y - units_per_mv * double{lead[i]}, top, bottom)));
  };
  const auto place = [&](Index i) { return cell.x + (double(i) / strip.rate_hz - cell.begin) * kUnitsPerSecond; };
  std::string path;
  std::vector<std::array<int, 2>> points;
  const Index end = sample_at(cell.end);
  for (Index i = sample_at(cell.begin); i < end;) {
    if (!std::isfinite(lead[i])) {
      append_trace(path, points);
      points.clear();
      ++i;
      continue;
    }
    const int column = static_cast<int>(place(i)) / kColumn;
    Index lowest = i, highest = i;
    for (; i < end && std::isfinite(lead[i]) && static_cast<int>(place(i)) / kColumn == column; ++i) {
      if (lead[i] < lead[lowest]) lowest = i;
      if (lead[i] > lead[highest]) highest = i;
    }
    const Index earlier = std::min(lowest, highest), later = std::max(lowest, highest);
    points.push_back({kColumn * column, row(earlier)});
    if (row(later) != row(earlier)) points.push_back({kColumn * column + 1, row(later)});
  }
  append_trace(path, points);
  return path;
}

/// How far a cell reaches above and below 0 mV, in units, without its largest 0.2 % at either end: one spike makes no tall row.
ANYLEAD_INLINE std::array<double, 2> reach(const EcgStrip& strip, const StripCell& cell) {
  const Index from = std::clamp(static_cast<Index>(cell.begin * strip.rate_hz), Index{0}, strip.samples);
  const Index to = std::clamp(static_cast<Index>(cell.end * strip.rate_hz), from, strip.samples);
  std::vector<float> values;
  for (Index i = from; i < to; ++i)
    if (const float v = strip.signal[cell.lead * strip.samples + i]; std::isfinite(v)) values.push_back(v);
  if (values.empty()) return {0, 0};
  const auto quantile = [&](double q) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * double(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return double{*at} * strip.mm_per_mv * kUnitsPerMm;
  };
  return {std::max(0.0, quantile(0.998)), std::max(0.0, -quantile(0.002))};
}

ANYLEAD_INLINE void validate(const EcgStrip& strip) {
  const Index channels = static_cast<Index>(strip.leads.size());
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  ANYLEAD_CHECK(positive(strip.rate_hz), OptionError, "ecg_strip", "expected a positive rate, found ", strip.rate_hz, " Hz");
  ANYLEAD_CHECK(positive(strip.seconds) && strip.seconds <= 3600, OptionError, "ecg_strip",
                "expected to show more than 0 s and at most an hour, found ", strip.seconds, " s");
  ANYLEAD_CHECK(positive(strip.mm_per_mv) && strip.mm_per_mv <= 1e6, OptionError, "ecg_strip",
                "expected a positive scale, found ", strip.mm_per_mv, " mm/mV");
  ANYLEAD_CHECK(std::isfinite(strip.from_seconds) && strip.from_seconds >= 0, OptionError, "ecg_strip",
                "expected to begin at 0 s or later, found ", strip.from_seconds, " s");
  ANYLEAD_CHECK(strip.samples >= 0 && static_cast<Index>(strip.signal.size()) == channels * strip.samples, ShapeError,
                "ecg_strip", "expected a signal [", channels, ", ", strip.samples, "], found ", strip.signal.size(),
                " samples");
  ANYLEAD_CHECK(strip.masked_leads.empty() || static_cast<Index>(strip.masked_leads.size()) == channels, ShapeError,
                "ecg_strip", "expected masked_leads [", channels, "], found [", strip.masked_leads.size(), "]");
}

/// Row of the signal for each standard lead by its usual name in any case, empty unless all are there.
ANYLEAD_INLINE std::vector<Index> standard_rows(const std::vector<std::string>& leads) {
  constexpr std::array<std::string_view, 12> names = {"i",  "ii", "iii", "avr", "avl", "avf",
                                                      "v1", "v2", "v3",  "v4",  "v5",  "v6"};
  std::vector<Index> rows;
  for (const std::string_view name : names) {
    const auto same = [&](const std::string& lead) {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
      return std::equal(lead.begin(), lead.end(), name.begin(), name.end(), [&](char x, char y) { return lower(x) == y; });
    };
    const auto found = std::find_if(leads.begin(), leads.end(), same);
    if (found == leads.end()) return {};
    rows.push_back(found - leads.begin());
  }
  return rows;
}

/// Diagonal lines 3 mm apart over a rectangle.
ANYLEAD_INLINE std::string hatching(double x, double y, double width, double height) {
  std::string path;
  for (double d = 3 * kUnitsPerMm; d < width + height; d += 3 * kUnitsPerMm) {  // from the top or right to the left or bottom
    const double x1 = std::min(d, width), y1 = d - x1, y2 = std::min(d, height), x2 = d - y2;
    append(path, str('M', number(x + x1, 0), ' ', number(y + y1, 0), 'L', number(x + x2, 0), ' ', number(y + y2, 0)));
  }
  return path;
}

}  // namespace detail

ANYLEAD_INLINE EcgStrip strip_of(const data::Record& record) {
  EcgStrip strip;
  strip.signal = record.signal;
  strip.samples = record.samples;
  strip.rate_hz = record.rate_hz;
  strip.leads = record.leads;
  strip.title = record.id;
  const auto add = [&](const std::string& part) { strip.caption += (strip.caption.empty() ? "" : ", ") + part; };
  if (!record.sex.empty()) add(record.sex);
  if (record.age_years) add(number(*record.age_years, 0) + " years");
  for (const std::string& code : record.codes) add(code);
  return strip;
}

ANYLEAD_INLINE std::string ecg_strip(const EcgStrip& strip) {
  using namespace detail;
  validate(strip);
  constexpr double mm = kUnitsPerMm;
  const Index channels = static_cast<Index>(strip.leads.size());
  const double from = std::min(strip.from_seconds, double(strip.samples) / strip.rate_hz);
  const double to = std::min(from + strip.seconds, double(strip.samples) / strip.rate_hz);
  const auto standard = standard_rows(strip.leads);

  std::vector<std::vector<StripCell>> rows;
  if (strip.layout == EcgLayout::standard && !standard.empty()) {
    for (std::size_t r = 0; r < 3; ++r) {
      rows.emplace_back();
      for (std::size_t q = 0; q < 4; ++q)
        rows.back().push_back(
            {standard[3 * q + r], from + double(q) * (to - from) / 4, from + double(q + 1) * (to - from) / 4, 0, 0, 0, 0});
    }
    rows.push_back({{standard[1], from, to, 0, 0, 0, 0}});
  } else {
    for (Index c = 0; c < channels; ++c) rows.push_back({{c, from, to, 0, 0, 0, 0}});
  }

  // Places: margins 5 mm, title above, 10 mm for the pulse before the traces. All are multiples of 5 mm, so that 0 mV and every
  // second lie on coarse lines.
  const bool titled = !strip.title.empty() || !strip.caption.empty();
  const double left = 5 * mm, start = left + 10 * mm, top = (titled ? 15 : 5) * mm;
  const double right = start + std::max(5 * mm, std::ceil((to - from) * 5 - 1e-6) * 5 * mm);
  double bottom = top;
  for (auto& row : rows) {
    double up = 10 * mm, down = 5 * mm;  // room for pulse and label
    for (const StripCell& cell : row) {
      const auto [above, below] = reach(strip, cell);
      up = std::max(up, above + 2 * mm);
      down = std::max(down, below);
    }
    const auto whole = [](double reach) { return std::min(std::ceil(reach / (5 * mm) - 0.2) * 5 * mm, 40 * mm); };
    for (StripCell& cell : row) {
      cell.x = start + (cell.begin - from) * kUnitsPerSecond;
      cell.y = bottom + whole(up);
      cell.top = bottom;
      cell.bottom = bottom + whole(up) + whole(down);
    }
    bottom += whole(up) + whole(down);
  }
  const double width = right + 5 * mm, height = bottom + 9 * mm;

  std::string names;
  for (const std::string& lead : strip.leads) names += (names.empty() ? "" : ", ") + lead;
  Svg svg(width, height, strip.title.empty() ? "Electrocardiogram" : strip.title,
          str(strip.caption, strip.caption.empty() ? "" : ". ", "Leads ", names, ", ", number(to - from, 2),
              " seconds, 25 mm/s, ", number(strip.mm_per_mv, 2), " mm/mV."));
  svg.open_group("ecg");
  svg.rect(0, 0, width, height, "paper");
  std::string fine, coarse;
  for (double x = left; x <= right + 0.5; x += mm)
    append(std::lround((x - left) / mm) % 5 == 0 ? coarse : fine,
           str('M', number(x, 0), ' ', number(top, 0), 'V', number(bottom, 0)));
  for (double y = top; y <= bottom + 0.5; y += mm)
    append(std::lround((y - top) / mm) % 5 == 0 ? coarse : fine,
           str('M', number(left, 0), ' ', number(y, 0), 'H', number(right, 0)));
  svg.path(fine, "fine");
  svg.path(coarse, "coarse");

  for (const TimeSpan& span : strip.masked_spans) {
    const double begin = std::max(span.begin, from), end = std::min(span.end, to);
    if (begin < end)
      svg.rect(start + (begin - from) * kUnitsPerSecond, top, (end - begin) * kUnitsPerSecond, bottom - top, "band",
               str("masked ", number(begin, 2), " s to ", number(end, 2), " s"));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double pulse = std::min(strip.mm_per_mv, 20.0) * mm, y0 = rows[r][0].y;
    svg.path(str('M', number(left + 1.5 * mm, 0), ' ', number(y0, 0), 'h', number(1.5 * mm, 0), 'v', number(-pulse, 0), 'h',
                 number(4 * mm, 0), 'v', number(pulse, 0), 'h', number(1.5 * mm, 0)),
             "pulse");
    for (const StripCell& cell : rows[r]) {
      const bool masked = !strip.masked_leads.empty() && strip.masked_leads[cell.lead] != 0;
      const double cell_width = (cell.end - cell.begin) * kUnitsPerSecond;
      if (masked) {
        const double y = cell.top + mm, tall = cell.bottom - cell.top - 2 * mm;
        svg.rect(cell.x, y, cell_width, tall, "veil", str("lead ", strip.leads[cell.lead], " is masked"));
        svg.path(hatching(cell.x, y, cell_width, tall), "hatch");
      }
      const std::string trace = trace_path(strip, cell, top, bottom);
      if (!trace.empty()) svg.path(trace, masked ? "pale" : "trace");
      if (cell.begin > from) svg.line(cell.x, cell.y - 4 * mm, cell.x, cell.y + 3 * mm, "cut");
    }
  }
  for (const auto& row : rows)  // labels last, over all traces
    for (const StripCell& cell : row) svg.text(cell.x + 1.2 * mm, cell.y - 7 * mm, strip.leads[cell.lead], "label halo");

  if (titled) {
    svg.text(left, 6.5 * mm, strip.title, "heading");
    svg.text(left, 11.5 * mm, strip.caption, "soft");
  }
  svg.text(left, bottom + 5.5 * mm,
           str("25 mm/s · ", number(strip.mm_per_mv, 2), " mm/mV · ", number(strip.rate_hz, 2), " Hz",
               from > 0 ? " · from " : "", from > 0 ? number(from, 2) + " s" : ""),
           "soft");
  const bool any_lead = std::find_if(strip.masked_leads.begin(), strip.masked_leads.end(), [](Flag f) { return f != 0; }) !=
                        strip.masked_leads.end();
  double key = right - 32 * mm;
  const auto explain = [&](std::string_view meaning, std::string_view style) {
    svg.rect(key, bottom + 2.8 * mm, 5 * mm, 3.2 * mm, style);
    if (style == "veil") svg.path(hatching(key, bottom + 2.8 * mm, 5 * mm, 3.2 * mm), "hatch");
    svg.text(key + 6.5 * mm, bottom + 5.5 * mm, meaning, "soft");
    key -= 36 * mm;
  };
  if (!strip.masked_spans.empty()) explain("masked time", "band");
  if (any_lead) explain("masked lead", "veil");
  svg.close_group();
  return strip.embedded ? svg.embedded(width / mm) : svg.file(width / mm);
}

}  // namespace anylead::report
