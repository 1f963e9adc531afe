#include "cases/elementwise.hpp"

#include "cases/masking.hpp"
#include "cases/similarity.hpp"
#include "support/check_op.hpp"

using namespace anylead;

TEST_CASE("element-by-element passes agree with their references", "[ops]") { test::check_ops(cases::elementwise()); }
TEST_CASE("masks and row picks agree with their references", "[ops]") { test::check_ops(cases::masking()); }
TEST_CASE("log-softmax and cosines agree with their references", "[ops]") { test::check_ops(cases::similarity()); }
