// Pooling, quantiser, contrastive losses.
#pragma once

#include <algorithm>

#include "cases/elementwise.hpp"
#include "reference/contrastive.hpp"
#include "reference/gumbel_quantize.hpp"
#include "reference/pooling.hpp"

namespace anylead::cases {

/// Some entries are exactly 0; with padding, the last frames of each segment and all of segment 0 are left out.
inline OpCase mean_pool(PoolDims d, bool non_zero, bool padded, bool backward) {
  OpCase c(backward ? "mean_pool_backward" : "mean_pool_forward",
           str("B=", d.batch, " T=", d.time, " C=", d.channels, non_zero ? " non-zero" : "", padded ? " padded" : ""));
  const Index n = d.batch * d.time * d.channels, m = d.batch * d.channels;
  c.normal("x", n);
  for (Index i = 0; i < n; i += 5) c.values("x")[i] = 0;
  std::vector<Flag> pad(static_cast<std::size_t>(d.batch * d.time));
  for (Index i = 0; i < d.batch * d.time; ++i) pad[static_cast<std::size_t>(i)] = i < d.time || i % d.time > d.time / 2;
  if (padded) c.flags("padding", pad);
  c.costs(double(d.time), double(n), double(n));
  if (!backward) {
    c.output("y", m).of_size(1).output("count", m);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.mean_pool_forward(e, d, non_zero, b.real("y"), b.real("count"), b.real("x"), b.template optional<Flag>("padding"));
    });
  }
  std::vector<double> y(static_cast<std::size_t>(m)), count = y;
  reference::mean_pool_forward({}, d, non_zero, y.data(), count.data(), c.values("x"), padded ? pad.data() : nullptr);
  c.slots().erase(c.slots().begin());
  c.kept("count", count).normal("dy", m).gradient("dx", n);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.mean_pool_backward(e, d, b.grad("dx"), b.real("dy"), b.real("count"), b.template optional<Flag>("padding"));
  });
}

inline std::string describe(const QuantizeDims& d, bool shared, bool noise) {
  return str("R=", d.rows, " G=", d.groups, " V=", d.entries, " D=", d.width, shared ? " shared" : "",
             noise ? "" : " without noise");
}

inline OpCase gumbel_quantize_forward(QuantizeDims d, bool shared, bool noise) {
  OpCase c("gumbel_quantize_forward", describe(d, shared, noise));
  const Index all = d.groups * d.entries;
  c.normal("logits", d.rows * all, 0, 2);
  if (noise) c.normal("noise", d.rows * all);
  c.normal("vars", (shared ? d.entries : all) * d.width);
  c.output("y", d.rows * d.groups * d.width).output("codes", d.rows * d.groups, test::Slot::Type::index);
  c.output("usage", 2 * all)
      .output("perplexity", 2)
      .costs(double(d.rows + d.entries), 80 * double(d.rows * all), 3 * double(d.rows * all));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gumbel_quantize_forward(e, d, shared, b.real("y"), b.index("codes"), b.real("usage"), b.real("perplexity"),
                               b.real("logits"), b.optional("noise"), b.real("vars"));
  });
}

/// values, perplexity: which gradients arrive.
inline OpCase gumbel_quantize_backward(QuantizeDims d, bool shared, bool noise, bool values, bool perplexity) {
  OpCase c("gumbel_quantize_backward",
           str(describe(d, shared, noise), values ? "" : " without dy", perplexity ? "" : " without dperplexity"));
  const Index all = d.groups * d.entries, nv = (shared ? d.entries : all) * d.width;
  c.normal("logits", d.rows * all, 0, 2);
  if (noise) c.normal("noise", d.rows * all);
  c.normal("vars", nv);
  std::vector<double> y(static_cast<std::size_t>(d.rows * d.groups * d.width)), usage(static_cast<std::size_t>(2 * all)),
      both(2);
  std::vector<Index32> codes(static_cast<std::size_t>(d.rows * d.groups));
  reference::gumbel_quantize_forward({}, d, shared, y.data(), codes.data(), usage.data(), both.data(), c.values("logits"),
                                     c.values("noise"), c.values("vars"));
  c.indices("codes", codes).kept("usage", usage).fixed();
  if (values) c.normal("dy", d.rows * d.groups * d.width);
  if (perplexity) c.normal("dperplexity", 1);
  c.gradient("dlogits", d.rows * all).of_size(1).gradient("dvars", nv);
  c.costs(double(d.rows + d.width + d.entries), 2 * double(d.rows * all * d.width), 3 * double(d.rows * all));
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.gumbel_quantize_backward(e, d, shared, b.grad("dlogits"), b.grad("dvars"), b.optional("dy"), b.optional("dperplexity"),
                                b.real("logits"), b.optional("noise"), b.real("vars"), b.index("codes"), b.real("usage"),
                                T(1.5));
  });
}

