#pragma once

#include <algorithm>
#include <string_view>

#include <anylead/core/text.hpp>
#include <anylead/report/html.hpp>
#include <anylead/report/svg.hpp>

namespace anylead::report {
namespace detail {

ANYLEAD_INLINE std::string_view page_style() {
  return R"(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1d2430; --soft: #5d6778; --line: #e3e7ed;
  --accent: #2f6bd6; --warn-ink: #7a4100; --warn: #fff4e0; --warn-line: #f3d49b }
@media screen and (prefers-color-scheme: dark) { :root { --page: #0e1116; --card: #171b22; --ink: #e6e9ef; --soft: #98a2b3;
  --line: #272d37; --accent: #6f9cff; --warn-ink: #ffd699; --warn: #2b2213; --warn-line: #5a4420 } }
@media print { :root { --page: #fff } .card, figure { break-inside: avoid } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial,
  sans-serif; font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100% }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px }
header { padding-top: 44px }
h1 { margin: 0; font-size: 30px; line-height: 1.2; letter-spacing: -.015em; text-wrap: balance }
h2 { margin: 44px 0 14px; font-size: 19px; letter-spacing: -.005em }
h3 { margin: 0 0 8px; font-size: 14px; font-weight: 600 }
header p { margin: 8px 0 0; color: var(--soft) }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 18px; padding-bottom: 12px; border-bottom: 1px solid var(--line) }
a { color: var(--accent); text-decoration: none }
a:hover, a:focus-visible { text-decoration: underline }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 22px 0 0 }
.card, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px }
.numbers .card { display: flex; flex-direction: column; padding: 14px 16px }
.numbers dt { color: var(--soft); font-size: 13px }
.numbers dd { margin: 0 }
.numbers dd.value { font-size: 24px; font-weight: 600; letter-spacing: -.01em; overflow-wrap: anywhere; line-height: 1.3 }
.numbers dd.note { color: var(--soft); font-size: 13px }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 18px }
figure { margin: 0; padding: 12px 14px; overflow: hidden }
figure svg { display: block; width: 100%; height: auto }
.strips { display: flex; flex-wrap: wrap; gap: 18px; align-items: flex-start }
figure.strip { padding: 0; max-width: 100%; overflow-x: auto }
figure.strip svg { width: auto }
.tables { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 18px; align-items: start }
.card { padding: 14px 16px }
table { width: 100%; border-collapse: collapse; font-size: 13.5px }
th, td { padding: 5px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-weight: 400 }
tr:first-child th, tr:first-child td { border-top: 0 }
th { color: var(--soft); padding-right: 16px }
.tables td { text-align: right; overflow-wrap: anywhere }
.files td, .files th { overflow-wrap: anywhere; width: 50% }
.warning { margin: 18px 0 0; padding: 10px 16px; border: 1px solid var(--warn-line); border-radius: 10px; background: var(--warn);
  color: var(--warn-ink) }
details { margin-top: 18px }
summary { cursor: pointer; font-weight: 600 }
details table { margin-top: 10px }
.wide { margin-top: 18px }
footer { margin-top: 48px; padding-top: 16px; padding-bottom: 40px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere }
)";
}

ANYLEAD_INLINE std::string number_cards(const std::vector<KeyNumber>& numbers) {
  if (numbers.empty()) return {};
  std::string out = "<dl class=\"numbers\">\n";
  for (const KeyNumber& n : numbers) {
    append(out, str("<div class=\"card\"><dt>", escape(n.label), "</dt><dd class=\"value\">", escape(n.value), "</dd>"));
    if (!n.note.empty()) append(out, str("<dd class=\"note\">", escape(n.note), "</dd>"));
    out += "</div>\n";
  }
  return out + "</dl>\n";
}

ANYLEAD_INLINE std::string value_tables(const std::vector<NamedValues>& tables) {
  std::string out = "<div class=\"tables\">\n";
  for (const NamedValues& t : tables) {
    append(out, str("<div class=\"card\"><h3>", escape(t.heading), "</h3><table>\n"));
    for (const auto& [name, value] : t.values)
      append(out, str("<tr><th scope=\"row\">", escape(name), "</th><td>", escape(value), "</td></tr>\n"));
    out += "</table></div>\n";
  }
  return out + "</div>\n";
}

/// A list that is folded away where it is long; the page stays small where thousands of files are damaged.
ANYLEAD_INLINE std::string file_list(const FileList& list) {
  const auto& files = list.files;
  constexpr std::size_t kListed = 200;
  std::string out =
      str("<details class=\"card\"", files.size() <= 8 ? " open" : "", "><summary>", files.size(),
          files.size() == 1 ? " file " : " files ", escape(list.heading), "</summary>\n<table class=\"files\">\n");
  for (std::size_t i = 0; i < std::min(kListed, files.size()); ++i)
    append(out, str("<tr><th scope=\"row\">", escape(files[i].first), "</th><td>", escape(files[i].second), "</td></tr>\n"));
  out += "</table>\n";
  if (files.size() > kListed) append(out, str("<p>and ", files.size() - kListed, " more</p>\n"));
  return out + "</details>\n";
}

