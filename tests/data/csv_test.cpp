#include <cmath>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/csv.hpp>
#include <support/catch.hpp>

using namespace anylead;
using namespace anylead::data;

using Row = std::vector<std::string>;

TEST_CASE("tables with quotes, line ends of two kinds, umlauts and a byte-order mark are read", "[csv]") {
  const CsvTable t =
      parse_csv("\xEF\xBB\xBFid,report\r\n1,\"sinus, \"\"normal\"\"\nzwei Zeilen\"\r\n2,f\xC3\xBCr\r\n3,\r\n", "t.csv");
  CHECK(t.header == Row{"id", "report"});
  REQUIRE(t.rows.size() == 3);
  CHECK(t.rows[0] == Row{"1", "sinus, \"normal\"\nzwei Zeilen"});
  CHECK(t.rows[1] == Row{"2", "f\xC3\xBCr"});
  CHECK(t.rows[2] == Row{"3", ""});
  CHECK(t.lines == std::vector<Index>{2, 4, 5});
  CHECK(t.column("REPORT") == 1);
  CHECK(t.column("other") == -1);
}

TEST_CASE("the separator is the one that the first line has most of", "[csv]") {
  CHECK(parse_csv("a;b;c,d\n1;2;3\n", "t").rows.at(0) == Row{"1", "2", "3"});
  CHECK(parse_csv("a\tb\n1,5\t2\n", "t").rows.at(0) == Row{"1,5", "2"});
  CHECK(parse_csv("alone\nx\n", "t").rows.at(0) == Row{"x"});
}

TEST_CASE("a table may lack its last line end and have empty lines", "[csv]") {
  const CsvTable t = parse_csv("a,b\n\n1,2\n\n3,\"4\"", "t");
  CHECK(t.rows == std::vector<Row>{{"1", "2"}, {"3", "4"}});
  CHECK(parse_csv("a,b", "t").rows.empty());
  CHECK(parse_csv("a,b\n1,", "t").rows == std::vector<Row>{{"1", ""}});
}

TEST_CASE("broken tables are refused with their line", "[csv]") {
  CHECK_THROWS_WITH(parse_csv("a,b\n1,2\n1,2,3\n", "t.csv"), "t.csv: line 3: expected 2 fields as in the header, found 3");
  CHECK_THROWS_WITH(parse_csv("a,b\n\"1\n2\",2\n1\n", "t.csv"), Catch::Contains("line 4"));
  CHECK_THROWS_WITH(parse_csv("a,b\n1,\"2\n3,4\n", "t.csv"), Catch::Contains("line 2") && Catch::Contains("never closed"));
  CHECK_THROWS_WITH(parse_csv("a,b\n\"1\"x,2\n", "t.csv"), Catch::Contains("line 2"));
  CHECK_THROWS_AS(parse_csv("", "t.csv"), FormatError);
  CHECK_THROWS_AS(parse_csv("\n\n", "t.csv"), FormatError);
  CHECK_THROWS_AS(read_csv("/nowhere/t.csv"), IoError);
}

TEST_CASE("fields are numbers, missing, or an error", "[csv]") {
  CHECK(csv_number(" -1.5e-3 ", "t", 1, "x") == -1.5e-3);
  CHECK(csv_number("+2", "t", 1, "x") == 2);
  for (const char* missing : {"", "  ", "nan", "NaN", "NA"}) CHECK(std::isnan(csv_number(missing, "t", 1, "x")));
  for (const char* wrong : {"1,5", "x", "1 2", "+", "+-1", "--1", "0x10"})
    CHECK_THROWS_WITH(csv_number(wrong, "t", 7, "x"), Catch::Contains("line 7") && Catch::Contains("column x"));
}
