// Which segments make up the items of a batch.
#pragma once

#include <span>
#include <vector>

#include <anylead/data/segment_cache.hpp>

namespace anylead::data {

/// Items of one or two segments each, by their numbers in a cache.
struct Selection {
  Index per_item = 1;           ///< 1: single segments, 2: pairs
  std::vector<Index> segments;  ///< [items, per_item]

  Index items() const { return static_cast<Index>(segments.size()) / per_item; }
  std::span<const Index> item(Index i) const { return {segments.data() + i * per_item, static_cast<std::size_t>(per_item)}; }
};

/// Every segment by itself (W2V alone, fine-tuning).
inline Selection single_segments(const SegmentCache& cache) {
  Selection all;
  for (Index s = 0; s < cache.size(); ++s) all.segments.push_back(s);
  return all;
}

/// Which two segments of a recording are a pair for CMSC.
enum class PairRule {
  adjacent,  ///< neighbours in time, each segment in at most one pair: going through a recording, (0, 1), (2, 3), ...; after a
             ///< dropped segment the pairing starts again behind it
  manifest  ///< the reference: the surviving segments in order, couples of positions 0-1, 2-3, ..., which may lie apart in time
};

/// The pairs of all recordings; a recording with fewer than two segments gives none, a left-over segment is left.
inline Selection segment_pairs(const SegmentCache& cache, PairRule rule = PairRule::adjacent) {
  Selection pairs{2, {}};
  for (const CachedRecord& r : cache.records())
    for (Index s = r.first; s + 1 < r.first + r.count;) {
      const bool couple = rule == PairRule::manifest || cache.position(s + 1) == cache.position(s) + 1;
      if (couple) pairs.segments.insert(pairs.segments.end(), {s, s + 1});
      s += couple ? 2 : 1;
    }
  return pairs;
}

}  // namespace anylead::data
