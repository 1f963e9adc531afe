#include "cases/objectives.hpp"

#include "cases/attention.hpp"
#include "cases/optimizer_step.hpp"
#include "support/check_op.hpp"

using namespace anylead;

TEST_CASE("attention agrees with its reference", "[ops]") { test::check_ops(cases::attention()); }
TEST_CASE("pooling, quantiser and contrastive losses agree with their references", "[ops]") {
  test::check_ops(cases::objectives());
}
TEST_CASE("optimiser passes agree with their references", "[ops]") { test::check_ops(cases::optimizer_step()); }
