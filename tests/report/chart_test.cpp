#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/report/chart.hpp>
#include <report/well_formed.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::report;

TEST_CASE("Axis marks are round numbers inside the axis", "[report]") {
  CHECK(nice_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(nice_ticks(0, 1, 4) == std::vector<double>{0, 0.5, 1});
  CHECK(nice_ticks(-3, 3, 3) == std::vector<double>{-2, 0, 2});
  CHECK(nice_ticks(0.5, 2000, 8, true).front() == 1);
  CHECK(nice_ticks(0.5, 2000, 8, true).back() == 1000);
  CHECK(nice_ticks(1, 100, 8, true) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
  CHECK(nice_ticks(2.1, 2.9, 4, true).size() >= 2);  // less than a decade
  CHECK(nice_ticks(1, 1, 5).empty());
  CHECK(nice_ticks(0, std::numeric_limits<double>::infinity(), 5).empty());
  CHECK(nice_ticks(-1, 1, 5, true).empty());
  for (const double scale : {1e-9, 0.37, 1.0, 123.0, 7e12})
    for (int count = 1; count < 12; ++count) {
      const auto ticks = nice_ticks(0.13 * scale, 1.71 * scale, count);
      CHECK(static_cast<int>(ticks.size()) <= count + 1);
      for (const double t : ticks) CHECK((t >= 0.1299 * scale && t <= 1.7101 * scale));
    }
}

TEST_CASE("Numbers on axes are short", "[report]") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(0.5) == "0.5");
  CHECK(short_number(3.14159) == "3.14");
  CHECK(short_number(1234) == "1234");
  CHECK(short_number(25000) == "25k");
  CHECK(short_number(3100000) == "3.1M");
  CHECK(short_number(5e-5) == "5e-05");
  CHECK(short_number(-1500) == "-1500");
  CHECK(short_number(std::numeric_limits<double>::quiet_NaN()) == "not a number");
}

TEST_CASE("The exponential average is unbiased from the first value on", "[report]") {
  CHECK(smoothed({}, 0.9).empty());
  CHECK(smoothed({3, 3, 3}, 0.9)[2] == Approx(3));
  const auto s = smoothed({1, 2}, 0.5);
  CHECK(s[0] == Approx(1));
  CHECK(s[1] == Approx((0.25 * 1 + 0.5 * 2) / 0.75));
  CHECK(smoothed({4, 5}, 0) == std::vector<double>{4, 5});
  const auto gap = smoothed({1, std::numeric_limits<double>::quiet_NaN(), 1}, 0.9);
  CHECK(std::isnan(gap[1]));
  CHECK(gap[2] == Approx(1));
  CHECK_THROWS_AS(smoothed({1}, 1), OptionError);
}

TEST_CASE("Line charts survive gaps, constants, single points, nothing, and stay small", "[report]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  const double largest = std::numeric_limits<double>::max();
  for (const bool logarithmic : {false, true})
    for (const double smoothing : {0.0, 0.9})
      for (const std::vector<double>& y : {std::vector<double>{},
                                           {1},
                                           {nan},
                                           {0, 0, 0},
                                           {5, 5},
                                           {1, nan, 2, 3},
                                           {-1, 0, 1},
                                           {infinite, 1, 2},
                                           {1e-300, 1e300},
                                           {1e-12, 1e-11},
                                           {-largest, largest}}) {
        LineChart chart;
        chart.title = "a < b";
        chart.logarithmic = logarithmic;
        chart.smoothing = smoothing;
        Series s{"loss & more", {}, y};
        for (std::size_t i = 0; i < y.size(); ++i) s.x.push_back(double(i));
        chart.series = {s, {"empty", {}, {}}};
        const std::string svg = line_chart(chart);
        CHECK(well_formed(svg) == "");
        CHECK(svg.find("loss &amp; more") != std::string::npos);
        CHECK(svg.find("nan") == std::string::npos);
      }
  LineChart chart;
  Series s{"long", {}, {}};
  for (int i = 0; i < 300000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i % 977);
  }
  chart.series = {s};
  CHECK(line_chart(chart).size() < 60000);
  CHECK(line_chart(chart).find("long 60 (0 to 976)") != std::string::npos);
  chart.series[0].y.pop_back();
  CHECK_THROWS_AS(line_chart(chart), ShapeError);
}

TEST_CASE("Numbers on a vertical axis are inside the picture", "[report]") {
  const std::string mark = "text-anchor=\"end\">";
  for (const std::vector<double>& y :
       {std::vector<double>{2.25e-5, 2.75e-5}, {5e-5, 5e-5}, {-3.25e-12, -3.5e-12}, {0.5, 1}, {-1.25e300, -1e300}})
    for (const char* label : {"", "rate"}) {
      LineChart chart;
      chart.y_label = label;
      chart.series = {{"a", {0, 1}, y}};
      const std::string svg = line_chart(chart);
      int numbers = 0;
      for (auto at = svg.find(mark); at != svg.npos; at = svg.find(mark, at + 1), ++numbers) {
        const auto x = svg.rfind("x=\"", at), begin = at + mark.size();
        const double wide = 7.2 * double(svg.find('<', begin) - begin);
        CHECK(std::stod(svg.substr(x + 3)) - wide >= (chart.y_label.empty() ? 0 : 20));
      }
      CHECK(numbers >= 2);
    }
}

TEST_CASE("Bars, points and codewords are drawn one by one", "[report]") {
  BarChart bars;
  bars.names = {"I", "<II>", "III"};
  bars.values = {3, 0, std::numeric_limits<double>::quiet_NaN()};
  CHECK(well_formed(bar_chart(bars)) == "");
  bars.values.pop_back();
  CHECK_THROWS_AS(bar_chart(bars), ShapeError);
  CHECK(well_formed(bar_chart({})) == "");

  ScatterChart points;
  points.groups = {{"a", {1, 2, 3}, {3, std::numeric_limits<double>::infinity(), 1}}};
  const std::string scatter = scatter_chart(points);
  CHECK(well_formed(scatter) == "");
  CHECK(scatter.find("class=\"dot f0\"") != std::string::npos);
  CHECK(well_formed(scatter_chart({})) == "");

  CodeUsage usage;
  usage.groups = 2;
  usage.codewords = 4;
  usage.share = {1, 1, 1, 1, 7, 0, 0, 0};
  const std::string svg = code_usage_chart(usage);
  CHECK(well_formed(svg) == "");
  CHECK(svg.find("4 of 4 in use, perplexity 4") != std::string::npos);
  CHECK(svg.find("1 of 4 in use, perplexity 1") != std::string::npos);
  CHECK(svg.find("codeword 1: 100 %") != std::string::npos);
  usage.share.pop_back();
  CHECK_THROWS_AS(code_usage_chart(usage), ShapeError);
  usage = {};
  usage.groups = 1;
  usage.codewords = 100000;
  usage.share.assign(100000, 1.0);
  CHECK(code_usage_chart(usage).size() < 100000);
  CHECK(well_formed(code_usage_chart({})) == "");
}
