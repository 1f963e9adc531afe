// Tensors as matrices of Eigen, for programs that use both. Nothing else of the library needs Eigen.
#pragma once

#include <Eigen/Core>

#include <anylead/core/tensor.hpp>

namespace anylead {

template <class T>
using MatrixView = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

/// The memory of a tensor [..., C] as a matrix [R, C], all leading axes flattened. Writes go to the tensor and its copies; the
/// view is valid as long as one of them lives. @throws DeviceError for a tensor that is not on the CPU, ShapeError for a scalar
template <class T>
MatrixView<T> as_matrix(const Tensor<T>& x) {
  ANYLEAD_CHECK(x.defined() && std::string_view(x.device().backend().name) == "cpu", DeviceError, "as_matrix",
                "the tensor is not on the CPU");
  ANYLEAD_CHECK(x.shape().rank() > 0, ShapeError, "as_matrix", "a scalar is no matrix");
  return MatrixView<T>(x.data(), x.shape().rows(), x.shape()[-1]);
}

}  // namespace anylead
