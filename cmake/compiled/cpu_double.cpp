// The CPU ops on double, once.
#include <anylead/cpu/table.hpp>

namespace anylead::cpu_ops {

template const OpTable<double>& op_table<double>();

}  // namespace anylead::cpu_ops
