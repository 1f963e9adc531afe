// Four neighbouring numbers of shared memory at once.
#pragma once

namespace anylead::cuda_ops {
namespace {

template <class T>
struct alignas(16) Four {
  T v[4];
};

/// p is a multiple of 16 bytes.
template <class T>
__device__ Four<T>& four(T* p) {
  return *reinterpret_cast<Four<T>*>(p);
}
template <class T>
__device__ const Four<T>& four(const T* p) {
  return *reinterpret_cast<const Four<T>*>(p);
}

}  // namespace
}  // namespace anylead::cuda_ops
