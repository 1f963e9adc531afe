// Products by cuBLASLt against the CPU's in double.
#include <anylead/cpu/gemm.hpp>
#include <anylead/cuda/gemm.hpp>

#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Whole;

TEST_CASE("products on the device agree with the CPU's in every layout: scaled, added, with a bias, of a batch", "[cuda]") {
  const Device device = cuda::device(0);
  const Exec exec = device.exec();
  for (const auto& [m, n, k] : {std::tuple{1, 1, 1}, {7, 33, 5}, {64, 31, 129}, {13, 3, 0}})
    for (const MatrixOp op_a : {MatrixOp::none, MatrixOp::transpose})
      for (const MatrixOp op_b : {MatrixOp::none, MatrixOp::transpose})
        for (const Index batch : {0, 1, 3})
          for (const bool add : {false, true}) {
            INFO(str(batch, " of ", m, " x ", k, " x ", n, op_a == MatrixOp::none ? " N" : " T",
                     op_b == MatrixOp::none ? "N" : "T", add ? ", added" : ""));
            const Whole a("a", batch * m * k), b("b", k * n), bias("bias", n), c("c", batch * m * n);
            const auto product = [&, m = m, n = n, k = k]<class T>(T* to, const T* from_a, const T* from_b,
                                                                   const T* from_bias) {
              return Gemm<T>{.m = m,
                             .n = n,
                             .k = k,
                             .a = from_a,
                             .lda = op_a == MatrixOp::none ? k : m,
                             .op_a = op_a,
                             .b = from_b,
                             .ldb = op_b == MatrixOp::none ? n : k,
                             .op_b = op_b,
                             .c = to,
                             .ldc = n,
                             .alpha = T(-0.625),
                             .accumulate = add,
                             .bias = add ? from_bias : nullptr,
                             .batch = batch,
                             .stride_a = m * k,
                             .stride_c = m * n};
            };
            std::vector<double> expected(c.values(), c.values() + batch * m * n);
            cpu_ops::gemm(product(expected.data(), a.values(), b.values(), bias.values()));
            cuda_ops::gemm(exec, product(c.data(), a.data(), b.data(), bias.data()));
            CHECK(test::distance(c.read(), expected) <= 2e-6);
          }
}
