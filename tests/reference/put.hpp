// The reference device computes every entry of the op table in double with plain loops, straight from its formula: the oracle
// of all devices. Slow on purpose; no blocking, no vectors, no threads.
#pragma once

#include <cmath>
#include <vector>

#include <anylead/core/op_table.hpp>

namespace anylead::reference {

/// Delivers element i of a gradient by its mode.
inline void put(const Grad<double>& to, Index i, double v) {
  if (to.mode == GradMode::overwrite) to.data[i] = v;
  if (to.mode == GradMode::accumulate) to.data[i] += v;
}

/// Delivers a whole gradient.
inline void put(const Grad<double>& to, const std::vector<double>& v) {
  for (std::size_t i = 0; i < v.size(); ++i) put(to, static_cast<Index>(i), v[i]);
}

inline std::vector<double> zeros(Index n) { return std::vector<double>(static_cast<std::size_t>(n)); }
inline Grad<double> whole(std::vector<double>& v) { return {v.data(), GradMode::overwrite}; }

}  // namespace anylead::reference
