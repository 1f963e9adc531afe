#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/report/ecg_strip.hpp>
#include <report/well_formed.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::report;

namespace {

EcgStrip example(double seconds = 10) {
  return strip_of(data::SyntheticCohort({.patients = 1, .records_per_patient = 1, .seconds = seconds}).read(0));
}

EcgStrip one_lead(std::vector<float> signal, double rate_hz = 500) {
  EcgStrip strip;
  strip.samples = static_cast<Index>(signal.size());
  strip.signal = std::move(signal);
  strip.rate_hz = rate_hz;
  strip.leads = {"II"};
  return strip;
}

Index count(const std::string& text, const std::string& part) {
  Index n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Data of the first path of a class.
std::string path_of(const std::string& svg, const std::string& style) {
  const std::string start = "<path class=\"" + style + "\" d=\"";
  const auto at = svg.find(start);
  if (at == std::string::npos) return "";
  return svg.substr(at + start.size(), svg.find('"', at + start.size()) - at - start.size());
}

struct Vertex {
  double x, y;
};

/// Corners of `M x y l dx dy ...`, runs one after another.
std::vector<std::vector<Vertex>> runs_of(const std::string& path) {
  std::vector<std::vector<Vertex>> runs;
  const char* p = path.c_str();
  while (*p != 0) {
    if (*p == 'M') {
      char* next;
      const double x = std::strtod(p + 1, &next);
      const double y = std::strtod(next, &next);
      runs.push_back({{x, y}});
      p = next;
    } else if (*p == 'l' || *p == ' ') {
      ++p;
    } else {
      char* next;
      const double dx = std::strtod(p, &next);
      const double dy = std::strtod(next, &next);
      runs.back().push_back({runs.back().back().x + dx, runs.back().back().y + dy});
      p = next;
    }
  }
  return runs;
}

}  // namespace

TEST_CASE("A strip of ten seconds and twelve leads is a small, well-formed picture", "[report]") {
  for (const EcgLayout layout : {EcgLayout::standard, EcgLayout::stacked})
    for (const double noise : {1.0, 4.0}) {
      EcgStrip strip = strip_of(data::SyntheticCohort({.patients = 1, .records_per_patient = 1, .noise = noise}).read(0));
      strip.layout = layout;
      const std::string svg = ecg_strip(strip);
      CHECK(well_formed(svg) == "");
      CHECK(svg.size() < 150000);
      CHECK(count(svg, "<path class=\"trace\"") == (layout == EcgLayout::standard ? 13 : 12));
      for (const std::string& lead : strip.leads) CHECK(count(svg, ">" + lead + "</text>") >= 1);
      CHECK(count(svg, "class=\"pulse\"") == (layout == EcgLayout::standard ? 4 : 12));
    }
}

TEST_CASE("Traces are to scale: 25 mm/s and 10 mm/mV", "[report]") {
  std::vector<float> signal(1000, 0.0f);
  for (std::size_t t = 500; t < 1000; ++t) signal[t] = 1.0f;  // a step of 1 mV after 1 s
  const auto runs = runs_of(path_of(ecg_strip(one_lead(signal)), "trace"));
  REQUIRE(runs.size() == 1);
  const auto& run = runs[0];
  CHECK(run.front().y - run.back().y == 100);                        // 10 mm of ten units
  CHECK(std::abs(run.back().x - run.front().x - 1.998 * 250) <= 2);  // 999 sample intervals
  for (const Vertex& v : run) CHECK(std::abs(v.y - (v.x - run.front().x < 249 ? run.front().y : run.back().y)) <= 0.01);
}

TEST_CASE("Reduced traces stay within a tenth of a millimetre of the samples and keep every peak", "[report]") {
  const EcgStrip strip = example();
  EcgStrip lead = one_lead({strip.signal.begin() + strip.samples, strip.signal.begin() + 2 * strip.samples});
  const auto runs = runs_of(path_of(ecg_strip(lead), "trace"));
  REQUIRE(runs.size() == 1);
  const auto& run = runs[0];
  CHECK(run.size() < 3000);
  // The envelope of the samples in each 0.6 mm (three columns) contains the vertices, and peaks are reached.
  const auto [low, high] = std::minmax_element(lead.signal.begin(), lead.signal.end());
  double top = 1e9, bottom = -1e9;
  for (const Vertex& v : run) {
    top = std::min(top, v.y);
    bottom = std::max(bottom, v.y);
  }
  CHECK(std::abs((bottom - top) - 100 * double(*high - *low)) <= 1.01);  // two roundings to half a unit
  const double zero = bottom + 100 * double(*low);
  std::size_t next = 0;
  Index far = 0;
  for (Index t = 0; t < lead.samples; ++t) {
    const double x = 150 + double(t) / 500 * 250;  // 5 mm margin, 10 mm pulse
    while (next + 1 < run.size() && run[next + 1].x < x) ++next;
    double nearest = 1e9;
    for (std::size_t k = next > 3 ? next - 3 : 0; k + 1 < run.size() && k < next + 4; ++k) {
      const double y = zero - 100 * double(lead.signal[static_cast<std::size_t>(t)]);
      const double u = std::clamp((x - run[k].x) / std::max(1.0, run[k + 1].x - run[k].x), 0.0, 1.0);
      const double dx = run[k].x + u * (run[k + 1].x - run[k].x) - x;
      const double low_y = std::min(run[k].y, run[k + 1].y), high_y = std::max(run[k].y, run[k + 1].y);
      const double dy = std::abs(dx) <= 2 ? std::max({0.0, low_y - y, y - high_y}) : 1e9;
      nearest = std::min(nearest, dy);
    }
    far += nearest > 2;  // units of 0.1 mm: half a unit of rounding, half of straightening, neighbouring column
  }
  CHECK(far == 0);
}

TEST_CASE("Invalid samples are gaps", "[report]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> signal(1500, 0.1f);
  for (std::size_t t = 500; t < 800; ++t) signal[t] = nan;
  signal[1000] = std::numeric_limits<float>::infinity();
  const std::string svg = ecg_strip(one_lead(signal));
  CHECK(well_formed(svg) == "");
  CHECK(runs_of(path_of(svg, "trace")).size() == 3);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);

