// Samples that a file marks as invalid.
#pragma once

#include <cmath>
#include <limits>
#include <span>

#include <anylead/core/types.hpp>

namespace anylead::data {

/// Fills every run of at most `longest` samples that are not finite: on the straight line between the valid neighbours, and at
/// the ends of the lead with the nearest valid value. Samples of longer runs become NaN, whatever they were (infinities do not
/// survive). Returns the number of samples filled.
inline Index bridge_gaps(std::span<float> lead, Index longest) {
  const Index n = static_cast<Index>(lead.size());
  Index filled = 0;
  for (Index begin = 0; begin < n;) {
    if (std::isfinite(lead[begin])) {
      ++begin;
      continue;
    }
    Index end = begin;  // of the run
    while (end < n && !std::isfinite(lead[end])) ++end;
    const bool before = begin > 0, after = end < n;
    if (end - begin > longest || (!before && !after)) {
      for (Index i = begin; i < end; ++i) lead[i] = std::numeric_limits<float>::quiet_NaN();
    } else {
      const double left = before ? lead[begin - 1] : lead[end], right = after ? lead[end] : lead[begin - 1];
      for (Index i = begin; i < end; ++i)
        lead[i] = static_cast<float>(left + (right - left) * double(i - begin + 1) / double(end - begin + 1));
      filled += end - begin;
    }
    begin = end;
  }
  return filled;
}

/// All samples are finite.
inline bool all_valid(std::span<const float> lead) {
  for (const float x : lead)
    if (!std::isfinite(x)) return false;
  return true;
}

/// All valid samples have one value, or there is none.
inline bool is_flat(std::span<const float> lead) {
  float value = std::numeric_limits<float>::quiet_NaN();
  for (const float x : lead) {
    if (!std::isfinite(x)) continue;
    if (std::isnan(value)) value = x;
    if (x != value) return false;
  }
  return true;
}

}  // namespace anylead::data
