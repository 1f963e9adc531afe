// The instruction sets that this processor runs.
#pragma once

#include <vector>

#include <anylead/core/isa.hpp>

inline std::vector<anylead::Isa> isas() {
  using anylead::Isa;
  std::vector<Isa> present;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (isa <= anylead::detail::best_isa()) present.push_back(isa);
  return present;
}
