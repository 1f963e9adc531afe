// Ops on float whose products are asked for in bf16: factors are rounded into working memory, the kernels of tensor cores do
// the products, and what they store in bf16 is widened again. Contracts: core/op_table.hpp.
//
//   y = f(x) becomes y = float(f_bf16(bf16(x)));  weights, statistics and their gradients stay float, so do residuals forward
//
// The quantiser and the objectives are not among them: for float tensors, rounding and widening would cost what tensor cores
// save (docs/numerics.md). Nor is the first block, whose sums have few terms (lead_conv1d.cuh).
//
// Every result that tensor cores leave in bf16 has been rounded once more than its factors: 2^-9 of each number. Mapping: a
// thread has the four elements of array_lanes, blockIdx.y is the array. Bound: bandwidth, 6 bytes for each element rounded or
// widened beside what the kernels themselves move.
#pragma once

#include <initializer_list>

#include <anylead/core/scalar_math.hpp>
#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/numbers.cuh>
#include <anylead/cuda/vector.cuh>

namespace anylead::cuda_ops {
namespace {

constexpr int kMostArrays = 5;

struct Roundings {
  const float* from[kMostArrays];
  bf16* to[kMostArrays];
};

struct Widenings {
  Grad<float> to[kMostArrays];
  const bf16* from[kMostArrays];
};

/// to [n] = from, rounded; array blockIdx.y.
__global__ __launch_bounds__(kElementThreads) void round_arrays_kernel(Index n, const __grid_constant__ Roundings arrays) {
  const Lanes at = array_lanes(n);
  store(at, arrays.to[blockIdx.y], at(arrays.from[blockIdx.y]));
}

/// to [n] = from, assigned or added; array blockIdx.y.
__global__ __launch_bounds__(kElementThreads) void widen_arrays_kernel(Index n, const __grid_constant__ Widenings arrays) {
  const Lanes at = array_lanes(n);
  at.deliver(arrays.to[blockIdx.y], widened(at, arrays.from[blockIdx.y]));
}

/// z [n] = from, y = x + gelu(z): the residual has not been rounded.
__global__ __launch_bounds__(kElementThreads) void widen_positional_kernel(Index n, float* y, float* z, const float* x,
                                                                           const bf16* from) {
  const Lanes at = array_lanes(n);
  const Quad<float> v = widened(at, from);
  at.store(z, v);
  at.store(y, at(x) + map(v, [](float u) { return gelu(u); }));
}

Grid array_grid(Index n, std::size_t arrays) {
  Grid grid = element_grid(n);
  grid.y = static_cast<Index>(arrays);
  return grid;
}

/// Arrays of n numbers in bf16, in working memory.
class HalfArrays {
 public:
  /// Rounded copies, and room for `others` behind them.
  HalfArrays(const Exec& exec, Index n, std::initializer_list<const float*> from, std::size_t others = 0)
      : exec_(exec), n_(n), memory_(exec, static_cast<Index>(from.size() + others) * pitch()) {
    Roundings arrays = {};
    std::size_t count = 0;
    for (const float* p : from) {
      arrays.from[count] = p;
      arrays.to[count] = (*this)[count];
      ++count;
    }
    if (count) launch(exec, "round_arrays", round_arrays_kernel, array_grid(n, count), n, arrays);
  }

  bf16* operator[](std::size_t i) const { return memory_.data() + static_cast<Index>(i) * pitch(); }

  /// Where a gradient that is wanted is left.
  Grad<bf16> grad(std::size_t i, Grad<float> to) const {
    return to ? Grad<bf16>{(*this)[i], GradMode::overwrite} : Grad<bf16>{};
  }

  /// The arrays from `first` on, each to its place; those that nobody wants are passed over.
  void widen(std::size_t first, std::initializer_list<Grad<float>> to) const {
    Widenings arrays = {};
    std::size_t count = 0;
    for (const Grad<float>& g : to) {
      if (g) {
        arrays.to[count] = g;
        arrays.from[count++] = (*this)[first];
      }
      ++first;
    }
    if (count) launch(exec_, "widen_arrays", widen_arrays_kernel, array_grid(n_, count), n_, arrays);
  }

 private:
  Index pitch() const { return pieces(n_, 64) * 64; }  // arrays begin at whole sectors

