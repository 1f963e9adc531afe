// A device as a table of functions.
#pragma once

#include <cstddef>

#include <anylead/core/exec.hpp>
#include <anylead/core/op_table.hpp>

namespace anylead {

class MemoryPool;

/// What a device offers: memory and ops. One constant object per backend.
struct Backend {
  const char* name;  ///< "cpu", "cuda"

  /// Fresh memory from the system, 64-byte aligned. @throws DeviceError when there is none.
  void* (*allocate)(const Exec&, std::size_t bytes);
  void (*release)(const Exec&, void*, std::size_t bytes);

  void (*copy_from_host)(const Exec&, void* to, const void* from, std::size_t bytes);
  void (*copy_to_host)(const Exec&, void* to, const void* from, std::size_t bytes);  ///< waits for the result
  void (*copy)(const Exec&, void* to, const void* from, std::size_t bytes);
  void (*synchronize)(const Exec&);

  MemoryPool& (*pool)(const Exec&);  ///< the free lists of the device

  OpTable<float> ops_float;
  OpTable<double> ops_double;

  template <Real T>
  const OpTable<T>& ops() const {
    if constexpr (std::same_as<T, float>)
      return ops_float;
    else
      return ops_double;
  }
};

}  // namespace anylead
