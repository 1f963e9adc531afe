// Which frames are masked: spans at random places.
#pragma once

#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>

namespace anylead::ssl {

/// Spans of masked frames. (Baevski et al. 2020, section 3.1, in the form that the reference computes.)
struct SpanMaskOptions {
  enum class Length {
    fixed,    ///< every span has `length` frames
    uniform,  ///< an integer from [other, 2 length]
    normal,   ///< N(length, other) rounded, at least 1
    poisson   ///< Poisson(length)
  };
  double probability = 0.65;  ///< about the share of frames that would be masked if spans never met
  Index length = 10;
  Length kind = Length::fixed;
  double other = 0;
  Index min_spans = 2;
  bool overlap = true;
  Index min_space = 1;   ///< frames between spans where overlap is off
  bool equalize = true;  ///< the reference: rows lose random single frames until all have as many as the poorest
};

/// mask [B, T]: 1 where masked. lengths [B]: frames of each row that are not padding; empty: all T.
/// Number of spans: max(min_spans, floor(probability frames / length + u)), one u for the whole batch without padding, else one
/// per row. Starts are distinct and uniform in [0, frames - length): the last frame of a row is never masked. The union of the
/// spans is then thinned (equalize).
std::vector<Flag> draw_span_mask(RandomStream stream, Index batch, Index frames, const std::vector<Index>& lengths,
                                 const SpanMaskOptions& options);

}  // namespace anylead::ssl

#ifndef ANYLEAD_COMPILED
#include <anylead/ssl/span_mask.ipp>
#endif
