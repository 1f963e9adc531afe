// Affine maps with factors in bf16 against the reference in double.
#include "reference/linear.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Whole;

// The floats are not rounded before: cuBLASLt may round factors, and a simulator that computes in float agrees all the same.
TEST_CASE("affine maps with factors in bf16 agree with the reference to a hundredth, in every run alike", "[cuda]") {
  const Device device = cuda::device(0);
  const Exec exec = device.exec();
  const auto& op = device.backend().ops<float>();
  for (const auto& [rows, in, out] : {std::tuple{1, 1, 1}, {1, 33, 5}, {31, 7, 64}, {67, 129, 33}, {128, 256, 96}}) {
    LinearDims d = {rows, in, out, Precision::bf16};
    INFO(str(rows, " x ", in, " -> ", out));
    const Whole x("x", rows * in), w("w", out * in), bias("bias", out), dy("dy", rows * out);
    for (const bool fused : {false, true}) {
      std::vector<double> y(rows * out), h(rows * in), dx(rows * in), dw(out * in), db(out);
      if (fused) {
        reference::gelu_linear_forward({}, d, y.data(), h.data(), x.values(), w.values(), bias.values());
        reference::gelu_linear_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), h.data(),
                                        dy.values(), x.values(), w.values());
      } else {
        reference::linear_forward({}, d, y.data(), x.values(), w.values(), bias.values());
        reference::linear_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), dy.values(),
                                   x.values(), w.values());
      }
      std::vector<std::vector<double>> results;
      for (const Precision precision : {Precision::bf16, Precision::full, Precision::bf16}) {
        d.precision = precision;
        const Whole got_y(rows * out), got_h(rows * in), got_dx(rows * in), got_dw(out * in), got_db(out);
        if (fused) {
          op.gelu_linear_forward(exec, d, got_y.data(), got_h.data(), x.data(), w.data(), bias.data());
          op.gelu_linear_backward(exec, d, got_dx.grad(), got_dw.grad(), got_db.grad(), got_h.data(), dy.data(), x.data(),
                                  w.data());
        } else {
          op.linear_forward(exec, d, got_y.data(), x.data(), w.data(), bias.data());
          op.linear_backward(exec, d, got_dx.grad(), got_dw.grad(), got_db.grad(), dy.data(), x.data(), w.data());
        }
        const double bound = precision == Precision::bf16 ? 1e-2 : 2e-5;  // a plan of one precision never serves the other
        CHECK(test::distance(got_y.read(), y) <= bound);
        CHECK(test::distance(got_dx.read(), dx) <= bound);
        CHECK(test::distance(got_dw.read(), dw) <= bound);
        CHECK(test::distance(got_db.read(), db) <= bound);
        results.push_back(got_y.read());
        results.push_back(got_dx.read());
        results.push_back(got_dw.read());
      }
      for (std::size_t i = 0; i < 3; ++i) CHECK(results[i] == results[i + 6]);
    }
  }
}
