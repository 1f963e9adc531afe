#include <support/catch.hpp>

#if __has_include(<Eigen/Core>)
#include <anylead/cpu.hpp>
#include <anylead/cpu/eigen.hpp>

using namespace anylead;

TEST_CASE("a tensor and its matrix of Eigen share their memory", "[cpu]") {
  const auto x = Tensor<float>::from_host({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2}, cpu());
  auto m = as_matrix(x);
  REQUIRE(m.rows() == 4);
  REQUIRE(m.cols() == 2);
  CHECK(m(2, 1) == 6);
  m *= 2;
  CHECK(x.to_host() == std::vector<float>{2, 4, 6, 8, 10, 12, 14, 16});
}

TEST_CASE("scalars and undefined tensors are no matrices", "[cpu]") {
  CHECK_THROWS_AS(as_matrix(Tensor<float>()), DeviceError);
  CHECK_THROWS_AS(as_matrix(Tensor<float>(Shape{}, cpu())), ShapeError);
}
#endif
