// Products of other libraries, under one contract.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <anylead/core/types.hpp>

namespace anylead::bench {

/// C [m, n] = op(A) op(B), row-major; op(A) [m, k] is A or its transpose, leading dimensions are row lengths.
template <class T>
struct Product {
  Index m, n, k;
  const T* a;
  bool transpose_a;
  const T* b;
  bool transpose_b;
  T* c;
};

/// A way to multiply: what it prepares is not timed, the function that it returns is.
template <class T>
struct Way {
  std::string name;
  std::function<std::function<void()>(const Product<T>&)> prepare;
  bool bf16 = false;     ///< factors are rounded to bfloat16 as part of the product
  bool weights = false;  ///< B is prepared, so that it stands for weights: only for y = x W^T
};

template <class T>
std::vector<Way<T>> eigen_ways();
template <class T>
std::vector<Way<T>> openblas_ways();
std::vector<Way<float>> onednn_ways();

}  // namespace anylead::bench
