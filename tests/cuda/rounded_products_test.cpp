// Ops on float with products in bf16 against the reference in double on the same rounded numbers.
#include "cases/products.hpp"
#include "reference/attention.hpp"
#include "reference/conv1d.hpp"
#include "support/bf16_values.hpp"
#include "support/catch.hpp"

using namespace anylead;
using test::Whole;

namespace {

using Numbers = std::vector<double>;

const OpTable<float>& table() { return cuda::device(0).backend().ops<float>(); }
Exec exec() { return cuda::device(0).exec(); }

Numbers added(Numbers to, const Whole& before) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += before.values()[i];
  return to;
}

Grad<float> added(const Whole& to) { return {to.data(), GradMode::accumulate}; }

/// Batch, time, in, out, taps, stride, padding, groups.
const std::vector<Conv1dDims> kConvolutions = {{0, 8, 8, 8, 2, 2, 0, 1},    {1, 1, 1, 1, 1, 1, 0, 1},
                                               {2, 33, 12, 17, 2, 2, 0, 1}, {2, 31, 16, 24, 3, 2, 1, 2},
                                               {1, 67, 48, 40, 5, 3, 4, 1}, {2, 50, 12, 256, 2, 2, 0, 1}};

}  // namespace

TEST_CASE("attention of float multiplies in bf16 where its sizes say so", "[cuda]") {
  for (AttentionDims d : {AttentionDims{0, 4, 2, 4}, {1, 7, 1, 5}, {2, 31, 3, 24}, {2, 37, 2, 32}, {1, 156, 2, 64}}) {
    d.precision = Precision::bf16;
    INFO("B=" << d.batch << " T=" << d.time << " H=" << d.heads << " D=" << d.head_width);
    const Index n = d.batch * d.time * d.heads * d.head_width, rows = d.batch * d.heads * d.time;
    const Dropout dropout = {0.25f, {3, 5, site_key("attention")}};
    const Whole q("q", n, true), k("k", n, true), v("v", n, true), dy("dy", n, true), before("before", n, true);
    Numbers y(n), logsum(rows), dq(n), dk(n), dv(n);
    reference::attention_forward({}, d, y.data(), logsum.data(), q.values(), k.values(), v.values(), nullptr, dropout);
    const Whole got_y(n), got_logsum(rows), got_dq(n), got_dk(n);
    table().attention_forward(exec(), d, got_y.data(), got_logsum.data(), q.data(), k.data(), v.data(), nullptr, dropout);
    CHECK(got_y.agrees(y));
    CHECK(test::distance(got_logsum.read(), logsum) <= 1e-5);

    const Numbers kept = got_y.read();
    reference::attention_backward({}, d, reference::whole(dq), reference::whole(dk), reference::whole(dv), dy.values(),
                                  kept.data(), logsum.data(), q.values(), k.values(), v.values(), nullptr, dropout);
    table().attention_backward(exec(), d, got_dq.grad(), got_dk.grad(), added(before), dy.data(), got_y.data(),
                               got_logsum.data(), q.data(), k.data(), v.data(), nullptr, dropout);
    CHECK(got_dq.agrees(dq));
    CHECK(got_dk.agrees(dk));
    CHECK(before.agrees(added(dv, before)));
    table().attention_backward(exec(), d, {}, got_dk.grad(), {}, dy.data(), got_y.data(), got_logsum.data(), q.data(), k.data(),
                               v.data(), nullptr, dropout);
    CHECK(got_dk.agrees(dk));
  }
}

TEST_CASE("convolutions of float multiply in bf16 where their sizes say so", "[cuda]") {
  for (Conv1dDims d : kConvolutions) {
    d.precision = Precision::bf16;
    INFO(cases::describe(d));
    const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
    const Whole x("x", nx, true), dy("dy", ny, true), w("w", nw, true), bias("bias", d.out), before("before", nx, true);
    Numbers y(ny), dx(nx), dw(nw), db(d.out);
    reference::conv1d_forward({}, d, y.data(), x.values(), w.values(), bias.values());
    reference::conv1d_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), dy.values(), x.values(),
                               w.values());
    const Whole got_y(ny), got_dx(nx), got_dw(nw), got_db(d.out);
    table().conv1d_forward(exec(), d, got_y.data(), x.data(), w.data(), bias.data());
    CHECK(got_y.agrees(y));
    table().conv1d_backward(exec(), d, got_dx.grad(), got_dw.grad(), got_db.grad(), dy.data(), x.data(), w.data());
    CHECK(got_dx.agrees(dx));
    CHECK(got_dw.agrees(dw));
    CHECK(got_db.agrees(db));
    table().conv1d_backward(exec(), d, added(before), {}, {}, dy.data(), x.data(), w.data());
    CHECK(before.agrees(added(dx, before)));
  }
}

