// How composed ops walk over tensors: whole-tensor passes on all threads.
#pragma once

#include <Eigen/Core>
#include <initializer_list>

#include <anylead/core/op_table.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/core/tensor.hpp>
#include <anylead/cpu.hpp>

namespace anylead::composed {

using Table = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Column = Eigen::Map<Eigen::ArrayXf>;
using Row = Eigen::Map<Eigen::Array<float, 1, Eigen::Dynamic>>;

/// Memory as an array [rows, cols], rows `stride` apart.
inline auto array(float* x, Index rows, Index cols, Index stride) {
  return Eigen::Map<Table, 0, Eigen::OuterStride<>>(x, rows, cols, Eigen::OuterStride<>(stride));
}
inline auto array(const float* x, Index rows, Index cols, Index stride) {
  return Eigen::Map<const Table, 0, Eigen::OuterStride<>>(x, rows, cols, Eigen::OuterStride<>(stride));
}
inline auto array(float* x, Index rows, Index cols) { return array(x, rows, cols, cols); }
inline auto array(const float* x, Index rows, Index cols) { return array(x, rows, cols, cols); }
inline auto array(float* x, Index n) { return Eigen::Map<Eigen::ArrayXf>(x, n); }
inline auto array(const float* x, Index n) { return Eigen::Map<const Eigen::ArrayXf>(x, n); }
inline auto row(float* x, Index n) { return Row(x, n); }
inline auto row(const float* x, Index n) { return Eigen::Map<const Eigen::Array<float, 1, Eigen::Dynamic>>(x, n); }

/// What one pass leaves for the next. From the library's pool, so that no page faults are timed.
class Temporary {
 public:
  explicit Temporary(Index n) : tensor_({n}, cpu()) {}
  operator float*() const { return tensor_.data(); }  // NOLINT: used as the memory that it is

 private:
  Tensor<float> tensor_;
};

/// One pass over n items: f(first, count) once for each thread.
template <class F>
void pass(Index n, F&& f) {
  parallel_for(n, (n + threads() - 1) / threads(), [&](Index begin, Index end) { f(begin, end - begin); });
}

/// C [m, n] = A B as a pass over rows of C.
template <class A, class B>
void product(float* c, Index ldc, const A& a, const B& b) {
  pass(a.rows(), [&](Index i, Index m) { array(c + i * ldc, m, b.cols(), ldc).matrix().noalias() = a.middleRows(i, m) * b; });
}

inline const OpTable<float>& own() { return cpu().backend().ops<float>(); }

}  // namespace anylead::composed
