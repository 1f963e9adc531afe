// Gradient norm and Adam over several tensors.
#pragma once

#include "support/op_case.hpp"

namespace anylead::cases {

using test::OpCase;

inline std::string name_of(const std::string& what, std::size_t i) { return what + std::to_string(i); }

template <Real T>
std::vector<AdamSegment<T>> segments(const test::Bound<T>& b, const std::vector<Index>& sizes, bool moments) {
  std::vector<AdamSegment<T>> list;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    list.push_back({moments ? b.real(name_of("value", i)) : nullptr, b.real(name_of("grad", i)),
                    moments ? b.real(name_of("mean", i)) : nullptr, moments ? b.real(name_of("square", i)) : nullptr, sizes[i],
                    i % 2 == 0});
  return list;
}

inline OpCase sum_squares(const std::vector<Index>& sizes) {
  OpCase c("sum_squares", str(sizes.size(), " tensors"));
  double n = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    c.normal(name_of("grad", i), sizes[i], 0.5);
    n += double(sizes[i]);
  }
  c.on_host("sum", 1).costs(n, 2 * n, n);
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    const auto list = segments(b, sizes, false);
    *b.real("sum") = static_cast<T>(op.sum_squares(e, list.data(), static_cast<Index>(list.size())));
  });
}

inline OpCase adam_step(const std::vector<Index>& sizes, Index step, bool corrected, double grad_scale) {
  OpCase c("adam_step", str(sizes.size(), " tensors, step ", step, corrected ? " corrected" : "", " scale ", grad_scale));
  double n = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::vector<double> value(static_cast<std::size_t>(sizes[i])), mean = value, square = value;
    for (std::size_t k = 0; k < value.size(); ++k) {
      value[k] = c.stream(name_of("value", i)).normal(k);
      mean[k] = step == 1 ? 0 : 0.1 * c.stream(name_of("mean", i)).normal(k);
      square[k] = step == 1 ? 0 : 0.01 * c.stream(name_of("square", i)).uniform(k, 0.1, 1);
    }
    c.normal(name_of("grad", i), sizes[i], 0.5).fixed();
    c.changed(name_of("value", i), value).changed(name_of("mean", i), mean).changed(name_of("square", i), square);
    n += double(sizes[i]);
  }
  c.costs(1, 12 * n, 7 * n);
  const AdamDims d = {0x1p-7, 0.875, 0x1.fp-1, 0x1p-20, 0x1p-4, grad_scale, step, corrected};
  return c.runs([=]<Real T>(const OpTable<T>& op, const Exec& e, const test::Bound<T>& b) {
    const auto list = segments(b, sizes, true);
    op.adam_step(e, d, list.data(), static_cast<Index>(list.size()));
  });
}

inline std::vector<OpCase> optimizer_step() {
  std::vector<OpCase> all;
  const std::vector<std::vector<Index>> lists = {{}, {1}, {0, 16, 17}, {7, 33, 1009}, {20000, 1}};
  for (const auto& sizes : lists) {
    all.push_back(sum_squares(sizes));
    for (const Index step : {1, 2, 1000})
      for (const bool corrected : {false, true}) all.push_back(adam_step(sizes, step, corrected, 0.25));
  }
  return all;
}

}  // namespace anylead::cases
