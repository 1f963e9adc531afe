// The CPU ops on float, once.
#include <anylead/cpu/table.hpp>

namespace anylead::cpu_ops {

template const OpTable<float>& op_table<float>();

}  // namespace anylead::cpu_ops