TEST_CASE("feature-extractor blocks of float multiply in bf16 where their sizes say so", "[cuda]") {
  for (Conv1dDims d : kConvolutions)
    for (const BlockNorm norm : {BlockNorm::none, BlockNorm::group, BlockNorm::layer}) {
      if (d.out < 8) continue;  // a mean of so few is of no use in a norm
      d.precision = Precision::bf16;
      INFO(cases::describe(d) << " norm " << static_cast<int>(norm));
      const Index nx = d.batch * d.time * d.in, ny = d.batch * d.out_time() * d.out, nw = d.out * d.in / d.groups * d.taps;
      const Index ns = norm == BlockNorm::group ? d.batch * d.out : d.batch * d.out_time();
      const Whole x("x", nx, true), dy("dy", ny, true), w("w", nw, true), scale("scale", d.out), shift("shift", d.out);
      Numbers y(ny), z(ny), mean(ns), rstd(ns), dx(nx), dw(nw), dscale(d.out), dshift(d.out);
      reference::conv1d_norm_gelu_forward({}, d, norm, y.data(), z.data(), mean.data(), rstd.data(), x.values(), w.values(),
                                          nullptr, scale.values(), shift.values(), 1e-5);
      const Whole got_y(ny), got_z(ny), got_mean(ns), got_rstd(ns), got_dx(nx), got_dw(nw), got_dscale(d.out),
          got_dshift(d.out), dz(ny);
      table().conv1d_norm_gelu_forward(exec(), d, norm, got_y.data(), got_z.data(), got_mean.data(), got_rstd.data(), x.data(),
                                       w.data(), nullptr, scale.data(), shift.data(), 1e-5f);
      CHECK(got_y.agrees(y));
      CHECK(got_z.agrees(z));
      const bool normed = norm != BlockNorm::none;
      const Numbers kept = got_z.read();
      if (normed) {
        CHECK(got_mean.agrees(mean));
        CHECK(got_rstd.agrees(rstd));
        mean = got_mean.read();
        rstd = got_rstd.read();
      }
      reference::conv1d_norm_gelu_backward({}, d, norm, reference::whole(dx), reference::whole(dw), {},
                                           reference::whole(dscale), reference::whole(dshift), nullptr, dy.values(), x.values(),
                                           kept.data(), w.values(), scale.values(), shift.values(), mean.data(), rstd.data());
      table().conv1d_norm_gelu_backward(exec(), d, norm, got_dx.grad(), got_dw.grad(), {},
                                        normed ? got_dscale.grad() : Grad<float>{}, normed ? got_dshift.grad() : Grad<float>{},
                                        dz.data(), dy.data(), x.data(), got_z.data(), w.data(), scale.data(), shift.data(),
                                        got_mean.data(), got_rstd.data());
      CHECK(got_dx.agrees(dx));
      CHECK(got_dw.agrees(dw));
      if (normed) {
        CHECK(got_dscale.agrees(dscale));
        CHECK(got_dshift.agrees(dshift));
      }
    }
}

TEST_CASE("the positional convolution of float multiplies in bf16 where its sizes say so, and keeps its residual", "[cuda]") {
  for (Conv1dDims d : {cases::positional(0, 4, 8, 3, 1), cases::positional(1, 1, 1, 1, 1), cases::positional(2, 7, 6, 5, 1),
                       cases::positional(1, 33, 16, 31, 2), cases::positional(2, 31, 96, 8, 2)}) {
    d.precision = Precision::bf16;
    INFO(cases::describe(d));
    const Index n = d.batch * d.time * d.in, nw = d.out * d.in / d.groups * d.taps;
    const Whole x("x", n, true), dy("dy", n, true), w("w", nw, true), bias("bias", d.out), got_y(n), got_z(n), dz(n), got_dx(n),
        got_dw(nw), got_db(d.out);
    Numbers y(n), z(n), dx(n), dw(nw), db(d.out);
    reference::conv_positional_forward({}, d, y.data(), z.data(), x.values(), w.values(), bias.values());
    table().conv_positional_forward(exec(), d, got_y.data(), got_z.data(), x.data(), w.data(), bias.data());
    CHECK(got_y.agrees(y));
    CHECK(got_z.agrees(z));
    const Numbers kept = got_z.read();
    reference::conv_positional_backward({}, d, reference::whole(dx), reference::whole(dw), reference::whole(db), nullptr,
                                        dy.values(), x.values(), kept.data(), w.values());
    table().conv_positional_backward(exec(), d, got_dx.grad(), got_dw.grad(), got_db.grad(), dz.data(), dy.data(), x.data(),
                                     got_z.data(), w.data());
    CHECK(got_dx.agrees(dx));
    CHECK(got_dw.agrees(dw));
    CHECK(got_db.agrees(db));
    // with z = 0 there is nothing but the residual, which nothing rounds
    const Whole raw("raw", n), none_w(std::vector<float>(static_cast<std::size_t>(nw))),
        none(std::vector<float>(static_cast<std::size_t>(d.out)));
    table().conv_positional_forward(exec(), d, got_y.data(), got_z.data(), raw.data(), none_w.data(), none.data());
    CHECK(got_y.read() == raw.read());
  }
}

TEST_CASE("what is asked for in bf16 is multiplied in bf16, and in float what is not", "[cuda]") {
  const Index rows = 64, in = 48, out = 40;
  Conv1dDims d = {1, rows, in, out, 1, 1, 0, 1};
  const Whole x("x", rows * in), w("w", out * in), y(rows * out);
  Numbers want(rows * out);
  reference::conv1d_forward({}, d, want.data(), x.values(), w.values(), nullptr);
  table().conv1d_forward(exec(), d, y.data(), x.data(), w.data(), nullptr);
  CHECK(test::distance(y.read(), want) < 1e-6);
  d.precision = Precision::bf16;
  table().conv1d_forward(exec(), d, y.data(), x.data(), w.data(), nullptr);
  CHECK(test::distance(y.read(), want) > 1e-5);
}
