#include <string>

#include <anylead/report/html.hpp>
#include <report/well_formed.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::report;

namespace {

/// A report in which every text tries to break the page.
RunReport hostile() {
  const std::string x = "<b onclick=\"x\">&'\xFF";
  RunReport r;
  r.title = r.subtitle = r.footer = x;
  r.key_numbers = {{x, x, x}};
  r.warnings = {x};
  r.x_label = x;
  const Series s{x, {1, 2, 3}, {3, 2, 1}};
  r.loss = r.parts = r.accuracy = r.perplexity = r.validation = r.learning_rate = r.gradient_norm = r.throughput = {s, s};
  LineChart more;
  more.title = x;
  more.series = {s};
  more.embedded = false;
  r.more_charts = {more};
  r.code_usage.groups = 1;
  r.code_usage.codewords = 3;
  r.code_usage.share = {1, 0, 2};
  EcgStrip strip;
  strip.title = strip.caption = x;
  strip.rate_hz = 100;
  strip.samples = 200;
  strip.leads = {x, "II"};
  strip.signal.assign(400, 0.25f);
  strip.masked_leads = {1, 0};
  strip.masked_spans = {{0.5, 1}};
  r.strips = {strip};
  r.data.numbers = {{x, x, ""}};
  r.data.files = {{"could not be read", {}}, {"read with a note", {{x, x}}}, {x, {}}};
  for (int i = 0; i < 1000; ++i) r.data.files[0].files.push_back({x, x});
  r.data.dropped_lead_names = {x};
  r.data.dropped_leads = {4};
  r.settings = {{x, {{x, x}, {x, x}}}};
  r.resources = {{x, {{x, x}}}};
  return r;
}

}  // namespace

TEST_CASE("The page is well-formed whatever the texts are", "[report]") {
  const std::string page = html_page(hostile());
  CHECK(well_formed(page, true) == "");
  CHECK(page.find("<b ") == std::string::npos);
  CHECK(page.find("and 800 more") != std::string::npos);
  CHECK(page.find("1000 files could not be read") != std::string::npos);
  CHECK(page.find("1 file read with a note") != std::string::npos);
}

TEST_CASE("The page needs nothing from elsewhere", "[report]") {
  const std::string page = html_page(hostile());
  for (const char* outside : {"src=", "@import", "url(", "<link", "<script", "https:"})
    CHECK(page.find(outside) == std::string::npos);
}

TEST_CASE("The page has a section for what there is and for nothing else", "[report]") {
  const std::string full = html_page(hostile()), empty = html_page({});
  CHECK(well_formed(empty, true) == "");
  for (const char* id : {"training", "recordings", "data", "resources", "settings"}) {
    CHECK(full.find(std::string("<h2 id=\"") + id) != std::string::npos);
    CHECK(full.find(std::string("href=\"#") + id) != std::string::npos);
    CHECK(empty.find(std::string("id=\"") + id) == std::string::npos);
  }
  CHECK(empty.find("<figure") == std::string::npos);
  std::size_t figures = 0;
  for (auto at = full.find("<figure"); at != std::string::npos; at = full.find("<figure", at + 1)) ++figures;
  CHECK(figures == 12);  // eight charts, one more, codewords, one strip, dropped leads
}
