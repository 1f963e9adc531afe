// Values that no op may leave behind: uninitialised memory made visible.
#pragma once

#include <limits>

#include <anylead/core/types.hpp>

namespace anylead::test {

/// NaN for numbers, a large odd value for flags and indices.
template <class T>
constexpr T poison() {
  if constexpr (std::numeric_limits<T>::has_quiet_NaN)
    return std::numeric_limits<T>::quiet_NaN();
  else if constexpr (sizeof(T) == 1)
    return T(0xA7);
  else
    return T(0x7A7A7A7A);
}

}  // namespace anylead::test
