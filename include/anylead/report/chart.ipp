#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <anylead/core/error.hpp>
#include <anylead/core/text.hpp>
#include <anylead/report/chart.hpp>
#include <anylead/report/svg.hpp>

namespace anylead::report {
namespace detail {

/// Three significant digits.
ANYLEAD_INLINE std::string rounded(double value) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 3).ptr);
}

/// An interval of values on an interval of the picture.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  bool logarithmic = false;

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  double operator()(double value) const {
    const double v = logarithmic ? std::log10(value) : value;
    const double a = logarithmic ? std::log10(low) : low, b = logarithmic ? std::log10(high) : high;
    return from + (to - from) * ((v - a) / (b - a));
  }
};

/// Extremes of what a scale can show, 0 .. 1 if that is nothing.
class Extent {
 public:
  void add(double value) {
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  bool empty() const { return low_ > high_; }
  double low() const { return empty() ? 0 : low_; }
  double high() const { return empty() ? 1 : high_; }

 private:
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
};

/// A scale with some air, never of zero length.
ANYLEAD_INLINE Scale scale_of(const Extent& extent, double from, double to, double air, bool logarithmic) {
  double low = extent.low(), high = extent.high();
  if (logarithmic) {
    low = extent.empty() ? 0.1 : low;
    const double factor = std::pow(high / low, air) * (high > low * 1.0001 ? 1 : 1.5);
    return {low / factor, high * factor, from, to, true};
  }
  const double span = high / 2 - low / 2 > 1e-12 * std::max(std::abs(low), std::abs(high)) ? high - low : 0;
  const double margin = span > 0 ? air * span : std::max(1e-9, 0.1 * std::abs(low));
  const bool from_zero = low >= 0 && low < 0.25 * high;  // a scale that nearly reaches 0 had better show it
  return {from_zero && air > 0 ? 0 : low - margin, high + margin, from, to, false};
}

struct Frame {
  double left, top, right, bottom;
};

/// Marks of a vertical axis; it runs from its bottom to its top.
ANYLEAD_INLINE std::vector<double> vertical_ticks(const Scale& y) {
  return nice_ticks(y.low, y.high, static_cast<int>((y.from - y.to) / 36), y.logarithmic);
}

/// Where a vertical axis stands: right of its numbers, and of its label if it has one.
ANYLEAD_INLINE double axis_left(const Scale& y, std::string_view label) {
  std::size_t longest = 0;
  for (const double tick : vertical_ticks(y)) longest = std::max(longest, short_number(tick).size());
  const double wide = 7.2 * double(longest);  // digits of the widest of the theme's fonts at 12 px
  return label.empty() ? std::max(52.0, wide + 14) : std::max(66.0, wide + 32);
}

ANYLEAD_INLINE void draw_vertical_axis(Svg& svg, const Frame& f, const Scale& y, std::string_view label) {
  for (const double tick : vertical_ticks(y)) {
    svg.line(f.left, y(tick), f.right, y(tick), "grid");
    svg.text(f.left - 8, y(tick) + 4, short_number(tick), "soft", Anchor::end);
  }
  if (!label.empty()) svg.vertical_text(14, (f.top + f.bottom) / 2, label, "soft");
}

ANYLEAD_INLINE void draw_axes(Svg& svg, const Frame& f, const Scale& x, const Scale& y, std::string_view x_label,
                              std::string_view y_label) {
  draw_vertical_axis(svg, f, y, y_label);
  for (const double tick : nice_ticks(x.low, x.high, static_cast<int>((f.right - f.left) / 70))) {
    svg.line(x(tick), f.bottom, x(tick), f.bottom + 4, "axis");
    svg.text(x(tick), f.bottom + 18, short_number(tick), "soft", Anchor::middle);
  }
  svg.line(f.left, f.bottom, f.right, f.bottom, "axis");
  if (!x_label.empty()) svg.text((f.left + f.right) / 2, f.bottom + 36, x_label, "soft", Anchor::middle);
}

/// Entries side by side with a mark in the series' colour, wrapped; returns the height taken.
ANYLEAD_INLINE double draw_legend(Svg& svg, double left, double top, double right, const std::vector<std::string>& entries) {
  double x = left, y = top;
  for (std::size_t s = 0; s < entries.size(); ++s) {
    const double wide = 22 + 6.6 * double(entries[s].size()) + 14;  // digits and lower case of a 12 px font
    if (x > left && x + wide > right) {
      x = left;
      y += 18;
    }
    svg.rect(x, y - 7, 14, 4, str('f', s % kSeriesColors), {}, 2);
    svg.text(x + 20, y, entries[s], "soft");
    x += wide;
  }
  return entries.empty() ? 0 : y - top + 18;
}

/// Title and legend; returns where the plot may begin.
ANYLEAD_INLINE double draw_head(Svg& svg, double width, std::string_view title, const std::vector<std::string>& legend) {
  if (!title.empty()) svg.text(8, 18, title, "label");
  const double top = title.empty() ? 14 : 40;
  return top + draw_legend(svg, 8, top, width - 8, legend);
}

/// Draws a curve: gaps break it, and each column of the picture gets at most its first, smallest, largest and last point.
ANYLEAD_INLINE void draw_curve(Svg& svg, const Scale& x, const Scale& y, const std::vector<double>& xs,
                               const std::vector<double>& ys, const std::string& style, std::string_view tooltip) {
  std::vector<Point> points;
  const auto flush = [&] {
    if (points.size() == 1) svg.circle(points[0].x, points[0].y, 2.5, str('f', style.substr(1, style.find(' ') - 1)), tooltip);
    if (points.size() > 1) svg.polyline(points, style, tooltip);
    points.clear();
  };
  for (std::size_t i = 0; i < xs.size();) {
    if (!std::isfinite(xs[i]) || !y.shows(ys[i])) {
      flush();
      ++i;
      continue;
    }
    const double column = std::floor(x(xs[i]));
    std::size_t lowest = i, highest = i, last = i;
    const std::size_t first = i;
    for (; i < xs.size() && std::isfinite(xs[i]) && y.shows(ys[i]) && std::floor(x(xs[i])) == column; last = i++) {
      if (ys[i] < ys[lowest]) lowest = i;
      if (ys[i] > ys[highest]) highest = i;
    }
    std::size_t kept[] = {first, std::min(lowest, highest), std::max(lowest, highest), last};
    const auto end = std::unique(kept, kept + 4);
    for (const std::size_t* k = kept; k != end; ++k) points.push_back({x(xs[*k]), y(ys[*k])});
  }
  flush();
}

ANYLEAD_INLINE void check_series(const std::vector<Series>& all, std::string_view where) {
  for (const Series& s : all)
    ANYLEAD_CHECK(s.x.size() == s.y.size(), ShapeError, where, "series \"", s.name, "\": expected as many y as x, found ",
                  s.x.size(), " x and ", s.y.size(), " y");
}

}  // namespace detail

