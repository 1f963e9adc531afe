// NVIDIA GPUs as devices. Needs no CUDA header; link anylead::cuda, or define everything in one .cu of yours
// (<anylead/cuda/kernels.cuh>).
#pragma once

#include <string>

#include <anylead/core/device.hpp>

namespace anylead::cuda {

/// Number of GPUs that this process may use; 0 without a driver.
int count() noexcept;

inline bool available() noexcept { return count() > 0; }

/// Why there is no GPU, in words; empty if there is one.
std::string unavailable_reason();

/// GPU number `index`, with a stream of the library's own that no other work waits for.
/// @throws DeviceError if there is none of that number, or the kernels were not built for it
Device device(int index = 0);

/// The same with a stream (cudaStream_t) of the surrounding program; null: the runtime's default stream. Memory is reused in
/// the order of the stream: a tensor made on one stream is used on it, and the stream is synchronised before it is destroyed.
Device device(int index, void* stream);

}  // namespace anylead::cuda
