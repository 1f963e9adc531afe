// Random lead masking.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>

namespace anylead::ssl {

/// Which leads a training step sees. (Oh et al. 2022, section 3.3.)
struct LeadMaskOptions {
  enum class Selection {
    random,      ///< each lead is dropped on its own
    conditional  ///< of twelve leads, `limb_masked` of the six limb leads and `chest_masked` of the six chest leads are dropped
  };
  Selection selection = Selection::random;
  double probability = 1;  ///< of masking a segment at all
  double drop = 0.5;       ///< random: probability of dropping a lead
  Index limb_masked = 4, chest_masked = 5;
  Index min_kept = 0;  ///< leads to keep at least, if so many are present; 0 as in the reference: all may vanish
};

/// keep [B, C]: 1 where a lead stays. present [B, C] (empty: all): an absent lead is never kept. Each segment draws its own
/// mask, a function of the stream and its number in the batch.
/// @throws OptionError if conditional selection meets other than twelve leads, or asks for more than there are
inline std::vector<Flag> draw_lead_mask(RandomStream stream, Index batch, Index leads, const std::vector<Flag>& present,
                                        const LeadMaskOptions& o) {
  const bool conditional = o.selection == LeadMaskOptions::Selection::conditional;
  ANYLEAD_CHECK(!conditional || leads == 12, OptionError, "lead_mask",
                "conditional selection needs the twelve standard leads, found ", leads);
  ANYLEAD_CHECK(!conditional || (o.limb_masked >= 0 && o.limb_masked <= 6 && o.chest_masked >= 0 && o.chest_masked <= 6),
                OptionError, "lead_mask", "of six limb and six chest leads, cannot mask ", o.limb_masked, " and ",
                o.chest_masked);
  std::vector<Flag> keep(static_cast<std::size_t>(batch * leads), 1);
  const RandomStream per_segment = {stream.seed, stream.step, site_key("segment", stream.site)};
  for (Index b = 0; b < batch; ++b) {
    Flag* own = keep.data() + b * leads;
    const auto number = static_cast<std::uint64_t>(b * leads);
    if (double(per_segment.uniform(static_cast<std::uint64_t>(b))) < o.probability) {
      // Smallest numbers first: dropping the n leads with the smallest numbers drops a uniformly random n.
      std::vector<std::pair<float, Index>> order(static_cast<std::size_t>(leads));
      for (Index c = 0; c < leads; ++c)
        order[static_cast<std::size_t>(c)] = {stream.uniform(number + static_cast<std::uint64_t>(c)), c};
      if (conditional) {
        std::sort(order.begin(), order.begin() + 6);
        std::sort(order.begin() + 6, order.end());
        for (Index i = 0; i < o.limb_masked; ++i) own[order[static_cast<std::size_t>(i)].second] = 0;
        for (Index i = 0; i < o.chest_masked; ++i) own[order[static_cast<std::size_t>(6 + i)].second] = 0;
      } else {
        for (const auto& [u, c] : order) own[c] = double(u) >= o.drop;
      }
      // leads that were closest to being kept come back first
      std::sort(order.begin(), order.end(), std::greater<>());
      Index kept = 0;
      for (Index c = 0; c < leads; ++c) kept += own[c] && (present.empty() || present[static_cast<std::size_t>(b * leads + c)]);
      for (std::size_t i = 0; i < order.size() && kept < o.min_kept; ++i) {
        const Index c = order[i].second;
        if (own[c] || (!present.empty() && !present[static_cast<std::size_t>(b * leads + c)])) continue;
        own[c] = 1;
        ++kept;
      }
    }
    if (!present.empty())
      for (Index c = 0; c < leads; ++c) own[c] = own[c] && present[static_cast<std::size_t>(b * leads + c)];
  }
  return keep;
}

}  // namespace anylead::ssl
