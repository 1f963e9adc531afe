// Every op as a user without this library would compose it: one pass over whole tensors after the other, each result in
// memory before the next pass begins, in expressions of Eigen or, for ops that join several of the library's own, as those.
#pragma once

#include <anylead/core/op_table.hpp>

namespace anylead::composed {

/// Under the contracts of OpTable, but for what a benchmark does not need: gradients are all wanted and assigned, optional
/// inputs are null only where the benchmarked ops leave them out, and weights have no prepared form.
const OpTable<float>& table();

}  // namespace anylead::composed
