// Devices that tests run on.
#pragma once

#include <cstdlib>
#include <string_view>
#include <vector>

#include <anylead/cpu.hpp>
#ifdef ANYLEAD_TEST_CUDA
#include <anylead/cuda.hpp>
#endif

namespace anylead::test {

/// Whether the environment variable ANYLEAD_TEST_DEVICE asks for a GPU instead of the CPU.
inline bool wants_cuda() {
  const char* named = std::getenv("ANYLEAD_TEST_DEVICE");
  return named && std::string_view(named) == "cuda";
}

/// The device under test.
inline Device test_device() {
#ifdef ANYLEAD_TEST_CUDA
  if (wants_cuda()) return cuda::device(0);
#endif
  return cpu();
}

inline std::vector<Device> present_devices() { return {test_device()}; }

}  // namespace anylead::test
