// From a loader's batch to what a model's step takes.
#pragma once

#include <vector>

#include <anylead/data/loader.hpp>
#include <anylead/nn/context.hpp>
#include <anylead/ssl/lead_mask.hpp>
#include <anylead/ssl/pretrain_model.hpp>

namespace anylead::train {

/// A batch on a device, with the leads [B, C] to keep. Copies the signals.
template <Real T>
ssl::PretrainBatch<T> to_device(const data::Batch& b, const std::vector<Flag>& keep, const Device& device) {
  ssl::PretrainBatch<T> batch;
  batch.signal = Tensor<T>::from_host(b.signal, {b.size, b.leads, b.samples}, device);
  batch.keep = Tensor<Flag>::from_host(keep, {b.size, b.leads}, device);
  batch.patient = b.patient;
  batch.segment.assign(b.segment.begin(), b.segment.end());
  return batch;
}

/// Leads [B, C] that a step sees: random numbers of the step's "lead_mask". @see ssl::draw_lead_mask
inline std::vector<Flag> draw_leads(const Ctx& ctx, const data::Batch& b, const ssl::LeadMaskOptions& options) {
  return ssl::draw_lead_mask(ctx.at("lead_mask").stream(), b.size, b.leads, b.present, options);
}

}  // namespace anylead::train