ANYLEAD_INLINE std::vector<double> nice_ticks(double low, double high, int count, bool logarithmic) {
  std::vector<double> ticks;
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high) || count < 1 || (logarithmic && low <= 0)) return ticks;
  if (logarithmic) {
    const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
    const int decades = last - first, stride = std::max(1, (decades + count - 1) / count);
    for (int e = first; e <= last; e += stride)
      for (const int digit : {1, 2, 5}) {
        const double tick = digit * std::pow(10.0, e);
        if ((digit == 1 || 3 * decades <= count) && tick >= low * (1 - 1e-12) && tick <= high * (1 + 1e-12))
          ticks.push_back(tick);
      }
    if (ticks.size() >= 2) return ticks;
    ticks.clear();  // less than a decade: linear marks say more
  }
  const double raw = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = power * (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10);
  if (!(step > 0) || !std::isfinite(step)) return ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (int k = 0; k <= count + 1; ++k) {
    const double tick = (first + k) * step;
    if (tick > high + 1e-9 * step) break;
    ticks.push_back(std::abs(tick) < 1e-9 * step ? 0 : tick);
  }
  return ticks;
}

ANYLEAD_INLINE std::string short_number(double value) {
  const double size = std::abs(value);
  if (!std::isfinite(value)) return std::isnan(value) ? "not a number" : value > 0 ? "infinite" : "-infinite";
  if (size >= 9.995e8) return detail::rounded(value);
  if (size >= 9.995e5) return detail::rounded(value / 1e6) + "M";
  if (size >= 9999.5) return detail::rounded(value / 1e3) + "k";
  if (size >= 999.5) return number(value, 0);
  return detail::rounded(value);
}

