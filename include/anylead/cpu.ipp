#include <anylead/cpu/table.hpp>

namespace anylead {

ANYLEAD_INLINE Device cpu() { return Device(&cpu_ops::kBackend, 0, nullptr); }

}  // namespace anylead
