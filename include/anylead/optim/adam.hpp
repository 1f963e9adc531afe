// Adam with decoupled weight decay.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <anylead/nn/module.hpp>
#include <anylead/ops/run.hpp>

namespace anylead::optim {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.98, epsilon = 1e-6, decay = 0.01;
  bool corrected_epsilon = false;  ///< false, the reference: epsilon is added to the root of the uncorrected second moment
  double clip_norm = 0;            ///< largest 2-norm of all gradients together; 0: no clipping
};

/// min(1, max_norm / (norm + 1e-6)), 1 for max_norm = 0.
inline double clip_factor(double norm, double max_norm) { return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0; }

/// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= rate decay p; p -= rate sqrt(1 - b2^k) / (1 - b1^k) m / (sqrt v + eps),
/// k the number of the update. Decay acts on every parameter, norms and biases too. (Kingma and Ba 2015, in the form of section
/// 2's remark; Loshchilov and Hutter 2019.) Holds handles, so that a module may move; build it after nn::init() or
/// nn::move_to().
template <Real T>
class Adam {
 public:
  using Options = AdamOptions;

  Adam() = default;
  /// @throws Error for a parameter without a value
  Adam(std::vector<nn::Named<T>> parameters, const Options& options) : options_(options), parameters_(std::move(parameters)) {
    for (const auto& p : parameters_) {
      const Tensor<T>& value = p.leaf->value;
      ANYLEAD_CHECK(value.defined(), Error, "adam", "parameter ", p.name, " was never initialised");
      mean_.push_back(zeros(value));
      square_.push_back(zeros(value));
    }
  }

  /// 2-norm of all gradients, times scale. Waits for the device.
  double grad_norm(double scale = 1) const {
    if (parameters_.empty()) return 0;
    const Device device = parameters_[0].leaf->value.device();
    const auto list = segments();
    const auto entry = device.backend().template ops<T>().sum_squares;
    return list.empty() ? 0.0 : std::sqrt(entry(device.exec(), list.data(), static_cast<Index>(list.size()))) * std::abs(scale);
  }

  /// One update with gradients times grad_scale (1 / the sum of sample sizes), clipped; afterwards gradients are empty.
  /// Parameters that got no gradient are left alone. Returns the norm of the scaled gradients before clipping.
  double step(double rate, double grad_scale = 1) { return step(rate, grad_scale, grad_norm(grad_scale)); }

  /// The same with the norm already known.
  double step(double rate, double grad_scale, double norm) {
    ++updates_;
    const auto list = segments();
    if (!list.empty()) {
      const Device device = parameters_[0].leaf->value.device();
      const AdamDims d = {rate,           options_.beta1,
                          options_.beta2, options_.epsilon,
                          options_.decay, grad_scale * clip_factor(norm, options_.clip_norm),
                          updates_,       options_.corrected_epsilon};
      ops::detail::run<T>(device, "adam", &OpTable<T>::adam_step, d, list.data(), static_cast<Index>(list.size()));
    }
    for (const auto& p : parameters_) p.leaf->touched = false;
    return norm;
  }

  Index updates() const { return updates_; }
  void set_updates(Index n) { updates_ = n; }
  const std::vector<nn::Named<T>>& parameters() const { return parameters_; }
  const Tensor<T>& mean(std::size_t i) const { return mean_[i]; }      ///< first moment of parameter i
  const Tensor<T>& square(std::size_t i) const { return square_[i]; }  ///< second moment

 private:
  static Tensor<T> zeros(const Tensor<T>& like) {
    const Tensor<T> t = Tensor<T>::lasting(like.shape(), like.device());
    ops::detail::run<T>(t.device(), "fill", &OpTable<T>::fill, t.count(), t.data(), T(0));
    return t;
  }

  std::vector<AdamSegment<T>> segments() const {
    std::vector<AdamSegment<T>> list;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Leaf<T>& leaf = *parameters_[i].leaf;
      if (leaf.touched && !leaf.frozen)
        list.push_back({leaf.value.data(), leaf.grad.data(), mean_[i].data(), square_[i].data(), leaf.value.count(), true});
    }
    return list;
  }

  Options options_;
  std::vector<nn::Named<T>> parameters_;
  std::vector<Tensor<T>> mean_, square_;
  Index updates_ = 0;
};

}  // namespace anylead::optim
