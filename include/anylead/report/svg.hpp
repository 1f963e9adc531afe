// Vector pictures as text: escaping, short numbers, and a builder with one theme for screen (light and dark) and paper.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>

namespace anylead::report {

/// Text made safe for XML and HTML, between tags and in attributes: & < > " ' become entities, control characters (but tab and
/// line feed) blanks, and bytes that are not UTF-8 become U+FFFD, because one such byte makes a viewer reject the whole
/// picture.
ANYLEAD_INLINE std::string escape(std::string_view text);

/// A coordinate with at most `decimals` digits behind the point and none that is not needed: "12.5", "3", "-0.25".
/// Values that are not finite become "0": no picture breaks because of one number.
ANYLEAD_INLINE std::string number(double value, int decimals = 1);

struct Point {
  double x, y;
};

/// Which end of a text its x coordinate is.
enum class Anchor { start, middle, end };

/// Builds one picture. Coordinates are user units, y points down. Shapes get their colours by class from the theme.
class Svg {
 public:
  /// `title` is read by screen readers and shown as tooltip, `description` is read on demand. Both are escaped here.
  ANYLEAD_INLINE Svg(double width, double height, std::string_view title, std::string_view description = {});

  ANYLEAD_INLINE void open_group(std::string_view style);
  ANYLEAD_INLINE void close_group();
  /// `tooltip` is shown by browsers under the pointer.
  ANYLEAD_INLINE void rect(double x, double y, double width, double height, std::string_view style,
                           std::string_view tooltip = {}, double radius = 0);
  /// A rectangle in the series' colour with an opacity of 0 .. 1: a cell of a heat map.
  ANYLEAD_INLINE void cell(double x, double y, double width, double height, double opacity, std::string_view tooltip);
  ANYLEAD_INLINE void line(double x1, double y1, double x2, double y2, std::string_view style);
  ANYLEAD_INLINE void polyline(std::span<const Point> points, std::string_view style, std::string_view tooltip = {});
  ANYLEAD_INLINE void circle(double x, double y, double radius, std::string_view style, std::string_view tooltip = {});
  ANYLEAD_INLINE void path(std::string_view data, std::string_view style);
  ANYLEAD_INLINE void text(double x, double y, std::string_view content, std::string_view style, Anchor anchor = Anchor::start);
  /// The same, turned by 90 degrees anticlockwise about (x, y) and centred there: the label of a vertical axis.
  ANYLEAD_INLINE void vertical_text(double x, double y, std::string_view content, std::string_view style);

  /// The picture for a page that contains `svg_theme()` in its style sheet. `millimetres_wide` as for file().
  ANYLEAD_INLINE std::string embedded(double millimetres_wide = 0) const;
  /// The picture as a file of its own, theme included. `millimetres_wide` > 0 fixes its size on paper.
  ANYLEAD_INLINE std::string file(double millimetres_wide = 0) const;

 private:
  ANYLEAD_INLINE std::string element(bool with_theme, double millimetres_wide) const;

  double width_, height_;
  std::string title_, description_, body_;
};

/// Style sheet of all pictures. Colours are written out, not in variables, because viewers other than browsers (librsvg,
/// Inkscape, office programs) do not know variables.
ANYLEAD_INLINE std::string_view svg_theme();

/// Number of distinct series colours, classes "c0" .. "c7".
inline constexpr Index kSeriesColors = 8;

}  // namespace anylead::report

#ifndef ANYLEAD_COMPILED
#include <anylead/report/svg.ipp>
#endif
