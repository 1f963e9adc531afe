// A model small enough for gradient checks, and batches for it.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <anylead/nn/init.hpp>
#include <anylead/optim/adam.hpp>
#include <anylead/ssl/lead_mask.hpp>
#include <anylead/ssl/pretrain_model.hpp>

#include "support/values.hpp"

namespace anylead::test {

inline ssl::PretrainOptions tiny_options(Index leads = 12) {
  ssl::PretrainOptions o;
  o.encoder.leads = leads;
  o.encoder.conv = {{8, 2, 2}, {8, 2, 2}};
  o.encoder.layers = 2;
  o.encoder.width = 12;
  o.encoder.heads = 3;
  o.encoder.feed_forward = 20;
  o.encoder.position_taps = 8;
  o.encoder.position_groups = 4;
  o.w2v.mask.length = 3;
  o.w2v.negatives.own = 5;
  o.w2v.final_width = 8;
  o.w2v.groups = 2;
  o.w2v.entries = 5;
  return o;
}

/// Pairs of segments of `batch / 2` patients, with a baseline as ECGs have.
template <Real T>
ssl::PretrainBatch<T> tiny_batch(Index batch, Index leads, Index samples, const Device& device = test_device()) {
  ssl::PretrainBatch<T> b;
  b.signal = normal<T>(str("signal", leads), {batch, leads, samples}, 0.5, 1, device);
  for (Index i = 0; i < batch; ++i) {
    b.patient.push_back(i / 2);
    b.segment.push_back(static_cast<Flag>(i % 2));
  }
  return b;
}

/// Loss and all gradients of one step, by name.
template <Real T>
struct StepResult {
  std::vector<T> loss;
  std::vector<std::pair<std::string, std::vector<T>>> gradients;

  friend bool operator==(const StepResult&, const StepResult&) = default;
};

template <Real T>
StepResult<T> step_gradients(ssl::PretrainModel<T>& model, const Ctx& ctx, const ssl::PretrainBatch<T>& batch,
                             const ssl::W2vChoices<T>& choices = {}) {
  nn::zero_grad(model);
  Tape<T> tape;
  const auto terms = model.forward(ctx, tape.input(batch.signal), batch, choices);
  tape.backward(terms.total);
  StepResult<T> r;
  r.loss = terms.total.value().to_host();
  nn::for_each_parameter(model, [&](const std::string& name, auto& p) {
    r.gradients.emplace_back(name, p.has_grad() ? p.grad().to_host() : std::vector<T>());
  });
  return r;
}

/// Larger, less symmetric values than the usual start, so that every gradient is of a visible size.
template <class M>
void shake(M& module, double deviation = 0.3) {
  nn::for_each_parameter(module, [&]<Real T>(const std::string& name, nn::Parameter<T>& p) {
    std::vector<T> v = p.value().to_host();
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += static_cast<T>(deviation * RandomStream{5, 0, site_key(name)}.normal(i));
    p.value().assign(v);
  });
}

template <Real T, class M>
std::vector<std::shared_ptr<Leaf<T>>> leaves(M& module) {
  std::vector<std::shared_ptr<Leaf<T>>> all;
  for (const auto& p : nn::parameters<T>(module)) all.push_back(p.leaf);
  return all;
}

}  // namespace anylead::test
