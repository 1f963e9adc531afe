// One op at one size: its tensors and its call, which any table of ops can answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <anylead/core/op_table.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/core/tensor.hpp>
#include <anylead/cpu.hpp>

#include "ops/sizes.hpp"

namespace anylead::bench {

using Table = OpTable<float>;

class Case {
 public:
  /// An input: numbers of zero mean and the given deviation.
  float* input(Index n, float deviation = 1) {
    float* data = tensor<float>(n);
    const float reach = 3.4641016f * deviation;
    const RandomStream stream = {.seed = 1, .step = 0, .site = static_cast<std::uint32_t>(tensors_)};
    parallel_for((n + 63) / 64, 256, [&](Index begin, Index end) {
      for (Index group = begin * 16; group < end * 16; ++group) {
        const PhiloxBlock block = stream.block(static_cast<std::uint64_t>(group));
        for (std::uint64_t w = 0; w < 4; ++w)
          if (const auto i = static_cast<Index>(RandomStream::number(static_cast<std::uint64_t>(group), w)); i < n)
            data[i] = reach * (RandomStream::uniform_of(block.word[w]) - 0.5f);
      }
    });
    return data;
  }

  template <class T>
  const T* input(const std::vector<T>& values) {
    return std::copy(values.begin(), values.end(), tensor<T>(static_cast<Index>(values.size()))) - values.size();
  }

  /// A result; two tables have to agree on it within tolerance times its largest element.
  template <class T = float>
  T* output(Index n, double tolerance = 1e-4) {
    T* data = tensor<T>(n);
    results_.push_back({[=] { return std::vector<double>(data, data + n); },
                        [=] { std::fill_n(data, n, std::is_same_v<T, float> ? static_cast<T>(NAN) : T(99)); },
                        std::is_same_v<T, float> ? tolerance : 0});
    return data;
  }

  /// A gradient that is wanted and assigned.
  Grad<float> gradient(Index n, double tolerance = 1e-4) { return {output(n, tolerance), GradMode::overwrite}; }

  /// An input that the op changes; a result, too.
  float* state(Index n, float deviation = 1) {
    float* data = input(n, deviation);
    const std::vector<float> start(data, data + n);
    results_.push_back(
        {[=] { return std::vector<double>(data, data + n); }, [=] { std::copy(start.begin(), start.end(), data); }, 1e-4});
    return data;
  }

  template <class T = float>
  T* scratch(Index n) {
    return tensor<T>(n);
  }

  /// What it takes at least: operations of products, or bytes read and written by an op without any.
  void flops(double n) { flops_ = n; }
  void bytes(double n) { bytes_ = n; }
  /// Floats read or written.
  void floats(Index n) { bytes(4.0 * double(n)); }
  double flops() const { return flops_; }
  double bytes() const { return bytes_; }

  using Call = std::function<void(const Table&)>;
  void call(Call f) { call_ = std::move(f); }
  void run(const Table& table) const { call_(table); }

  /// Empty, or how the results of two tables differ.
  std::string difference(const Table& one, const Table& other) const {
    const auto a = results_of(one), b = results_of(other);
    for (std::size_t r = 0; r < a.size(); ++r) {
      double largest = 0;
      for (const double v : b[r]) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
      for (std::size_t i = 0; i < a[r].size(); ++i)
        if (!(a[r][i] == b[r][i] || std::abs(a[r][i] - b[r][i]) <= results_[r].tolerance * largest))
          return str("result ", r, "[", i, "]: ", a[r][i], ", expected ", b[r][i]);
    }
    return "";
  }

 private:
  struct Result {
    std::function<std::vector<double>()> read;
    std::function<void()> reset;
    double tolerance;
  };

  template <class T>
  T* tensor(Index n) {
    const Tensor<T> t({n}, cpu());
    memory_.push_back([t] { (void)t; });
    ++tensors_;
    return t.data();
  }

  std::vector<std::vector<double>> results_of(const Table& table) const {
    for (const Result& r : results_) r.reset();
    run(table);
    std::vector<std::vector<double>> values;
    for (const Result& r : results_) values.push_back(r.read());
    return values;
  }

  double flops_ = 0, bytes_ = 0;
  Call call_;
  Index tensors_ = 0;
  std::vector<std::function<void()>> memory_;  ///< tensors of any type, kept alive
  std::vector<Result> results_;
};

/// A row of the list of ops: a name, and how to describe it at given sizes.
struct Op {
  const char* name;
  void (*describe)(Case&, const Sizes&);
};

std::vector<Op> elementwise_ops();
std::vector<Op> row_ops();
std::vector<Op> norm_ops();
std::vector<Op> product_ops();
std::vector<Op> convolution_ops();
std::vector<Op> attention_ops();
std::vector<Op> objective_ops();
std::vector<Op> optimizer_ops();

}  // namespace anylead::bench
