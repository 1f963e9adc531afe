// The CPU as a backend: its memory and its tables of ops.
#pragma once

#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <anylead/core/backend.hpp>
#include <anylead/core/error.hpp>
#include <anylead/core/storage.hpp>

namespace anylead::cpu_ops {

/// All ops of the CPU (cpu/table.hpp); instantiated for float and double.
template <Real T>
const OpTable<T>& op_table();

namespace detail {

inline MemoryPool& pool(const Exec&) {
  static MemoryPool* const pool = new MemoryPool;  // never destroyed: tensors with static storage may outlive it otherwise
  return *pool;
}

inline void* allocate(const Exec&, std::size_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  ANYLEAD_CHECK(data, DeviceError, "cpu", "out of memory: asked for ", bytes, " bytes");
#if defined(__linux__)
  if (bytes >= kHugePage) madvise(data, bytes, MADV_HUGEPAGE);  // fewer page faults and TLB misses; a refusal costs nothing
#endif
  return data;
}

inline void release(const Exec&, void* data, std::size_t) { std::free(data); }
inline void copy(const Exec&, void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
inline void synchronize(const Exec&) {}

}  // namespace detail

/// The backend behind anylead::cpu().
inline const Backend& backend() {
  static const Backend backend = {
      .name = "cpu",
      .allocate = detail::allocate,
      .release = detail::release,
      .copy_from_host = detail::copy,
      .copy_to_host = detail::copy,
      .copy = detail::copy,
      .synchronize = detail::synchronize,
      .pool = detail::pool,
      .ops_float = op_table<float>(),
      .ops_double = op_table<double>(),
  };
  return backend;
}

}  // namespace anylead::cpu_ops
