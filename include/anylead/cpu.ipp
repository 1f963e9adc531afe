#include <anylead/cpu/table.hpp>

namespace anylead {

ANYLEAD_INLINE Device cpu() {
  current_isa();  // reports a wrong ANYLEAD_ISA here: inside an op a worker thread would meet it, and end the program
  return Device(&cpu_ops::kBackend, 0, nullptr);
}

}  // namespace anylead
