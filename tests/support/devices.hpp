// Devices that tests run on.
#pragma once

#include <vector>

#include <anylead/cpu.hpp>

namespace anylead::test {

inline std::vector<Device> present_devices() { return {cpu()}; }

}  // namespace anylead::test