ANYLEAD_INLINE std::vector<double> smoothed(const std::vector<double>& y, double b) {
  ANYLEAD_CHECK(b >= 0 && b < 1, OptionError, "smoothed", "expected a weight in [0, 1), found ", b);
  std::vector<double> out;
  out.reserve(y.size());
  double sum = 0, weight = 0;
  for (const double value : y) {
    if (std::isfinite(value)) {
      sum = b * sum + (1 - b) * value;
      weight = b * weight + (1 - b);
    }
    out.push_back(std::isfinite(value) ? sum / weight : value);
  }
  return out;
}

ANYLEAD_INLINE std::string line_chart(const LineChart& chart) {
  using namespace detail;
  check_series(chart.series, "line_chart");
  ANYLEAD_CHECK(chart.smoothing >= 0 && chart.smoothing < 1, OptionError, "line_chart",
                "expected a smoothing in [0, 1), found ", chart.smoothing);
  Extent xs, ys;
  std::vector<std::string> legend;
  std::string description;
  for (const Series& s : chart.series) {
    Extent own;
    double last = 0;
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      if (!std::isfinite(s.x[i]) || !std::isfinite(s.y[i]) || (chart.logarithmic && s.y[i] <= 0)) continue;
      xs.add(s.x[i]);
      ys.add(s.y[i]);
      own.add(s.y[i]);
      last = s.y[i];
    }
    legend.push_back(own.empty() ? s.name + " (none)"
                                 : str(s.name, ' ', short_number(last), " (", short_number(own.low()), " to ",
                                       short_number(own.high()), ')'));
    append(description, str(description.empty() ? "" : "; ", legend.back()));
  }
  Svg svg(chart.width, chart.height, chart.title, description);
  const double top = draw_head(svg, chart.width, chart.title, legend),
               bottom = chart.height - (chart.x_label.empty() ? 28 : 46);
  const Scale y = scale_of(ys, bottom, top, 0.05, chart.logarithmic);
  const Frame f{axis_left(y, chart.y_label), top, chart.width - 20, bottom};
  const Scale x = scale_of(xs, f.left, f.right, 0, false);
  draw_axes(svg, f, x, y, chart.x_label, chart.y_label);
  if (xs.empty()) svg.text((f.left + f.right) / 2, (f.top + f.bottom) / 2, "no values", "soft", Anchor::middle);
  for (std::size_t k = 0; k < chart.series.size(); ++k) {
    const Series& s = chart.series[k];
    const std::string color = str('c', k % kSeriesColors);
    if (chart.smoothing > 0) draw_curve(svg, x, y, s.x, s.y, color + " raw", {});
    draw_curve(svg, x, y, s.x, chart.smoothing > 0 ? smoothed(s.y, chart.smoothing) : s.y, color + " smooth", legend[k]);
  }
  return chart.embedded ? svg.embedded() : svg.file();
}

ANYLEAD_INLINE std::string scatter_chart(const ScatterChart& chart) {
  using namespace detail;
  check_series(chart.groups, "scatter_chart");
  Extent xs, ys;
  std::vector<std::string> legend;
  for (const Series& s : chart.groups) {
    legend.push_back(s.name);
    for (std::size_t i = 0; i < s.x.size(); ++i)
      if (std::isfinite(s.x[i]) && std::isfinite(s.y[i])) {
        xs.add(s.x[i]);
        ys.add(s.y[i]);
      }
  }
  Svg svg(chart.width, chart.height, chart.title, str(chart.x_label, " against ", chart.y_label));
  const double top = draw_head(svg, chart.width, chart.title, legend),
               bottom = chart.height - (chart.x_label.empty() ? 28 : 46);
  const Scale y = scale_of(ys, bottom, top, 0.05, false);
  const Frame f{axis_left(y, chart.y_label), top, chart.width - 20, bottom};
  const Scale x = scale_of(xs, f.left, f.right, 0.05, false);
  draw_axes(svg, f, x, y, chart.x_label, chart.y_label);
  for (std::size_t k = 0; k < chart.groups.size(); ++k)
    for (std::size_t i = 0; i < chart.groups[k].x.size(); ++i) {
      const double px = chart.groups[k].x[i], py = chart.groups[k].y[i];
      if (std::isfinite(px) && std::isfinite(py)) svg.circle(x(px), y(py), 3, str("dot f", k % kSeriesColors));
    }
  return chart.embedded ? svg.embedded() : svg.file();
}

