#include <limits>
#include <string>

#include <anylead/report/svg.hpp>
#include <report/well_formed.hpp>
#include <support/catch.hpp>

using namespace anylead::report;

TEST_CASE("Text is escaped for tags and attributes", "[report]") {
  CHECK(escape("") == "");
  CHECK(escape("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(escape("µV – 心電図 \U0001F600") == "µV – 心電図 \U0001F600");
  CHECK(escape(std::string("a\0b\x01\x7F", 5)) == "a b  ");
  CHECK(escape("line\n\ttab") == "line\n\ttab");
}

TEST_CASE("Bytes that are not UTF-8 become replacement characters", "[report]") {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(escape("\xFF") == bad);
  CHECK(escape("a\xE4"
               "b") == "a" + bad + "b");                       // Latin-1
  CHECK(escape("\xC3") == bad);                                // cut off
  CHECK(escape("\xE2\x82") == bad + bad);                      // cut off
  CHECK(escape("\xC0\xAF") == bad + bad);                      // overlong
  CHECK(escape("\xE0\x80\xAF") == bad + bad + bad);            // overlong
  CHECK(escape("\xED\xA0\x80") == bad + bad + bad);            // surrogate
  CHECK(escape("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(escape("\xEF\xBF\xBE") == bad + bad + bad);            // U+FFFE is no XML character
  CHECK(escape("\xF0\x9F\x98\x80") == "\xF0\x9F\x98\x80");
}

TEST_CASE("Coordinates are short", "[report]") {
  CHECK(number(0) == "0");
  CHECK(number(-0.04) == "0");
  CHECK(number(12.5) == "12.5");
  CHECK(number(3.0) == "3");
  CHECK(number(100) == "100");
  CHECK(number(-0.25, 2) == "-0.25");
  CHECK(number(2.5, 0) == "2");
  CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "0");
  CHECK(number(std::numeric_limits<double>::infinity()) == "0");
  CHECK(number(1e300) == "0");
}

TEST_CASE("A picture is well-formed and carries title, description and theme", "[report]") {
  Svg svg(100, 50, "a < b", "c & d");
  svg.open_group("g");
  svg.rect(1, 2, 3, 4, "paper", "tip <1>", 2);
  svg.cell(1, 2, 3, 4, 0.5, "tip");
  svg.line(0, 0, 1, 1, "grid");
  const Point points[] = {{0, 0}, {1.25, 2}, {3, -4}};
  svg.polyline(points, "c0", "tip & tip");
  svg.circle(1, 1, 2, "f0");
  svg.path("M0 0h1", "trace");
  svg.text(1, 2, "<script>", "label", Anchor::middle);
  svg.vertical_text(1, 2, "mV & s", "soft");
  svg.close_group();
  const std::string file = svg.file(210), part = svg.embedded();
  CHECK(well_formed(file) == "");
  CHECK(well_formed(part) == "");
  CHECK(file.find("<title>a &lt; b</title>") != std::string::npos);
  CHECK(file.find("<desc>c &amp; d</desc>") != std::string::npos);
  CHECK(file.find("<script") == std::string::npos);
  CHECK(file.find("<style>") != std::string::npos);
  CHECK(file.find("width=\"210mm\" height=\"105mm\"") != std::string::npos);
  CHECK(part.find("<style>") == std::string::npos);
  CHECK(file.find("points=\"0,0 1.2,2 3,-4\"") != std::string::npos);
}
