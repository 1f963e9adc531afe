#include "cases/products.hpp"

#include "support/check_op.hpp"

using namespace anylead;

TEST_CASE("norms agree with their references", "[ops]") { test::check_ops(cases::norms()); }
TEST_CASE("linear maps agree with their references", "[ops]") { test::check_ops(cases::linears()); }
TEST_CASE("convolutions agree with their references", "[ops]") { test::check_ops(cases::convolutions()); }
TEST_CASE("blocks of the feature extractor agree with their references", "[ops]") { test::check_ops(cases::blocks()); }
TEST_CASE("the first block out of masked leads agrees with its reference", "[ops]") { test::check_ops(cases::lead_blocks()); }
TEST_CASE("positional convolutions agree with their references", "[ops]") { test::check_ops(cases::positionals()); }
