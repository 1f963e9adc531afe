#pragma once

#include <charconv>
#include <cmath>

#include <anylead/core/text.hpp>
#include <anylead/report/svg.hpp>

namespace anylead::report {
namespace detail {

/// Bytes of the UTF-8 character at the start of the text, 0 if there is none (Unicode standard, table 3-7).
ANYLEAD_INLINE std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xC0u) == 0x80u; };
  const unsigned first = at(0), second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0, surrogate = first == 0xED && second > 0x9F;
    const bool noncharacter = first == 0xEF && second == 0xBF && at(2) >= 0xBE;  // U+FFFE and U+FFFF are no XML characters
    return follows(1) && follows(2) && !overlong && !surrogate && !noncharacter ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90, beyond = first == 0xF4 && second > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

ANYLEAD_INLINE void append_tooltip(std::string& out, std::string_view name, std::string_view tooltip) {
  if (tooltip.empty())
    out += "/>\n";
  else
    append(out, str("><title>", escape(tooltip), "</title></", name, ">\n"));
}

}  // namespace detail

ANYLEAD_INLINE std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const char c = text[0];
    if (length != 1) {
      out += length == 0 ? "\xEF\xBF\xBD" : text.substr(0, length);
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += (c >= 0 && c < ' ' && c != '\t' && c != '\n') || c == 0x7F ? ' ' : c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

ANYLEAD_INLINE std::string number(double value, int decimals) {
  if (!(std::abs(value) < 1e15)) return "0";
  char digits[48];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals).ptr;
  std::string out(digits, end);
  if (out.find('.') != out.npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

ANYLEAD_INLINE Svg::Svg(double width, double height, std::string_view title, std::string_view description)
    : width_(width), height_(height), title_(escape(title)), description_(escape(description)) {}

ANYLEAD_INLINE void Svg::open_group(std::string_view style) { append(body_, str("<g class=\"", style, "\">\n")); }

ANYLEAD_INLINE void Svg::close_group() { body_ += "</g>\n"; }

ANYLEAD_INLINE void Svg::rect(double x, double y, double width, double height, std::string_view style, std::string_view tooltip,
                              double radius) {
  append(body_, str("<rect class=\"", style, "\" x=\"", number(x), "\" y=\"", number(y), "\" width=\"", number(width, 2),
                    "\" height=\"", number(height, 2), '"'));
  if (radius > 0) append(body_, str(" rx=\"", number(radius), '"'));
  detail::append_tooltip(body_, "rect", tooltip);
}

ANYLEAD_INLINE void Svg::cell(double x, double y, double width, double height, double opacity, std::string_view tooltip) {
  append(body_, str("<rect class=\"cell\" x=\"", number(x, 2), "\" y=\"", number(y), "\" width=\"", number(width, 2),
                    "\" height=\"", number(height), "\" fill-opacity=\"", number(opacity, 2), '"'));
  detail::append_tooltip(body_, "rect", tooltip);
}

ANYLEAD_INLINE void Svg::line(double x1, double y1, double x2, double y2, std::string_view style) {
  append(body_, str("<line class=\"", style, "\" x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"",
                    number(y2), "\"/>\n"));
}

ANYLEAD_INLINE void Svg::polyline(std::span<const Point> points, std::string_view style, std::string_view tooltip) {
  append(body_, str("<polyline class=\"", style, "\" points=\""));
  for (std::size_t i = 0; i < points.size(); ++i)
    append(body_, str(i > 0 ? " " : "", number(points[i].x), ',', number(points[i].y)));
  body_ += '"';
  detail::append_tooltip(body_, "polyline", tooltip);
}

ANYLEAD_INLINE void Svg::circle(double x, double y, double radius, std::string_view style, std::string_view tooltip) {
  append(body_, str("<circle class=\"", style, "\" cx=\"", number(x), "\" cy=\"", number(y), "\" r=\"", number(radius), '"'));
  detail::append_tooltip(body_, "circle", tooltip);
}

ANYLEAD_INLINE void Svg::path(std::string_view data, std::string_view style) {
  append(body_, str("<path class=\"", style, "\" d=\"", data, "\"/>\n"));
}

ANYLEAD_INLINE void Svg::text(double x, double y, std::string_view content, std::string_view style, Anchor anchor) {
  append(body_, str("<text class=\"", style, "\" x=\"", number(x), "\" y=\"", number(y), '"',
                    anchor == Anchor::start    ? ""
                    : anchor == Anchor::middle ? " text-anchor=\"middle\""
                                               : " text-anchor=\"end\"",
                    '>', escape(content), "</text>\n"));
}

ANYLEAD_INLINE void Svg::vertical_text(double x, double y, std::string_view content, std::string_view style) {
  append(body_, str("<text class=\"", style, "\" text-anchor=\"middle\" transform=\"translate(", number(x), ' ', number(y),
                    ") rotate(-90)\">", escape(content), "</text>\n"));
}

ANYLEAD_INLINE std::string Svg::element(bool with_theme, double millimetres_wide) const {
  std::string out = str("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"al\" role=\"img\" viewBox=\"0 0 ", number(width_),
                        ' ', number(height_), '"');
  if (millimetres_wide > 0)
    append(out,
           str(" width=\"", number(millimetres_wide), "mm\" height=\"", number(millimetres_wide * height_ / width_), "mm\""));
  append(out, str(">\n<title>", title_, "</title>\n"));
  if (!description_.empty()) append(out, str("<desc>", description_, "</desc>\n"));
  if (with_theme) append(out, str("<style>", svg_theme(), "</style>\n"));
  append(out, str(body_, "</svg>\n"));
  return out;
}

ANYLEAD_INLINE std::string Svg::embedded(double millimetres_wide) const { return element(false, millimetres_wide); }

ANYLEAD_INLINE std::string Svg::file(double millimetres_wide) const { return element(true, millimetres_wide); }

ANYLEAD_INLINE std::string_view svg_theme() {
  return R"(
svg.al { font: 12px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
.al text { fill: #1d2430; font-variant-numeric: tabular-nums }
.al text.soft { fill: #667085 }
.al text.label { font-weight: 600 }
.al polyline, .al path { fill: none; stroke-linejoin: round; stroke-linecap: round }
.al .paper { fill: #fffcfa }
.al .fine { stroke: #f9e4df; stroke-width: 1 }
.al .coarse { stroke: #eaada1; stroke-width: 1.4 }
.al .trace { stroke: #16181d; stroke-width: 2.6 }
.al .pale { stroke: #16181d; stroke-width: 2; stroke-opacity: .28 }
.al .pulse { stroke: #16181d; stroke-width: 2.2 }
.al .cut { stroke: #16181d; stroke-width: 2 }
.al .veil { fill: #8a94a6; fill-opacity: .22 }
.al .hatch { stroke: #5b6577; stroke-width: 1.6; stroke-opacity: .42 }
.al .band { fill: #3b6fd8; fill-opacity: .2 }
.al .halo { stroke: #fffcfa; stroke-width: 9px; stroke-opacity: .85; paint-order: stroke; stroke-linejoin: round }
.al .ecg text { font-size: 31px }
.al .ecg text.heading { font-size: 38px; font-weight: 600 }
.al .grid { stroke: #e4e7ec; stroke-width: 1 }
.al .axis { stroke: #98a2b3; stroke-width: 1 }
.al .raw { stroke-width: 1; stroke-opacity: .3 }
.al .smooth { stroke-width: 2 }
.al .cell, .al .bar { fill: #2f6bd6 }
.al .dot { fill-opacity: .7 }
.al .well { fill: #eef1f6 }
.al .c0 { stroke: #2f6bd6 } .al .f0 { fill: #2f6bd6 }
.al .c1 { stroke: #d9622b } .al .f1 { fill: #d9622b }
.al .c2 { stroke: #1f8a5b } .al .f2 { fill: #1f8a5b }
.al .c3 { stroke: #a8417f } .al .f3 { fill: #a8417f }
.al .c4 { stroke: #8a6d0f } .al .f4 { fill: #8a6d0f }
.al .c5 { stroke: #4d9dc4 } .al .f5 { fill: #4d9dc4 }
.al .c6 { stroke: #6b5bd2 } .al .f6 { fill: #6b5bd2 }
.al .c7 { stroke: #6b7280 } .al .f7 { fill: #6b7280 }
@media screen and (prefers-color-scheme: dark) {
.al text { fill: #e6e9ef }
.al text.soft { fill: #98a2b3 }
.al .paper { fill: #14171c }
.al .fine { stroke: #262024 }
.al .coarse { stroke: #573a38 }
.al .trace, .al .pulse, .al .cut { stroke: #f0f2f5 }
.al .pale { stroke: #f0f2f5 }
.al .veil { fill: #aab4c5; fill-opacity: .16 }
.al .hatch { stroke: #aab4c5 }
.al .band { fill: #6f9cff; fill-opacity: .24 }
.al .halo { stroke: #14171c }
.al .grid { stroke: #2b313b }
.al .axis { stroke: #667085 }
.al .cell, .al .bar { fill: #6f9cff }
.al .well { fill: #232933 }
.al .c0 { stroke: #6f9cff } .al .f0 { fill: #6f9cff }
.al .c1 { stroke: #ff9566 } .al .f1 { fill: #ff9566 }
.al .c2 { stroke: #4cc38a } .al .f2 { fill: #4cc38a }
.al .c3 { stroke: #e07fb8 } .al .f3 { fill: #e07fb8 }
.al .c4 { stroke: #d6b656 } .al .f4 { fill: #d6b656 }
.al .c5 { stroke: #7cc7ea } .al .f5 { fill: #7cc7ea }
.al .c6 { stroke: #a79bff } .al .f6 { fill: #a79bff }
.al .c7 { stroke: #a0a8b5 } .al .f7 { fill: #a0a8b5 }
}
)";
}

}  // namespace anylead::report
