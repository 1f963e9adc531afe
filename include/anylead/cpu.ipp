#pragma once

#include <anylead/core/isa.hpp>
#include <anylead/cpu/backend.hpp>
#ifndef ANYLEAD_COMPILED
#include <anylead/cpu/table.hpp>
#endif

namespace anylead {

ANYLEAD_INLINE Device cpu() {
  current_isa();  // reports a wrong ANYLEAD_ISA here: inside an op a worker thread would meet it, and end the program
  return Device(&cpu_ops::backend(), 0, nullptr);
}

}  // namespace anylead
