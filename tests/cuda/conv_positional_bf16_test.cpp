// The positional convolution on tensor cores against the reference in double on the same rounded numbers.
#include <anylead/cuda/launchers.hpp>

#include "cases/products.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Half;
using test::Whole;

TEST_CASE("the positional convolution in bf16 agrees with the reference to a hundredth", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  using cases::positional;
  for (const Conv1dDims& d :
       {positional(1, 1, 1, 1, 1), positional(0, 4, 8, 3, 1), positional(2, 7, 6, 5, 1), positional(2, 31, 96, 8, 2),
        positional(1, 33, 16, 31, 2), positional(2, 170, 48, 33, 1), positional(1, 40, 104, 17, 1),
        positional(3, 20, 50, 50, 1), positional(1, 156, 96, 128, 2), positional(1, 64, 8, 131, 1), positional(70, 3, 24, 2, 1),
        // blocks of several tiles, the last one not full
        positional(5, 40, 256, 5, 64), positional(2, 170, 512, 9, 64)}) {
    INFO(cases::describe(d));
    const Index n = d.batch * d.time * d.in, nw = d.out * d.in / d.groups * d.taps;
    const Half x("x", n), dy("dy", n), before("before", n), got_y(n), got_z(n), dz(n), got_dx(n);
    const Whole w("w", nw, true), bias("bias", d.out), got_dw(nw), got_db(d.out);
    std::vector<double> y(n), z(n), dx(n), dw(nw), db(d.out);
    reference::conv_positional_forward({}, d, y.data(), z.data(), x.values(), w.values(), bias.values());
    std::vector<double> first;
    for (int run = 0; run < 2; ++run) {
      cuda_ops::conv_positional_forward(exec, d, got_y.data(), got_z.data(), x.data(), w.data(), bias.data());
      CHECK(got_y.agrees(y));
      CHECK(got_z.agrees(z));
      const std::vector<double> kept = got_z.read();
      reference::conv_positional_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), nullptr,
                                          dy.values(), x.values(), kept.data(), w.values());
      cuda_ops::conv_positional_backward(exec, d, got_dx.grad(), got_dw.grad(), got_db.grad(), dz.data(), dy.data(), x.data(),
                                         got_z.data(), w.data());
      CHECK(got_dx.agrees(dx));
      CHECK(got_dw.agrees(dw));
      CHECK(got_db.agrees(db));
      if (run == 0) first = got_dw.read();
    }
    CHECK(got_dw.read() == first);
    cuda_ops::conv_positional_backward(exec, d, {before.data(), GradMode::accumulate}, {}, {}, dz.data(), dy.data(), x.data(),
                                       got_z.data(), w.data());
    for (Index i = 0; i < n; ++i) dx[static_cast<std::size_t>(i)] += before.values()[i];
    CHECK(before.agrees(dx));
  }
}