/// Negatives from the row's own segment of so many candidates, some equal to the row's own target: by code (codes), or as
/// vectors. Row 0 of the context is 0.
inline OpCase sampled_contrastive(ContrastDims d, Index segment, Index code_groups, bool backward) {
  OpCase c(backward ? "sampled_contrastive_backward" : "sampled_contrastive_forward",
           str("R=", d.rows, " candidates=", d.candidates, " D=", d.width, " N=", d.negatives, " of ", segment,
               code_groups ? " codes" : ""));
  constexpr double temperature = 0.125, eps = 0x1p-26;
  c.normal("context", d.rows * d.width, 0.2).normal("target", d.candidates * d.width, 0.2);
  for (Index i = 0; i < d.width && d.rows > 2; ++i) c.values("context")[i] = 0;
  for (Index r = 3; r < d.candidates; r += 3)  // copies of others
    std::copy_n(c.values("target") + (r - 2) * d.width, d.width, c.values("target") + r * d.width);
  std::vector<Index32> negatives(static_cast<std::size_t>(d.rows * d.negatives)),
      codes(static_cast<std::size_t>(d.candidates * code_groups));
  for (std::size_t i = 0; i < negatives.size(); ++i) {
    const Index first = static_cast<Index>(i) / d.negatives / segment * segment, left = d.candidates - first;
    negatives[i] = static_cast<Index32>(
        first + c.stream("negatives").below(i, static_cast<std::uint32_t>(left < segment ? left : segment)));
  }
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<Index32>(c.stream("codes").below(i, 2));
  c.indices("negatives", negatives);
  if (code_groups && !backward) c.indices("codes", codes);
  const double terms = double(d.width + d.rows + d.negatives);
  c.costs(terms, (backward ? 6 : 2) * double(d.rows * (1 + d.negatives) * d.width), double((d.rows + d.candidates) * d.width));
  if (!backward) {
    c.output("loss", 1).output("logits", d.rows * (1 + d.negatives)).of_size(1 / temperature);
    c.output("correct", d.rows, test::Slot::Type::flag);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.sampled_contrastive_forward(e, d, b.real("loss"), b.real("logits"), b.flag("correct"), b.real("context"),
                                     b.real("target"), b.index("negatives"), b.template optional<Index32>("codes"), code_groups,
                                     T(temperature), T(eps));
    });
  }
  std::vector<double> loss(1), logits(static_cast<std::size_t>(d.rows * (1 + d.negatives)));
  std::vector<Flag> correct(static_cast<std::size_t>(d.rows));
  reference::sampled_contrastive_forward({}, d, loss.data(), logits.data(), correct.data(), c.values("context"),
                                         c.values("target"), negatives.data(), code_groups ? codes.data() : nullptr,
                                         code_groups, temperature, eps);
  c.kept("logits", logits).fixed().normal("dloss", 1, 1);
  c.gradient("dcontext", d.rows * d.width).of_size(1 / temperature);
  c.gradient("dtarget", d.candidates * d.width).of_size(1 / temperature);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.sampled_contrastive_backward(e, d, b.grad("dcontext"), b.grad("dtarget"), b.real("dloss"), b.real("logits"),
                                    b.real("context"), b.real("target"), b.index("negatives"), T(temperature), T(eps));
  });
}

