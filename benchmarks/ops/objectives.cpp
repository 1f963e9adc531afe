#include "ops/case.hpp"

namespace anylead::bench {
namespace {

void gumbel_noise(Case& c, const Sizes& s) {
  const QuantizeDims d = s.quantizer();
  const Index n = d.rows * d.groups * d.entries;
  float* noise = c.output(n);
  c.floats(n);
  c.call([=](const Table& op) { op.gumbel_noise({}, n, noise, {.seed = 1, .step = 2, .site = 3}); });
}

struct Quantizer {
  QuantizeDims d;
  const float *logits, *noise, *vars;

  Quantizer(Case& c, const Sizes& s) : d(s.quantizer()) {
    logits = c.input(n());
    float* drawn = c.scratch(n());
    cpu().backend().ops<float>().gumbel_noise({}, n(), drawn, {.seed = 1, .step = 2, .site = 3});
    noise = drawn;
    vars = c.input(d.groups * d.entries * d.width);
  }

  Index n() const { return d.rows * d.groups * d.entries; }
  Index outputs() const { return d.rows * d.groups * d.width; }
};

void gumbel_quantize_forward(Case& c, const Sizes& s) {
  const Quantizer q(c, s);
  float *y = c.output(q.outputs()), *usage = c.output(2 * q.d.groups * q.d.entries), *perplexity = c.output(2);
  Index32* codes = c.output<Index32>(q.d.rows * q.d.groups);
  c.floats(2 * q.n() + 2 * q.outputs());
  c.call([=](const Table& op) {
    op.gumbel_quantize_forward({}, q.d, false, y, codes, usage, perplexity, q.logits, q.noise, q.vars);
  });
}

void gumbel_quantize_backward(Case& c, const Sizes& s) {
  const Quantizer q(c, s);
  const Index all = q.d.groups * q.d.entries;
  const Grad<float> dlogits = c.gradient(q.n()), dvars = c.gradient(all * q.d.width);
  const float *dy = c.input(q.outputs()), *dperplexity = c.input(1);
  float *y = c.scratch(q.outputs()), *usage = c.scratch(2 * all), *perplexity = c.scratch(2);
  Index32* codes = c.scratch<Index32>(q.d.rows * q.d.groups);
  cpu().backend().ops<float>().gumbel_quantize_forward({}, q.d, false, y, codes, usage, perplexity, q.logits, q.noise, q.vars);
  c.flops(2 * double(q.n()) * double(q.d.width));
  c.call([=](const Table& op) {
    op.gumbel_quantize_backward({}, q.d, false, dlogits, dvars, dy, dperplexity, q.logits, q.noise, q.vars, codes, usage, 2.f);
  });
}

/// Negatives are other masked frames of the same segment.
struct Contrast {
  static constexpr Index kCodeGroups = 2;
  static constexpr float kTemperature = 0.1f, kEps = 1e-8f;
  ContrastDims d;
  const float *context, *target;
  const Index32 *negatives, *codes;

  Contrast(Case& c, const Sizes& s) : d(s.contrast()) {
    context = c.input(d.rows * d.width);
    target = c.input(d.candidates * d.width);
    const RandomStream random = {.seed = 1, .step = 2, .site = 3};
    const Index own = std::max<Index>(1, d.rows / s.batch);
    std::vector<Index32> rows, drawn;
    for (Index r = 0; r < d.rows; ++r)
      for (Index n = 0; n < d.negatives; ++n) {
        const Index first = std::min(r / own * own, d.rows - own);
        const auto other = static_cast<Index>(random.below(rows.size(), static_cast<std::uint32_t>(own)));
        rows.push_back(static_cast<Index32>(first + other));
      }
    for (Index i = 0; i < d.candidates * kCodeGroups; ++i)
      drawn.push_back(static_cast<Index32>(random.below(rows.size() + drawn.size(), 320)));
    negatives = c.input(rows);
    codes = c.input(drawn);
  }

