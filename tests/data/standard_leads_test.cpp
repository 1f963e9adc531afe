#include <anylead/core/error.hpp>
#include <anylead/data/standard_leads.hpp>

#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

TEST_CASE("leads are found in any order, spelling and case", "[data]") {
  const LeadOrder order;
  REQUIRE(order.size() == 12);
  const auto m = order.match({"v6", "V5", "C4", "v3", "ECG V2", "V1", "AVF", "avl", "aVR", "iii", "MLII", "Lead I"});
  CHECK(m.row == std::vector<Index>{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(m.repeated == 0);
}

TEST_CASE("missing leads have no row and further leads are left aside", "[data]") {
  const auto m = LeadOrder().match({"vx", "ii", "RESP", "V1"});
  CHECK(m.row == std::vector<Index>{-1, 1, -1, -1, -1, -1, 3, -1, -1, -1, -1, -1});
  CHECK(LeadOrder().match({}).row == std::vector<Index>(12, -1));
}

TEST_CASE("of several rows of one lead the first is taken and the others are counted", "[data]") {
  const auto m = LeadOrder({"II", "V1"}).match({"MLII", "II", "V1", "ii"});
  CHECK(m.row == std::vector<Index>{0, 2});
  CHECK(m.repeated == 2);
}

TEST_CASE("a model may have any leads", "[data]") {
  const LeadOrder order({"vz", "II"});
  CHECK(order.match({"ii", "VZ"}).row == std::vector<Index>{1, 0});
  CHECK(order.position(Lead::II) == 1);
  CHECK(order.position(Lead::V1) == -1);
  CHECK(LeadOrder().position(Lead::V6) == 11);
}

TEST_CASE("a list of leads without sense is refused", "[data]") {
  CHECK_THROWS_AS(LeadOrder(std::vector<std::string>{}), OptionError);
  CHECK_THROWS_AS(LeadOrder({"I", ""}), OptionError);
  CHECK_THROWS_AS(LeadOrder({"II", "MLII"}), OptionError);
  CHECK_THROWS_AS(LeadOrder({"vx", "VX"}), OptionError);
  CHECK_THROWS_AS(LeadOrder(std::vector<std::string>(1025, "I")), OptionError);
}
