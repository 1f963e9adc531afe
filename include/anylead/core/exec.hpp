// Where a device function runs.
#pragma once

namespace anylead {

/// First argument of every device function. POD.
struct Exec {
  void* stream = nullptr;  ///< of the device's runtime; null on the CPU
  int index = 0;           ///< device number
};

}  // namespace anylead
