// How a backward function delivers a gradient.
#pragma once

#include <anylead/core/host_device.hpp>

namespace anylead {

enum class GradMode {
  skip,       ///< not wanted: nothing is computed or written
  overwrite,  ///< the buffer is uninitialised: every element is assigned
  accumulate  ///< added to what the buffer holds
};

/// Destination of one gradient. POD.
template <class T>
struct Grad {
  T* data = nullptr;
  GradMode mode = GradMode::skip;

  ANYLEAD_HD explicit operator bool() const { return mode != GradMode::skip; }
  ANYLEAD_HD bool accumulates() const { return mode == GradMode::accumulate; }
};

}  // namespace anylead