/// Rows alternate between first and second; `patients` different ids (0: all different, so that there are no positives).
inline OpCase pair_contrastive(PairDims d, Index patients, bool detached, bool backward) {
  OpCase c(backward ? "pair_contrastive_backward" : "pair_contrastive_forward",
           str("R=", d.rows, " E=", d.width, " n=", d.first, " m=", d.second, " patients ", patients,
               backward && detached ? " detached" : ""));
  constexpr double temperature = 0.125, eps = 0x1p-26;
  c.normal("z", d.rows * d.width, 0.2);
  std::vector<Index32> first, second, id;
  for (Index r = 0; r < d.rows; ++r) {
    (r % 2 == 0 ? first : second).push_back(static_cast<Index32>(r));
    id.push_back(static_cast<Index32>(patients ? r / 2 % patients : r));
  }
  c.indices("first", first).indices("second", second).indices("id", id);
  const Index n = d.first * d.second;
  c.costs(double(d.width + n), (backward ? 4 : 2) * double(n * d.width), double(d.rows * d.width));
  if (!backward) {
    c.output("loss", 1).of_size(1).output("lines", 2 * (d.first + d.second)).of_size(1 / temperature);
    return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
      op.pair_contrastive_forward(e, d, b.real("loss"), b.real("lines"), b.real("z"), b.index("first"), b.index("second"),
                                  b.index("id"), T(temperature), T(eps));
    });
  }
  std::vector<double> loss(1), lines(static_cast<std::size_t>(2 * (d.first + d.second)));
  reference::pair_contrastive_forward({}, d, loss.data(), lines.data(), c.values("z"), first.data(), second.data(), id.data(),
                                      temperature, eps);
  c.kept("lines", lines).fixed().normal("dloss", 1, 1);
  // S, of the size 1 / temperature, is computed again: its rounding is a relative error of the exponentials
  c.gradient("dz", d.rows * d.width).of_size(1 / temperature / temperature);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    op.pair_contrastive_backward(e, d, detached, b.grad("dz"), b.real("dloss"), b.real("lines"), b.real("z"), b.index("first"),
                                 b.index("second"), b.index("id"), T(temperature), T(eps));
  });
}

inline std::vector<OpCase> objectives() {
  std::vector<OpCase> all;
  for (const PoolDims d : {PoolDims{0, 3, 2}, {1, 1, 1}, {3, 17, 33}, {2, 40, 65}, {2, 156, 15}})
    for (const bool non_zero : {true, false})
      for (const bool padded : {true, false})
        for (const bool backward : {false, true}) all.push_back(mean_pool(d, non_zero, padded, backward));
  for (const QuantizeDims d : {QuantizeDims{0, 2, 3, 4},
                               {1, 1, 1, 1},
                               {5, 2, 15, 3},
                               {33, 2, 17, 16},
                               {70, 3, 33, 5},
                               {40, 1, 320, 8},
                               {3, 2, 331, 2}})
    for (const bool shared : {false, true})
      for (const bool noise : {true, false}) {
        all.push_back(gumbel_quantize_forward(d, shared, noise));
        all.push_back(gumbel_quantize_backward(d, shared, noise, true, true));
        all.push_back(gumbel_quantize_backward(d, shared, noise, true, false));
        all.push_back(gumbel_quantize_backward(d, shared, noise, false, true));
      }
  for (const ContrastDims d : {ContrastDims{0, 0, 4, 3},
                               {1, 1, 1, 0},
                               {4, 4, 5, 1},
                               {7, 7, 33, 15},
                               {9, 12, 64, 16},
                               {33, 40, 130, 17},
                               {40, 40, 8, 100},
                               {5, 7, 9, 150},
                               {9, 300, 300, 40},
                               {67, 401, 20, 9}})
    for (const Index code_groups : {0, 2})
      for (const bool backward : {false, true})
        all.push_back(sampled_contrastive(d, std::max<Index>(d.candidates, 1), code_groups, backward));
  for (const Index segment : {1, 10, 31, 55, 73, 97, 140})
    all.push_back(sampled_contrastive({163, 170, 9, 20}, segment, 0, true));
  for (const PairDims d :
       {PairDims{0, 4, 0, 0}, {1, 3, 1, 0}, {2, 1, 1, 1}, {5, 17, 3, 2}, {8, 33, 4, 4}, {63, 65, 32, 31}, {401, 300, 201, 200}})
    for (const Index patients : {0, 1, 3}) {
      all.push_back(pair_contrastive(d, patients, true, false));
      for (const bool detached : {true, false}) all.push_back(pair_contrastive(d, patients, detached, true));
    }
  return all;
}

}  // namespace anylead::cases
