// Copies from global to shared memory that the threads do not wait for (cp.async, sm_80).
#pragma once

namespace anylead::cuda_ops {
namespace {

/// *to = valid ? *from : 0, arriving later. T has 4, 8 or 16 bytes and lies at a multiple of them; from is any valid address
/// where nothing is read.
template <class T>
__device__ void copy_async(T* to, const T* from, bool valid) {
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(from), "n"(sizeof(T)),
               "r"(valid ? static_cast<unsigned>(sizeof(T)) : 0u)
               : "memory");
}

/// Ends a group of copies.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits for the own copies of this thread but those of the kLater last groups; a barrier makes those of the others visible.
template <int kLater>
__device__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLater) : "memory");
}

}  // namespace
}  // namespace anylead::cuda_ops