ANYLEAD_INLINE std::string bar_chart(const BarChart& chart) {
  using namespace detail;
  ANYLEAD_CHECK(chart.names.size() == chart.values.size(), ShapeError, "bar_chart", "expected as many names as values, found ",
                chart.names.size(), " names and ", chart.values.size(), " values");
  Extent ys;
  ys.add(0);
  for (const double v : chart.values)
    if (std::isfinite(v)) ys.add(v);
  Svg svg(chart.width, chart.height, chart.title, chart.y_label);
  const double top = draw_head(svg, chart.width, chart.title, {}), bottom = chart.height - 28;
  const Scale y{0, std::max(1e-12, 1.06 * ys.high()), bottom, top, false};
  const Frame f{axis_left(y, chart.y_label), top, chart.width - 20, bottom};
  draw_vertical_axis(svg, f, y, chart.y_label);
  const double step = chart.names.empty() ? 1 : (f.right - f.left) / double(chart.names.size());
  const std::size_t stride = static_cast<std::size_t>(std::ceil(36 / std::max(1e-3, step)));  // room for a name
  for (std::size_t i = 0; i < chart.names.size(); ++i) {
    const double x = f.left + double(i) * step;
    const double value = std::isfinite(chart.values[i]) ? std::max(0.0, chart.values[i]) : 0;
    svg.rect(x + 0.14 * step, y(value), 0.72 * step, f.bottom - y(value), "bar",
             str(chart.names[i], ": ", short_number(chart.values[i])), std::min(2.0, 0.2 * step));
    if (i % stride == 0) svg.text(x + step / 2, f.bottom + 18, chart.names[i], "soft", Anchor::middle);
  }
  svg.line(f.left, f.bottom, f.right, f.bottom, "axis");
  return chart.embedded ? svg.embedded() : svg.file();
}

ANYLEAD_INLINE std::string code_usage_chart(const CodeUsage& usage) {
  using namespace detail;
  const Index groups = usage.groups, words = usage.codewords;
  ANYLEAD_CHECK(groups >= 0 && words >= 0 && static_cast<Index>(usage.share.size()) == groups * words, ShapeError,
                "code_usage_chart", "expected shares [", groups, ", ", words, "], found ", usage.share.size(), " numbers");
  constexpr Index kCells = 320;
  const Index per_cell = std::max(Index{1}, (words + kCells - 1) / kCells);
  const double top = usage.title.empty() ? 8 : 34, left = 8, right = usage.width - 8;
  const double row = std::clamp(250 / double(std::max(Index{1}, groups)), 44.0, 125.0), tall = row - 30;
  Svg svg(usage.width, top + row * double(groups) + 14, usage.title, "Use of the codewords of each group of the quantiser");
  if (!usage.title.empty()) svg.text(8, 18, usage.title, "label");
  for (Index g = 0; g < groups; ++g) {
    double sum = 0, largest = 0, entropy = 0;
    Index used = 0;
    const auto value = [&](Index v) {
      const double s = usage.share[g * words + v];
      return std::isfinite(s) && s > 0 ? s : 0;
    };
    for (Index v = 0; v < words; ++v) sum += value(v);
    for (Index v = 0; v < words; ++v) {
      const double p = sum > 0 ? value(v) / sum : 0;
      used += p > 0;
      if (p > 0) entropy -= p * std::log(p);
      largest = std::max(largest, p);
    }
    const double y = top + row * double(g);
    svg.text(left, y + 12, str("group ", g + 1), "soft");
    svg.text(right, y + 12, str(used, " of ", words, " in use, perplexity ", sum > 0 ? short_number(std::exp(entropy)) : "0"),
             "soft", Anchor::end);
    svg.rect(left, y + 18, right - left, tall, "well", {}, 3);
    const double wide = words > 0 ? (right - left) * double(per_cell) / double(words) : 0;
    for (Index v = 0; v < words; v += per_cell) {
      const Index end = std::min(words, v + per_cell);
      double p = 0;
      for (Index k = v; k < end; ++k) p += sum > 0 ? value(k) / sum / double(end - v) : 0;
      if (p <= 0) continue;
      // A root makes rare codewords visible beside frequent ones.
      svg.cell(left + double(v / per_cell) * wide, y + 18, std::min(wide, right - left - double(v / per_cell) * wide), tall,
               std::max(0.08, std::sqrt(p / largest)),
               str("codeword ", v + 1, per_cell > 1 ? str(" to ", end) : "", ": ", short_number(100 * p), " %"));
    }
  }
  return usage.embedded ? svg.embedded() : svg.file();
}

}  // namespace anylead::report
