// Numbers on a GPU in bf16 and float, and what they stand for in double.
#pragma once

#include <string_view>
#include <vector>

#include <anylead/core/bfloat16.hpp>
#include <anylead/cuda.hpp>

#include "support/values.hpp"

namespace anylead::test {

/// n numbers of type T on the GPU; made of rounded random ones, they are known in double too.
template <class T>
class OnGpu {
 public:
  /// To be written: NaN.
  explicit OnGpu(Index n)
      : memory_(Tensor<T>::from_host(std::vector<T>(static_cast<std::size_t>(n), T(std::numeric_limits<float>::quiet_NaN())),
                                     {n}, cuda::device(0))) {}
  explicit OnGpu(const std::vector<T>& host)
      : memory_(Tensor<T>::from_host(host, {static_cast<Index>(host.size())}, cuda::device(0))) {
    for (const T x : host) values_.push_back(double(float(x)));
  }
  /// Normally distributed, keyed by name; rounded to bf16 where T is that or `round` is set.
  OnGpu(std::string_view name, Index n, bool round = false) : values_(static_cast<std::size_t>(n)) {
    const RandomStream stream = {12, 0, site_key(name)};
    std::vector<T> host;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const float v = static_cast<float>(stream.normal(i));
      host.push_back(T(round ? float(bf16(v)) : v));
      values_[i] = double(float(host.back()));
    }
    memory_ = Tensor<T>::from_host(host, {n}, cuda::device(0));
  }

  T* data() const { return memory_.data(); }
  Grad<T> grad() const { return {data(), GradMode::overwrite}; }
  const double* values() const { return values_.data(); }
  std::vector<double> read() const {
    std::vector<double> v;
    for (const T x : memory_.to_host()) v.push_back(double(float(x)));
    return v;
  }
  /// Every number lies within a hundredth of the largest.
  bool agrees(const std::vector<double>& want) const { return distance(read(), want) <= 1e-2; }

 private:
  std::vector<double> values_;
  Tensor<T> memory_;
};

using Half = OnGpu<bf16>;
using Whole = OnGpu<float>;

}  // namespace anylead::test
