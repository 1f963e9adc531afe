// Working memory of CPU ops: one buffer per purpose and thread that only grows, so that the steady state allocates nothing.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <anylead/core/types.hpp>

namespace anylead::cpu_ops {

namespace detail {

class GrowingBuffer {
 public:
  GrowingBuffer() = default;
  GrowingBuffer(const GrowingBuffer&) = delete;
  GrowingBuffer& operator=(const GrowingBuffer&) = delete;
  ~GrowingBuffer() { ::operator delete (data_, std::align_val_t{64}); }

  void* get(std::size_t bytes) {
    if (bytes > bytes_) {
      std::size_t grown = 4096;
      while (grown < bytes) grown += grown / 2;
      ::operator delete (std::exchange(data_, nullptr), std::align_val_t{64});
      bytes_ = 0;
      data_ = ::operator new (grown, std::align_val_t{64});
      bytes_ = grown;
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace detail

/// Uninitialised room for n values, valid until this thread asks for the same purpose again. Purpose: any type, unique to its
/// use.
template <class Purpose, class T>
T* scratch(Index n) {
  thread_local detail::GrowingBuffer buffer;
  return static_cast<T*>(buffer.get(static_cast<std::size_t>(n) * sizeof(T)));
}

}  // namespace anylead::cpu_ops