  const Exec& exec_;
  Index n_;
  WorkspaceOf<bf16> memory_;
};

Grad<float> assigned(float* to) { return {to, GradMode::overwrite}; }

/// Room for bf16 in scratch of as many floats.
bf16* as_halves(float* scratch) { return reinterpret_cast<bf16*>(scratch); }

Index input_size(const Conv1dDims& d) { return d.batch * d.time * d.in; }
Index output_size(const Conv1dDims& d) { return d.batch * d.out_time() * d.out; }

/// The same ops with products in float.
const OpTable<float>& in_float() {
  static const OpTable<float> table = [] {
    OpTable<float> t = {};
    provide_attention(t);
    provide_conv1d(t);
    provide_conv1d_block(t);
    provide_conv_positional(t);
    return t;
  }();
  return table;
}

void rounded_attention_forward(const Exec& exec, AttentionDims d, float* y, float* logsum, const float* q, const float* k,
                               const float* v, const Flag* padding, Dropout dropout) {
  if (d.precision == Precision::full) return in_float().attention_forward(exec, d, y, logsum, q, k, v, padding, dropout);
  const HalfArrays of(exec, d.batch * d.time * d.heads * d.head_width, {q, k, v}, 1);
  attention_forward(exec, d, of[3], logsum, of[0], of[1], of[2], padding, dropout);
  of.widen(3, {assigned(y)});
}

void rounded_attention_backward(const Exec& exec, AttentionDims d, Grad<float> dq, Grad<float> dk, Grad<float> dv,
                                const float* dy, const float* y, const float* logsum, const float* q, const float* k,
                                const float* v, const Flag* padding, Dropout dropout) {
  if (d.precision == Precision::full)
    return in_float().attention_backward(exec, d, dq, dk, dv, dy, y, logsum, q, k, v, padding, dropout);
  if (!dq && !dk && !dv) return;
  const HalfArrays of(exec, d.batch * d.time * d.heads * d.head_width, {dy, y, q, k, v}, 3);
  attention_backward(exec, d, of.grad(5, dq), of.grad(6, dk), of.grad(7, dv), of[0], of[1], logsum, of[2], of[3], of[4],
                     padding, dropout);
  of.widen(5, {dq, dk, dv});
}

void rounded_conv1d_forward(const Exec& exec, Conv1dDims d, float* y, const float* x, const float* weight, const float* bias) {
  if (d.precision == Precision::full) return in_float().conv1d_forward(exec, d, y, x, weight, bias);
  const HalfArrays in(exec, input_size(d), {x}), out(exec, output_size(d), {}, 1);
  conv1d_forward(exec, d, out[0], in[0], weight, bias);
  out.widen(0, {assigned(y)});
}

void rounded_conv1d_backward(const Exec& exec, Conv1dDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias,
                             const float* dy, const float* x, const float* weight) {
  if (d.precision == Precision::full) return in_float().conv1d_backward(exec, d, dx, dweight, dbias, dy, x, weight);
  const HalfArrays in(exec, input_size(d), {x}, 1), out(exec, output_size(d), {dy});
  conv1d_backward(exec, d, in.grad(1, dx), dweight, dbias, out[0], in[0], weight);
  in.widen(1, {dx});
}

void rounded_conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, float* y, float* z, float* mean,
                                      float* rstd, const float* x, const float* weight, const float* bias,
                                      const float* norm_weight, const float* norm_bias, float eps) {
  if (d.precision == Precision::full)
    return in_float().conv1d_norm_gelu_forward(exec, d, norm, y, z, mean, rstd, x, weight, bias, norm_weight, norm_bias, eps);
  const HalfArrays in(exec, input_size(d), {x}), out(exec, output_size(d), {}, 2);
  conv1d_norm_gelu_forward(exec, d, norm, out[0], out[1], mean, rstd, in[0], weight, bias, norm_weight, norm_bias, eps);
  out.widen(0, {assigned(y), assigned(z)});
}

void rounded_conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<float> dx, Grad<float> dweight,
                                       Grad<float> dbias, Grad<float> dnorm_weight, Grad<float> dnorm_bias, float* dz,
                                       const float* dy, const float* x, const float* z, const float* weight,
                                       const float* norm_weight, const float* norm_bias, const float* mean, const float* rstd) {
  if (d.precision == Precision::full)
    return in_float().conv1d_norm_gelu_backward(exec, d, norm, dx, dweight, dbias, dnorm_weight, dnorm_bias, dz, dy, x, z,
                                                weight, norm_weight, norm_bias, mean, rstd);
  const HalfArrays in(exec, input_size(d), {x}, 1), out(exec, output_size(d), {dy, z});
  conv1d_norm_gelu_backward(exec, d, norm, in.grad(1, dx), dweight, dbias, dnorm_weight, dnorm_bias, as_halves(dz), out[0],
                            in[0], out[1], weight, norm_weight, norm_bias, mean, rstd);
  in.widen(1, {dx});
}

void rounded_conv_positional_forward(const Exec& exec, Conv1dDims d, float* y, float* z, const float* x, const float* weight,
                                     const float* bias) {
  if (d.precision == Precision::full) return in_float().conv_positional_forward(exec, d, y, z, x, weight, bias);
  const Index n = input_size(d);
  const HalfArrays of(exec, n, {x}, 2);
  conv_positional_forward(exec, d, of[1], of[2], of[0], weight, bias);
  launch(exec, "widen_positional", widen_positional_kernel, element_grid(n), n, y, z, x, of[2]);
}

void rounded_conv_positional_backward(const Exec& exec, Conv1dDims d, Grad<float> dx, Grad<float> dweight, Grad<float> dbias,
                                      float* dz, const float* dy, const float* x, const float* z, const float* weight) {
  if (d.precision == Precision::full)
    return in_float().conv_positional_backward(exec, d, dx, dweight, dbias, dz, dy, x, z, weight);
  const HalfArrays of(exec, input_size(d), {dy, x, z}, 1);
  conv_positional_backward(exec, d, of.grad(3, dx), dweight, dbias, as_halves(dz), of[0], of[1], of[2], weight);
  of.widen(3, {dx});
}

}  // namespace

void provide_rounded_products(OpTable<float>& table) {
  table.attention_forward = rounded_attention_forward;
  table.attention_backward = rounded_attention_backward;
  table.conv1d_forward = rounded_conv1d_forward;
  table.conv1d_backward = rounded_conv1d_backward;
  table.conv1d_norm_gelu_forward = rounded_conv1d_norm_gelu_forward;
  table.conv1d_norm_gelu_backward = rounded_conv1d_norm_gelu_backward;
  table.conv_positional_forward = rounded_conv_positional_forward;
  table.conv_positional_backward = rounded_conv_positional_backward;
}

}  // namespace anylead::cuda_ops