  Index logits() const { return d.rows * (1 + d.negatives); }
  double work() const { return 2 * double(logits()) * double(d.width); }
};

void sampled_contrastive_forward(Case& c, const Sizes& s) {
  const Contrast l(c, s);
  float *loss = c.output(1), *logits = c.output(l.logits());
  Flag* correct = c.output<Flag>(l.d.rows);
  c.flops(l.work());
  c.call([=](const Table& op) {
    op.sampled_contrastive_forward({}, l.d, loss, logits, correct, l.context, l.target, l.negatives, l.codes, l.kCodeGroups,
                                   l.kTemperature, l.kEps);
  });
}

void sampled_contrastive_backward(Case& c, const Sizes& s) {
  const Contrast l(c, s);
  const Grad<float> dcontext = c.gradient(l.d.rows * l.d.width), dtarget = c.gradient(l.d.candidates * l.d.width);
  float *loss = c.scratch(1), *logits = c.scratch(l.logits());
  Flag* correct = c.scratch<Flag>(l.d.rows);
  const float* dloss = c.input(1);
  cpu().backend().ops<float>().sampled_contrastive_forward({}, l.d, loss, logits, correct, l.context, l.target, l.negatives,
                                                           l.codes, l.kCodeGroups, l.kTemperature, l.kEps);
  c.flops(2 * l.work());
  c.call([=](const Table& op) {
    op.sampled_contrastive_backward({}, l.d, dcontext, dtarget, dloss, logits, l.context, l.target, l.negatives, l.kTemperature,
                                    l.kEps);
  });
}

/// As many pairs as a large batch has.
struct Pairs {
  static constexpr float kTemperature = 0.1f, kEps = 1e-8f;
  static constexpr Index kPairs = 128;
  PairDims d;
  const float* z;
  const Index32 *first, *second, *id;

  Pairs(Case& c, const Sizes& s) : d{2 * kPairs, s.width(), kPairs, kPairs}, z(c.input(2 * kPairs * s.width())) {
    std::vector<Index32> even, odd, patients;
    for (Index32 r = 0; r < d.rows; ++r) {
      (r % 2 == 0 ? even : odd).push_back(r);
      patients.push_back(r / 2);
    }
    first = c.input(even);
    second = c.input(odd);
    id = c.input(patients);
  }

  double work() const { return 2 * double(d.first * d.second) * double(d.width); }
};

void pair_contrastive_forward(Case& c, const Sizes& s) {
  const Pairs p(c, s);
  float *loss = c.output(1), *lines = c.scratch(2 * (p.d.first + p.d.second));
  c.flops(p.work());
  c.call([=](const Table& op) {
    op.pair_contrastive_forward({}, p.d, loss, lines, p.z, p.first, p.second, p.id, p.kTemperature, p.kEps);
  });
}

void pair_contrastive_backward(Case& c, const Sizes& s) {
  const Pairs p(c, s);
  const Grad<float> dz = c.gradient(p.d.rows * p.d.width);
  float *loss = c.scratch(1), *lines = c.scratch(2 * (p.d.first + p.d.second));
  const float* dloss = c.input(1);
  cpu().backend().ops<float>().pair_contrastive_forward({}, p.d, loss, lines, p.z, p.first, p.second, p.id, p.kTemperature,
                                                        p.kEps);
  c.flops(2 * p.work());
  c.call([=](const Table& op) {
    op.pair_contrastive_backward({}, p.d, true, dz, dloss, lines, p.z, p.first, p.second, p.id, p.kTemperature, p.kEps);
  });
}

/// The penalty on the features.
Index features(const Sizes& s) { return s.rows * s.encoder.conv.back().channels; }

void mean_square_forward(Case& c, const Sizes& s) {
  const Index n = features(s);
  float* y = c.output(1);
  const float* x = c.input(n);
  c.floats(n);
  c.call([=](const Table& op) { op.mean_square_forward({}, n, y, x); });
}

void mean_square_backward(Case& c, const Sizes& s) {
  const Index n = features(s);
  const Grad<float> dx = c.gradient(n);
  const float *x = c.input(n), *dy = c.input(1);
  c.floats(2 * n);
  c.call([=](const Table& op) { op.mean_square_backward({}, n, dx, dy, x); });
}

}  // namespace

std::vector<Op> objective_ops() {
  return {{"gumbel_noise", gumbel_noise},
          {"gumbel_quantize_forward", gumbel_quantize_forward},
          {"gumbel_quantize_backward", gumbel_quantize_backward},
          {"sampled_contrastive_forward", sampled_contrastive_forward},
          {"sampled_contrastive_backward", sampled_contrastive_backward},
          {"pair_contrastive_forward", pair_contrastive_forward},
          {"pair_contrastive_backward", pair_contrastive_backward},
          {"mean_square_forward", mean_square_forward},
          {"mean_square_backward", mean_square_backward}};
}

}  // namespace anylead::bench
