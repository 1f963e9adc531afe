// The global contrastive loss between two sets of segments.
#pragma once

#include <vector>

#include <anylead/ops/run.hpp>

namespace anylead::ops {

/// With u = z / max(|z|, eps), S = u_first u_second^T / temperature and positives P[i, j] = (id[first i] == id[second j]):
/// y = mean over P of -log softmax_rows(S) / 2 + mean over P of -log softmax_columns(S) / 2; a scalar, 0 without positives.
/// z: [R, E]; first, second: row numbers, none twice, in either; id: [R]. detached (the reference): |z| counts as a constant
/// for the gradient. Keeps z and a logarithm and a count for each row and column of S; S is computed again, in tiles. @throws
/// ShapeError. Reference: Kiyasseh et al. 2021 (CLOCS), eq. 1-4, in the form of Oh et al. 2022.
template <Real T>
Var<T> pair_contrastive(const Var<T>& z, const Tensor<Index32>& first, const Tensor<Index32>& second, const Tensor<Index32>& id,
                        double temperature = 0.1, bool detached = true, double eps = 1e-8) {
  ANYLEAD_CHECK(
      z.shape().rank() == 2 && id.shape() == Shape({z.shape()[0]}) && first.shape().rank() == 1 && second.shape().rank() == 1,
      ShapeError, "pair_contrastive", "z ", z.shape(), ", id ", id.shape(), ", first ", first.shape(), ", second ",
      second.shape());
  ANYLEAD_CHECK(first.count() + second.count() <= z.shape()[0], ShapeError, "pair_contrastive", first.count(), " and ",
                second.count(), " rows out of ", z.shape()[0], ": one is there twice");
  detail::check_devices("pair_contrastive", z, first, second, id);
  const Device device = z.device();
  const PairDims d = {z.shape()[0], z.shape()[1], first.count(), second.count()};
  Tensor<T> loss(Shape{}, device);
  const Tensor<T> lines({2, d.first + d.second}, device);
  detail::run<T>(device, "pair_contrastive", &OpTable<T>::pair_contrastive_forward, d, loss.data(), lines.data(), z.data(),
                 first.data(), second.data(), id.data(), T(temperature), T(eps));
  return record(std::move(loss), {&z}, [=, z = z.value()](Gradients<T>& g) {
    detail::run<T>(device, "pair_contrastive", &OpTable<T>::pair_contrastive_backward, d, detached, g[0], g.out(), lines.data(),
                   z.data(), first.data(), second.data(), id.data(), T(temperature), T(eps));
  });
}

}  // namespace anylead::ops
