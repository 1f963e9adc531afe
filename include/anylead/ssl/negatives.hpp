// Which candidates a masked frame is contrasted with.
#pragma once

#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>

namespace anylead::ssl {

struct NegativeOptions {
  Index own = 100;     ///< from the other masked frames of the same segment
  Index cross = 0;     ///< from the masked frames of the whole batch
  Index codebook = 0;  ///< projected random codewords
};

/// Draws to rows. counts [B]: masked frames of each segment, whose targets follow each other; own: for segment b, own M_b
/// numbers in [0, M_b - 2], all segments in order; cross: likewise cross M_b numbers in [0, R - 2], R all masked frames. Number
/// k of a segment's list belongs to its frame k / own (k / cross); a number not below that frame's position in its segment is
/// raised by one, so that a frame never draws itself. (For cross negatives the reference compares with the position in the
/// segment too, not in the batch; kept.) Then both lists of a segment are joined and read as [M_b, own + cross], which hands
/// some frames draws that were made for others; kept too. Result: [R, own + cross] row numbers.
inline std::vector<Index32> negative_rows(const std::vector<Index>& counts, const std::vector<Index32>& own_draws,
                                          const std::vector<Index32>& cross_draws, Index own, Index cross) {
  std::vector<Index32> rows;
  rows.reserve(own_draws.size() + cross_draws.size());
  Index first = 0, own_at = 0, cross_at = 0;
  for (const Index m : counts) {
    for (Index k = 0; k < own * m; ++k) {
      const Index draw = own_draws[static_cast<std::size_t>(own_at++)], frame = k / own;
      rows.push_back(static_cast<Index32>(first + draw + (draw >= frame)));
    }
    for (Index k = 0; k < cross * m; ++k) {
      const Index draw = cross_draws[static_cast<std::size_t>(cross_at++)], frame = k / cross;
      rows.push_back(static_cast<Index32>(draw + (draw >= frame)));
    }
    first += m;
  }
  return rows;
}

/// The same with numbers of the stream. @throws Error if a segment has a single masked frame: it has no negatives.
inline std::vector<Index32> draw_negatives(RandomStream stream, const std::vector<Index>& counts, const NegativeOptions& o) {
  Index all = 0;
  for (const Index m : counts) {
    ANYLEAD_CHECK(m != 1 || o.own == 0, Error, "negatives",
                  "a segment with one masked frame has no negatives; use longer segments");
    all += m;
  }
  std::vector<Index32> own, cross;
  own.reserve(static_cast<std::size_t>(all * o.own));
  cross.reserve(static_cast<std::size_t>(all * o.cross));
  const RandomStream others = {stream.seed, stream.step, site_key("cross", stream.site)};
  for (const Index m : counts)
    for (Index k = 0; k < m; ++k) {
      for (Index n = 0; n < o.own; ++n)
        own.push_back(static_cast<Index32>(stream.below(own.size(), static_cast<std::uint32_t>(m - 1))));
      for (Index n = 0; n < o.cross; ++n)
        cross.push_back(static_cast<Index32>(others.below(cross.size(), static_cast<std::uint32_t>(all - 1))));
    }
  return negative_rows(counts, own, cross, o.own, o.cross);
}

}  // namespace anylead::ssl
