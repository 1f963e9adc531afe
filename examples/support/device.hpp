// The device that a program's --device names.
#pragma once

#include <string>

#include <anylead/core/device.hpp>

/// cpu, or cuda: the first GPU. Defined twice: device_cuda.cpp belongs to builds with CUDA, device_cpu.cpp to the others.
/// @throws OptionError for another name, and for cuda where there is no GPU to use, with the reason
anylead::Device open_device(const std::string& name);
