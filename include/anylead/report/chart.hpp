// Charts of a training run: lines, bars, scatter, and the use of codewords as heat strips.
#pragma once

#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::report {

/// A named curve. A value that is not finite is a gap.
struct Series {
  std::string name = {};
  std::vector<double> x = {};  ///< ascending
  std::vector<double> y = {};  ///< as many
};

/// Marks for an axis from low to high: multiples of 1, 2 or 5 times a power of ten, at most about `count` of them; on a
/// logarithmic axis powers of ten, between them 2 and 5 where there is room.
ANYLEAD_INLINE std::vector<double> nice_ticks(double low, double high, int count, bool logarithmic = false);

/// A number as people write it on an axis: "0.5", "120", "2.5k", "3.1M", "5e-05".
ANYLEAD_INLINE std::string short_number(double value);

/// Exponential average s_t = b s_(t-1) + (1 - b) y_t, divided by 1 - b^t, so that the start is not drawn towards 0. Gaps stay.
ANYLEAD_INLINE std::vector<double> smoothed(const std::vector<double>& y, double b);

struct LineChart {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Series> series = {};
  bool logarithmic = false;  ///< y axis; values that are not positive are gaps
  double smoothing = 0;      ///< b of smoothed(), 0 .. 1; the raw curve stays visible but faint
  double width = 560, height = 300;
  bool embedded = true;  ///< for a page with svg_theme(); false: a file of its own
};

/// One curve per series in a colour of its own, with a legend that gives last, smallest and largest value. Curves with more
/// points than the picture has columns are reduced to the extremes per column.
/// @throws ShapeError if x and y of a series differ in length, OptionError for a smoothing outside [0, 1).
ANYLEAD_INLINE std::string line_chart(const LineChart& chart);

struct ScatterChart {
  std::string title = {}, x_label = {}, y_label = {};
  std::vector<Series> groups = {};  ///< points of one colour; x in any order
  double width = 420, height = 360;
  bool embedded = true;
};

/// @throws ShapeError if x and y of a group differ in length.
ANYLEAD_INLINE std::string scatter_chart(const ScatterChart& chart);

struct BarChart {
  std::string title = {}, y_label = {};
  std::vector<std::string> names = {};
  std::vector<double> values = {};  ///< not negative
  double width = 560, height = 260;
  bool embedded = true;
};

/// @throws ShapeError if names and values differ in number.
ANYLEAD_INLINE std::string bar_chart(const BarChart& chart);

/// How often a quantiser chose each codeword.
struct CodeUsage {
  std::string title = {};
  Index groups = 0, codewords = 0;  ///< G, V
  std::vector<double> share = {};   ///< [G, V] counts or shares, any scale
  double width = 560;
  bool embedded = true;
};

/// One strip per group, a cell per codeword (at most 320 cells, each then the mean of its codewords), and beside it the number
/// of codewords in use and the perplexity exp(-sum p ln p), which is V when all are used alike.
/// @throws ShapeError if `share` is not [G, V].
ANYLEAD_INLINE std::string code_usage_chart(const CodeUsage& usage);

}  // namespace anylead::report

#ifndef ANYLEAD_COMPILED
#include <anylead/report/chart.ipp>
#endif
