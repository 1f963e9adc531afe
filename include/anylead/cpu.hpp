// The CPU device. With the compiled library this header only declares it; else it brings the bodies of all CPU ops.
#pragma once

#include <anylead/core/config.hpp>
#include <anylead/core/device.hpp>

namespace anylead {

/// The processor of this machine, with as many threads as set_threads() says.
/// @throws OptionError if the environment variable ANYLEAD_ISA names no instruction set of this processor
Device cpu();

}  // namespace anylead

#ifndef ANYLEAD_COMPILED
#include <anylead/cpu.ipp>
#endif
