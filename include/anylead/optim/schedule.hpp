// Learning rates by update number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <anylead/core/error.hpp>

namespace anylead::optim {

/// rate(n): the learning rate of update n, counted from 0.
struct Schedule {
  enum class Kind {
    fixed,      ///< linear warm-up rate (n + 1) / warmup, then constant
    tri_stage,  ///< linear from initial_scale rate, constant, exponential to final_scale rate, then constant
    step,       ///< linear warm-up rate n / warmup, then times decay every `period` updates
    cosine      ///< warm-up as fixed, then half a cosine down to final_scale rate at max_update
  };
  Kind kind = Kind::fixed;
  double rate = 5e-5;
  std::int64_t warmup = 0;
  std::int64_t max_update = 320000;                                ///< tri_stage, cosine
  double warmup_ratio = 0.1, hold_ratio = 0.2, decay_ratio = 0.7;  ///< tri_stage: shares of max_update
  double initial_scale = 0.01, final_scale = 0.01;                 ///< tri_stage; final_scale: cosine too
  std::int64_t period = 1;                                         ///< step
  double decay = 0.5;                                              ///< step

  /// The order of operations is the reference's, so that values agree to the last digit.
  double at(std::int64_t n) const {
    const auto x = static_cast<double>(n);
    switch (kind) {
      case Kind::fixed:
        return warmup > 0 && n < warmup ? (x + 1) / static_cast<double>(warmup) * rate : rate;
      case Kind::step: {
        if (n < warmup) return x * (rate / static_cast<double>(warmup));
        ANYLEAD_CHECK(period > 0, OptionError, "schedule", "period ", period, " of the step schedule is not positive");
        return rate * std::pow(decay, static_cast<double>((n - warmup) / period));
      }
      case Kind::tri_stage: {
        const auto all = static_cast<double>(max_update);
        const auto rise = static_cast<std::int64_t>(all * warmup_ratio), hold = static_cast<std::int64_t>(all * hold_ratio),
                   fall = static_cast<std::int64_t>(all * decay_ratio);
        const double initial = initial_scale * rate;
        if (n < rise) return initial + (rate - initial) / static_cast<double>(rise) * x;
        if (n < rise + hold) return rate;
        if (n <= rise + hold + fall && fall > 0) {
          const double factor = -std::log(final_scale) / static_cast<double>(fall);
          return rate * std::exp(-factor * static_cast<double>(n - rise - hold));
        }
        return final_scale * rate;
      }
      case Kind::cosine: {
        if (n < warmup) return (x + 1) / static_cast<double>(warmup) * rate;
        const double share = std::min(
            1.0, static_cast<double>(n - warmup) / static_cast<double>(std::max<std::int64_t>(1, max_update - warmup)));
        return rate * (final_scale + (1 - final_scale) * 0.5 * (1 + std::cos(3.14159265358979323846 * share)));
      }
    }
    return rate;
  }
};

}  // namespace anylead::optim
