// The global objective: neighbouring segments of a recording belong together.
#pragma once

#include <algorithm>
#include <vector>

#include <anylead/ops/pair_contrastive.hpp>
#include <anylead/ops/pooling.hpp>

namespace anylead::ssl {

struct CmscOptions {
  double temperature = 0.1;
  bool detached_norm = true;  ///< the reference: the length of a representation is a constant for the gradient
};

template <Real T>
struct CmscTerms {
  Var<T> loss;          ///< scalar
  Var<T> pooled;        ///< [B, E] mean over time
  Index positives = 0;  ///< pairs of one patient
};

/// Contrastive multi-segment coding (Kiyasseh et al. 2021; Oh et al. 2022, section 3.2).
/// context: [B, T', E]; padding: [B, T'] or undefined; patient, segment: [B], segments 0 against segments 1, positives of one
/// patient.
template <Real T>
CmscTerms<T> cmsc(const Var<T>& context, const Tensor<Flag>& padding, const std::vector<Index>& patient,
                  const std::vector<Flag>& segment, const CmscOptions& o = {}) {
  const auto batch = static_cast<std::size_t>(context.shape()[0]);
  ANYLEAD_CHECK(patient.size() == batch && segment.size() == batch, ShapeError, "cmsc", patient.size(), " patients and ",
                segment.size(), " segments for ", batch, " rows");
  std::vector<Index32> first, second, id(batch);
  std::vector<Index> known = patient;  // ids become small numbers
  std::sort(known.begin(), known.end());
  std::vector<Index> firsts(batch), seconds(batch);  // rows of a patient
  for (std::size_t i = 0; i < batch; ++i) {
    const auto k = static_cast<std::size_t>(std::lower_bound(known.begin(), known.end(), patient[i]) - known.begin());
    id[i] = static_cast<Index32>(k);
    (segment[i] == 0 ? first : second).push_back(static_cast<Index32>(i));
    ++(segment[i] == 0 ? firsts : seconds)[k];
  }
  CmscTerms<T> out;
  for (std::size_t k = 0; k < batch; ++k) out.positives += firsts[k] * seconds[k];
  const Device device = context.device();
  out.pooled = ops::mean_pool(context, padding);
  const auto n = static_cast<Index>(first.size()), m = static_cast<Index>(second.size());
  out.loss = ops::pair_contrastive(
      out.pooled, Tensor<Index32>::from_host(first, {n}, device), Tensor<Index32>::from_host(second, {m}, device),
      Tensor<Index32>::from_host(id, {context.shape()[0]}, device), o.temperature, o.detached_norm);
  return out;
}

}  // namespace anylead::ssl
