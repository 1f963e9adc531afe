// Convolutions on tensor cores against the reference in double on the same rounded numbers.
#include <anylead/cuda/launchers.hpp>

#include "cases/products.hpp"
#include "reference/conv1d.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Half;
using test::Whole;

namespace {

/// Batch, time, in, out, taps, stride, padding, groups: in words of 16 bytes and not, one tile and many, every residue.
const std::vector<Conv1dDims> kConvolutions = {
    {1, 1, 1, 1, 1, 1, 0, 1},
    {2, 33, 12, 17, 2, 2, 0, 1},
    {2, 31, 16, 24, 3, 2, 1, 2},
    {3, 40, 8, 136, 2, 2, 0, 1},
    {2, 67, 48, 40, 5, 3, 4, 1},
    {1, 64, 64, 64, 1, 1, 0, 1},
    {2, 19, 4, 6, 2, 5, 0, 1},
    {2, 50, 12, 256, 2, 2, 0, 1},
    {1, 130, 256, 256, 2, 2, 0, 1},
    {55, 256, 8, 200, 2, 2, 0, 1},
    {110, 255, 8, 200, 2, 2, 0, 1},
    {3, 127, 16, 32, 3, 1, 1, 1},
    {3, 701, 12, 136, 2, 2, 0, 1},
    {2, 67, 31, 8, 1, 1, 0, 1},
    {0, 8, 8, 8, 2, 2, 0, 1},
    // both gradients by one kernel: tails of outputs, columns, stretches and segments
    {57, 257, 200, 136, 2, 2, 0, 1}};

std::string describe(const Conv1dDims& d) { return cases::describe(d); }

}  // namespace

TEST_CASE("convolutions in bf16 agree with the reference to a hundredth", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  for (const Conv1dDims& d : kConvolutions) {
    INFO(describe(d));
    const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
    const Half x("x", nx), dy("dy", ny), before("before", nx);
    const Whole w("w", nw, true), bias("bias", d.out);
    std::vector<double> y(ny), dx(nx), dw(nw), db(d.out);
    reference::conv1d_forward({}, d, y.data(), x.values(), w.values(), bias.values());
    reference::conv1d_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), dy.values(), x.values(),
                               w.values());
    const Half got_y(ny), got_dx(nx);
    const Whole got_dw(nw), got_db(d.out);
    for (int run = 0; run < 2; ++run) {
      cuda_ops::conv1d_forward(exec, d, got_y.data(), x.data(), w.data(), bias.data());
      cuda_ops::conv1d_backward(exec, d, got_dx.grad(), got_dw.grad(), got_db.grad(), dy.data(), x.data(), w.data());
      CHECK(got_y.agrees(y));
      CHECK(got_dx.agrees(dx));
      CHECK(got_dw.agrees(dw));
      CHECK(got_db.agrees(db));
    }
    cuda_ops::conv1d_backward(exec, d, {before.data(), GradMode::accumulate}, {}, {}, dy.data(), x.data(), w.data());
    for (Index i = 0; i < nx; ++i) dx[static_cast<std::size_t>(i)] += before.values()[i];
    CHECK(before.agrees(dx));
  }
}

TEST_CASE("feature-extractor blocks in bf16 agree with the reference to a hundredth", "[cuda]") {
  const Exec exec = cuda::device(0).exec();
  for (const Conv1dDims& d : kConvolutions)
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer}) {
      if (d.out < 8 || d.batch > 8) continue;  // a mean of so few is of no use in a norm; and once is enough
      INFO(describe(d) << " norm " << static_cast<int>(norm));
      const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
      const Index ns = norm == BlockNorm::group ? d.batch * d.out : d.batch * d.out_time();
      const Half x("x", nx), dy("dy", ny);
      const Whole w("w", nw, true), scale("scale", d.out), shift("shift", d.out);
      std::vector<double> y(ny), z(ny), mean(ns), rstd(ns), dx(nx), dw(nw), dscale(d.out), dshift(d.out);
      const double eps = 1e-5;
      reference::conv1d_norm_gelu_forward({}, d, norm, y.data(), z.data(), mean.data(), rstd.data(), x.values(), w.values(),
                                          nullptr, scale.values(), shift.values(), eps);
      const Half got_y(ny), got_z(ny), dz(ny), got_dx(nx);
      const Whole got_mean(ns), got_rstd(ns), got_dw(nw), got_dscale(d.out), got_dshift(d.out);
      cuda_ops::conv1d_norm_gelu_forward(exec, d, norm, got_y.data(), got_z.data(), got_mean.data(), got_rstd.data(), x.data(),
                                         w.data(), nullptr, scale.data(), shift.data(), float(eps));
      CHECK(got_y.agrees(y));
      CHECK(got_z.agrees(z));
      // the gradient at what was kept
      const std::vector<double> kept = got_z.read();
      if (norm != BlockNorm::none) {
        CHECK(got_mean.agrees(mean));
        CHECK(got_rstd.agrees(rstd));
        mean = got_mean.read();
        rstd = got_rstd.read();
      }
      reference::conv1d_norm_gelu_backward({}, d, norm, reference::whole(dx), reference::whole(dw), {},
                                           reference::whole(dscale), reference::whole(dshift), nullptr, dy.values(), x.values(),
                                           kept.data(), w.values(), scale.values(), shift.values(), mean.data(), rstd.data());
      const bool normed = norm != BlockNorm::none;
      cuda_ops::conv1d_norm_gelu_backward(exec, d, norm, got_dx.grad(), got_dw.grad(), {},
                                          normed ? got_dscale.grad() : Grad<float>{},
                                          normed ? got_dshift.grad() : Grad<float>{}, dz.data(), dy.data(), x.data(),
                                          got_z.data(), w.data(), scale.data(), shift.data(), got_mean.data(), got_rstd.data());
      CHECK(got_dx.agrees(dx));
      CHECK(got_dw.agrees(dw));
      if (!normed) continue;
      CHECK(got_dscale.agrees(dscale));
      CHECK(got_dshift.agrees(dshift));
      // a first block, whose input needs no gradient
      const Whole first_dw(nw), first_dscale(d.out), first_dshift(d.out);
      cuda_ops::conv1d_norm_gelu_backward(exec, d, norm, {}, first_dw.grad(), {}, first_dscale.grad(), first_dshift.grad(),
                                          dz.data(), dy.data(), x.data(), got_z.data(), w.data(), scale.data(), shift.data(),
                                          got_mean.data(), got_rstd.data());
      CHECK(first_dw.agrees(dw));
      CHECK(first_dscale.agrees(dscale));
      CHECK(first_dshift.agrees(dshift));
    }
}
