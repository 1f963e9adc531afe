#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <anylead/core/error.hpp>
#include <anylead/ssl/span_mask.hpp>

namespace anylead::ssl {

namespace detail {

/// n distinct numbers of {0, ..., count - 1}, every subset equally likely (a shuffle that stops after n).
ANYLEAD_INLINE std::vector<Index> choose(RandomSequence& random, Index count, Index n) {
  std::vector<Index> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), Index{0});
  for (Index i = 0; i < n; ++i)
    std::swap(all[static_cast<std::size_t>(i)],
              all[static_cast<std::size_t>(i + random.below(static_cast<std::uint32_t>(count - i)))]);
  all.resize(static_cast<std::size_t>(n));
  return all;
}

ANYLEAD_INLINE std::vector<Index> span_lengths(RandomSequence& random, Index spans, Index frames, const SpanMaskOptions& o) {
  std::vector<Index> lengths(static_cast<std::size_t>(spans), o.length);
  for (Index& length : lengths) {
    if (o.kind == SpanMaskOptions::Length::uniform) {
      const auto low = static_cast<Index>(o.other);
      length = low + random.below(static_cast<std::uint32_t>(std::max<Index>(1, 2 * o.length - low + 1)));
    } else if (o.kind == SpanMaskOptions::Length::normal) {
      length = std::max<Index>(1, static_cast<Index>(std::nearbyint(random.normal(static_cast<double>(o.length), o.other))));
    } else if (o.kind == SpanMaskOptions::Length::poisson) {  // Knuth's product of uniforms; the mean is small
      const double limit = std::exp(-static_cast<double>(o.length));
      length = 0;
      for (double product = random.uniform(); product > limit; product *= random.uniform()) ++length;
    }
  }
  if (!lengths.empty() && std::accumulate(lengths.begin(), lengths.end(), Index{0}) == 0)
    lengths[0] = std::min(o.length, frames - 1);
  return lengths;
}

/// Spans that keep their distance: longest first, each into a free interval chosen in proportion to its length.
ANYLEAD_INLINE void place_apart(RandomSequence& random, std::vector<Index> lengths, Index frames, const SpanMaskOptions& o,
                                Flag* mask) {
  struct Interval {
    Index begin, end;
  };
  std::vector<Interval> free = {{0, frames}};
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  const Index shortest = lengths.empty() ? 0 : lengths.back();
  for (const Index length : lengths) {
    Index total = 0;
    for (const auto& f : free) total += f.end - f.begin >= length + o.min_space ? f.end - f.begin : 0;
    if (total == 0) break;
    Index pick = random.below(static_cast<std::uint32_t>(total));
    std::size_t i = 0;
    for (;; ++i) {
      const Index size = free[i].end - free[i].begin;
      if (size < length + o.min_space) continue;
      if (pick < size) break;
      pick -= size;
    }
    const Interval from = free[i];
    const Index start = from.begin + random.below(static_cast<std::uint32_t>(from.end - from.begin - length));
    std::fill(mask + start, mask + start + length, Flag{1});
    free.erase(free.begin() + static_cast<std::ptrdiff_t>(i));
    if (start - from.begin - o.min_space >= shortest) free.push_back({from.begin, start - o.min_space + 1});
    if (from.end - start - shortest - o.min_space > shortest) free.push_back({start + length + o.min_space, from.end});
  }
}

}  // namespace detail

ANYLEAD_INLINE std::vector<Flag> draw_span_mask(RandomStream stream, Index batch, Index frames,
                                                const std::vector<Index>& lengths, const SpanMaskOptions& o) {
  ANYLEAD_CHECK(o.length >= 1 && o.probability >= 0 && o.min_spans >= 0, OptionError, "span_mask", "length ", o.length,
                ", probability ", o.probability, ", min_spans ", o.min_spans);
  ANYLEAD_CHECK(lengths.empty() || static_cast<Index>(lengths.size()) == batch, ShapeError, "span_mask", lengths.size(),
                " lengths for ", batch, " rows");
  const double u_all = double(stream.uniform(0));
  std::vector<Flag> mask(static_cast<std::size_t>(batch * frames));
  std::vector<Index> masked(static_cast<std::size_t>(batch));
  std::vector<RandomSequence> random;
  for (Index b = 0; b < batch; ++b) {
    random.emplace_back(
        RandomStream{stream.seed, stream.step, site_key("row", stream.site) ^ static_cast<std::uint32_t>(b) * 2654435761u});
    Flag* row = mask.data() + b * frames;
    const Index size = lengths.empty() ? frames : lengths[static_cast<std::size_t>(b)];
    if (size <= 0) continue;
    const double u = lengths.empty() ? u_all : random.back().uniform();
    const Index spans = std::max(
        o.min_spans, static_cast<Index>(o.probability * static_cast<double>(size) / static_cast<double>(o.length) + u));
    const std::vector<Index> span = detail::span_lengths(random.back(), spans, size, o);
    if (!o.overlap) {
      detail::place_apart(random.back(), span, size, o, row);
    } else if (spans > 0) {
      Index shortest = *std::min_element(span.begin(), span.end());
      if (size - shortest <= spans) shortest = size - spans - 1;
      const std::vector<Index> starts = detail::choose(random.back(), size - shortest, spans);
      for (std::size_t i = 0; i < starts.size(); ++i)
        for (Index t = starts[i]; t < std::min(size, starts[i] + span[i]); ++t) row[t] = 1;
    }
    masked[static_cast<std::size_t>(b)] = std::count(row, row + frames, Flag{1});
  }
  if (!o.equalize || batch == 0) return mask;
  const Index poorest = *std::min_element(masked.begin(), masked.end());
  for (Index b = 0; b < batch; ++b) {
    Flag* row = mask.data() + b * frames;
    std::vector<Index> where;
    for (Index t = 0; t < frames; ++t)
      if (row[t]) where.push_back(t);
    const Index surplus = static_cast<Index>(where.size()) - poorest;
    for (const Index i : detail::choose(random[static_cast<std::size_t>(b)], static_cast<Index>(where.size()), surplus))
      row[where[static_cast<std::size_t>(i)]] = 0;
  }
  return mask;
}

}  // namespace anylead::ssl
