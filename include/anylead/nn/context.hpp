// What a forward pass knows beside its inputs.
#pragma once

#include <cstdint>
#include <string_view>

#include <anylead/core/dims.hpp>

namespace anylead {

/// Seed, step and place. Random numbers are a pure function of these, so a pass run again draws the same ones, whatever the
/// device, the number of threads or the order of calls. Small: pass by value.
struct Ctx {
  std::uint64_t seed = 1;
  std::uint64_t step = 0;
  bool training = false;
  std::uint32_t site = site_key("");

  /// The context of a part of this module.
  Ctx at(std::string_view part) const {
    Ctx inner = *this;
    inner.site = site_key(part, site_key(".", site));
    return inner;
  }
  Ctx at(std::uint64_t number) const {
    Ctx inner = *this;
    inner.site = (site_key("#", site) ^ static_cast<std::uint32_t>(number)) * 16777619u;
    return inner;
  }

  RandomStream stream() const { return {seed, step, site}; }

  /// Dropout of probability p while training, else none.
  Dropout dropout(double p) const { return training && p > 0 ? Dropout{static_cast<float>(p), stream()} : Dropout{}; }
};

}  // namespace anylead