  const std::string none = ecg_strip(one_lead(std::vector<float>(100, nan)));
  CHECK(well_formed(none) == "");
  CHECK(count(none, "class=\"trace\"") == 0);
}

TEST_CASE("Masked leads and times are marked and explained", "[report]") {
  EcgStrip strip = example();
  const std::string plain = ecg_strip(strip);
  CHECK(plain.find("masked") == plain.find("masked lead"));  // neither
  CHECK(plain.find("class=\"band\"") == std::string::npos);
  strip.layout = EcgLayout::stacked;
  strip.masked_leads.assign(12, 0);
  strip.masked_leads[2] = strip.masked_leads[7] = 1;
  strip.masked_spans = {{1, 2}, {9.5, 20}, {30, 40}, {-3, -1}};
  const std::string svg = ecg_strip(strip);
  CHECK(well_formed(svg) == "");
  CHECK(count(svg, "<path class=\"pale\"") == 2);
  CHECK(count(svg, "<path class=\"trace\"") == 10);
  CHECK(count(svg, "class=\"veil\"") == 3);  // and the key
  CHECK(count(svg, "class=\"band\"") == 3);  // two in sight, and the key
  CHECK(svg.find("lead V2 is masked") != std::string::npos);
  CHECK(svg.find("masked 1 s to 2 s") != std::string::npos);
}

TEST_CASE("The standard layout finds leads in any order and case, and without all twelve the rows are stacked", "[report]") {
  EcgStrip strip = example();
  std::swap(strip.leads[0], strip.leads[11]);
  strip.leads[3] = "AVR";
  CHECK(count(ecg_strip(strip), "class=\"pulse\"") == 4);
  strip.leads[3] = "X";
  CHECK(count(ecg_strip(strip), "class=\"pulse\"") == 12);
}

TEST_CASE("Names from files cannot break out of the picture", "[report]") {
  EcgStrip strip = one_lead(std::vector<float>(500, 0.0f));
  strip.leads = {"<script>alert(1)</script>"};
  strip.title = "\"/><script>";
  strip.caption = "\xFF & co";
  strip.masked_leads = {1};
  const std::string svg = ecg_strip(strip);
  CHECK(well_formed(svg) == "");
  CHECK(svg.find("<script") == std::string::npos);
}

TEST_CASE("Strips of no sample, one sample, no lead and excerpts can be drawn", "[report]") {
  CHECK(well_formed(ecg_strip(one_lead({}))) == "");
  const std::string dot = ecg_strip(one_lead({0.5f}));
  CHECK(well_formed(dot) == "");
  CHECK(count(dot, "class=\"trace\"") == 1);
  EcgStrip none;
  none.rate_hz = 100;
  CHECK(well_formed(ecg_strip(none)) == "");
  EcgStrip part = example();
  part.from_seconds = 3;
  part.seconds = 2.5;
  const std::string svg = ecg_strip(part);
  CHECK(well_formed(svg) == "");
  CHECK(svg.find("from 3 s") != std::string::npos);
  part.from_seconds = 1e9;
  CHECK(well_formed(ecg_strip(part)) == "");
}

TEST_CASE("Sizes and options that do not fit are refused", "[report]") {
  EcgStrip strip = example(1);
  strip.samples += 1;
  CHECK_THROWS_AS(ecg_strip(strip), ShapeError);
  strip.samples -= 1;
  strip.masked_leads = {1};
  CHECK_THROWS_AS(ecg_strip(strip), ShapeError);
  strip.masked_leads.clear();
  strip.rate_hz = 0;
  CHECK_THROWS_AS(ecg_strip(strip), OptionError);
  strip.rate_hz = 500;
  strip.seconds = -1;
  CHECK_THROWS_AS(ecg_strip(strip), OptionError);
  strip.seconds = 10;
  strip.mm_per_mv = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(ecg_strip(strip), OptionError);
}