/// Sections of the page, and the links to them.
class Page {
 public:
  void section(std::string_view id, std::string_view heading, const std::string& content) {
    append(body_,
           str("<section aria-labelledby=\"", id, "\">\n<h2 id=\"", id, "\">", heading, "</h2>\n", content, "</section>\n"));
    append(links_, str("<a href=\"#", id, "\">", heading, "</a>\n"));
  }
  const std::string& body() const { return body_; }
  const std::string& links() const { return links_; }

 private:
  std::string body_, links_;
};

}  // namespace detail

ANYLEAD_INLINE std::string html_page(const RunReport& report) {
  using namespace detail;
  Page page;

  std::string charts;
  const auto curves = [&](std::string_view title, std::string_view y_label, const std::vector<Series>& series, double smoothing,
                          bool logarithmic) {
    if (series.empty()) return;
    LineChart chart;
    chart.title = title;
    chart.x_label = report.x_label;
    chart.y_label = y_label;
    chart.series = series;
    chart.smoothing = smoothing;
    chart.logarithmic = logarithmic;
    append(charts, str("<figure>", line_chart(chart), "</figure>\n"));
  };
  curves("Loss", {}, report.loss, report.smoothing, false);
  curves("Parts of the loss", {}, report.parts, report.smoothing, true);
  curves("Contrastive accuracy", {}, report.accuracy, report.smoothing, false);
  curves("Validation", {}, report.validation, 0, false);
  curves("Codebook perplexity", "codewords", report.perplexity, report.smoothing, false);
  if (!report.code_usage.share.empty()) {
    CodeUsage usage = report.code_usage;
    if (usage.title.empty()) usage.title = "Use of the codewords";
    usage.embedded = true;
    append(charts, str("<figure>", code_usage_chart(usage), "</figure>\n"));
  }
  curves("Learning rate", {}, report.learning_rate, 0, false);
  curves("Gradient norm before clipping", {}, report.gradient_norm, report.smoothing, true);
  curves("Throughput", "segments per second", report.throughput, report.smoothing, false);
  for (LineChart chart : report.more_charts) {
    chart.embedded = true;
    append(charts, str("<figure>", line_chart(chart), "</figure>\n"));
  }
  if (!charts.empty()) page.section("training", "Training", str("<div class=\"charts\">\n", charts, "</div>\n"));

  std::string strips;
  for (EcgStrip strip : report.strips) {
    strip.embedded = true;
    append(strips, str("<figure class=\"strip\">", ecg_strip(strip), "</figure>\n"));
  }
  if (!strips.empty()) page.section("recordings", "What the model sees", str("<div class=\"strips\">\n", strips, "</div>\n"));

  const DataSummary& data = report.data;
  std::string data_part = number_cards(data.numbers);
  if (!data.dropped_leads.empty()) {
    BarChart bars;
    bars.title = "Segments without a lead";
    bars.names = data.dropped_lead_names;
    bars.values = data.dropped_leads;
    bars.height = 220;
    append(data_part, str("<div class=\"charts wide\"><figure>", bar_chart(bars), "</figure></div>\n"));
  }
  for (const FileList& list : data.files)
    if (!list.files.empty()) data_part += file_list(list);
  if (!data_part.empty()) page.section("data", "Data", data_part);
  if (!report.resources.empty()) page.section("resources", "Time and memory", value_tables(report.resources));
  if (!report.settings.empty()) page.section("settings", "Settings", value_tables(report.settings));

  const std::string title = escape(report.title.empty() ? "Training run" : report.title);
  std::string out =
      str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
          title, "</title>\n<style>", page_style(), svg_theme(), "</style>\n</head>\n<body>\n<header>\n<h1>", title, "</h1>\n");
  if (!report.subtitle.empty()) append(out, str("<p>", escape(report.subtitle), "</p>\n"));
  append(out, str("<nav aria-label=\"Sections\">\n", page.links(), "</nav>\n"));
  for (const std::string& warning : report.warnings)
    append(out, str("<p class=\"warning\" role=\"note\">", escape(warning), "</p>\n"));
  append(out, str(number_cards(report.key_numbers), "</header>\n<main>\n", page.body(), "</main>\n"));
  if (!report.footer.empty()) append(out, str("<footer>", escape(report.footer), "</footer>\n"));
  return out + "</body>\n</html>\n";
}

}  // namespace anylead::report
