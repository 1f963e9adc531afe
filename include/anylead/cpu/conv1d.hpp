// Convolutions as products on views. @see ops/conv1d.hpp
//
// Channels-last data with kernel = stride needs no copy: a row of the product is L consecutive frames. Else each group's padded
// input is copied to [T + 2 padding, C/G], and rows of that buffer overlap.
#pragma once

#include <anylead/cpu/conv1d_fft.hpp>
#include <anylead/cpu/group_norm.hpp>
#include <anylead/cpu/linear.hpp>

namespace anylead::cpu_ops {

namespace detail {

/// One product of the convolution: frames as rows [T', L C/G], row t starting at frame t stride.
template <class T>
struct Conv1dPlan {
  Conv1dDims d;
  Index group_in, group_out, row, out_time;
  bool direct;  ///< rows are rows of x itself

  explicit Conv1dPlan(const Conv1dDims& dims)
      : d(dims),
        group_in(d.in / d.groups),
        group_out(d.out / d.groups),
        row(d.taps * group_in),
        out_time(d.out_time()),
        direct(d.groups == 1 && d.padding == 0) {}

  Index padded() const { return (d.time + 2 * d.padding) * group_in; }

  /// to [T + 2 padding, C/G] = group g of segment x [T, C], zeros around it.
  void pad(T* to, const T* x, Index g) const {
    std::fill(to, to + d.padding * group_in, T(0));
    for (Index t = 0; t < d.time; ++t) std::copy_n(x + t * d.in + g * group_in, group_in, to + (d.padding + t) * group_in);
    std::fill(to + (d.padding + d.time) * group_in, to + padded(), T(0));
  }
};

/// packed [K, L, C/G] = weight [K, C/G, L]: the order of a row of frames.
template <class T>
void pack_taps(const Conv1dPlan<T>& p, T* packed, const T* weight) {
  parallel_for(p.d.out, 8, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k)
      for (Index c = 0; c < p.group_in; ++c)
        for (Index l = 0; l < p.d.taps; ++l)
          packed[k * p.row + l * p.group_in + c] = weight[(k * p.group_in + c) * p.d.taps + l];
  });
}

template <class T>
void unpack_taps(const Conv1dPlan<T>& p, Grad<T> dweight, const T* packed) {
  parallel_for(p.d.out, 8, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k)
      for (Index c = 0; c < p.group_in; ++c)
        for (Index l = 0; l < p.d.taps; ++l)
          deliver(dweight, (k * p.group_in + c) * p.d.taps + l, packed[k * p.row + l * p.group_in + c]);
  });
}

}  // namespace detail

template <class T>
void conv1d_forward(const Exec&, Conv1dDims d, T* y, const T* x, const T* weight, const T* bias) {
  struct Taps;
  const detail::Conv1dPlan<T> p(d);
  T* taps = scratch<Taps, T>(d.out * p.row);
  detail::pack_taps(p, taps, weight);
  if (p.direct) {
    const bool whole = p.out_time * d.stride == d.time;  // segments follow each other without a gap: one product
    for (Index b = 0; b < (whole ? 1 : d.batch); ++b)
      gemm(Gemm<T>{.m = whole ? d.batch * p.out_time : p.out_time,
                   .n = d.out,
                   .k = p.row,
                   .a = x + b * d.time * d.in,
                   .lda = d.stride * d.in,
                   .op_a = MatrixOp::none,
                   .b = taps,
                   .ldb = p.row,
                   .op_b = MatrixOp::transpose,
                   .c = y + b * p.out_time * d.out,
                   .ldc = d.out,
                   .bias = bias,
                   .precision = d.precision});
    return;
  }
  parallel_for(d.batch * d.groups, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      struct Padded;
      const Index b = i / d.groups, g = i % d.groups;
      T* padded = scratch<Padded, T>(p.padded());
      p.pad(padded, x + b * d.time * d.in, g);
      gemm_serial(Gemm<T>{.m = p.out_time,
                          .n = p.group_out,
                          .k = p.row,
                          .a = padded,
                          .lda = d.stride * p.group_in,
                          .op_a = MatrixOp::none,
                          .b = taps + g * p.group_out * p.row,
                          .ldb = p.row,
                          .op_b = MatrixOp::transpose,
                          .c = y + b * p.out_time * d.out + g * p.group_out,
                          .ldc = d.out,
                          .bias = bias ? bias + g * p.group_out : bias,
                          .precision = d.precision});
    }
  });
}

template <class T>
void conv1d_backward(const Exec& exec, Conv1dDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                     const T* weight) {
  struct Taps;
  const detail::Conv1dPlan<T> p(d);
  column_sums(d.batch * p.out_time, d.out, dbias, dy);
  if (dx) {
    T* taps = scratch<Taps, T>(d.out * p.row);
    detail::pack_taps(p, taps, weight);
    const bool disjoint = p.direct && d.stride >= d.taps;
    if (!dx.accumulates() && (!disjoint || d.stride > d.taps || p.out_time * d.stride != d.time))
      fill(exec, d.batch * d.time * d.in, dx.data, T(0));  // frames that no row reaches, or that several add to
    if (disjoint) {
      const bool whole = p.out_time * d.stride == d.time;
      for (Index b = 0; b < (whole ? 1 : d.batch); ++b)
        gemm(Gemm<T>{.m = whole ? d.batch * p.out_time : p.out_time,
                     .n = p.row,
                     .k = d.out,
                     .a = dy + b * p.out_time * d.out,
                     .lda = d.out,
                     .op_a = MatrixOp::none,
                     .b = taps,
                     .ldb = p.row,
                     .op_b = MatrixOp::none,
                     .c = dx.data + b * d.time * d.in,
                     .ldc = d.stride * d.in,
                     .accumulate = dx.accumulates(),
                     .precision = d.precision});
    } else {
      parallel_for(d.batch * d.groups, 1, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          struct Rows;
          const Index b = i / d.groups, g = i % d.groups;
          T* rows = scratch<Rows, T>(p.out_time * p.row);
          gemm_serial(Gemm<T>{.m = p.out_time,
                              .n = p.row,
                              .k = p.group_out,
                              .a = dy + b * p.out_time * d.out + g * p.group_out,
                              .lda = d.out,
                              .op_a = MatrixOp::none,
                              .b = taps + g * p.group_out * p.row,
                              .ldb = p.row,
                              .op_b = MatrixOp::none,
                              .c = rows,
                              .ldc = p.row,
                              .precision = d.precision});
          for (Index t = 0; t < p.out_time; ++t)
            for (Index l = 0; l < d.taps; ++l) {
              const Index frame = t * d.stride + l - d.padding;
              if (frame < 0 || frame >= d.time) continue;
              T* to = dx.data + (b * d.time + frame) * d.in + g * p.group_in;
              const T* from = rows + t * p.row + l * p.group_in;
              for (Index c = 0; c < p.group_in; ++c) to[c] += from[c];
            }
        }
      });
    }
  }
  if (!dweight) return;
  struct TapGradients;
  T* packed = scratch<TapGradients, T>(d.out * p.row);
  if (d.batch * p.out_time == 0) std::fill(packed, packed + d.out * p.row, T(0));
  if (p.direct) {
    const bool whole = p.out_time * d.stride == d.time;
    for (Index b = 0; b < (whole ? 1 : d.batch); ++b)
      gemm(Gemm<T>{.m = d.out,
                   .n = p.row,
                   .k = whole ? d.batch * p.out_time : p.out_time,
                   .a = dy + b * p.out_time * d.out,
                   .lda = d.out,
                   .op_a = MatrixOp::transpose,
                   .b = x + b * d.time * d.in,
                   .ldb = d.stride * d.in,
                   .op_b = MatrixOp::none,
                   .c = packed,
                   .ldc = p.row,
                   .accumulate = b > 0,
                   .precision = d.precision});
  } else {
    parallel_for(d.groups, 1, [&](Index begin, Index end) {
      for (Index g = begin; g < end; ++g)
        for (Index b = 0; b < d.batch; ++b) {
          struct Padded;
          T* padded = scratch<Padded, T>(p.padded());
          p.pad(padded, x + b * d.time * d.in, g);
          gemm_serial(Gemm<T>{.m = p.group_out,
                              .n = p.row,
                              .k = p.out_time,
                              .a = dy + b * p.out_time * d.out + g * p.group_out,
                              .lda = d.out,
                              .op_a = MatrixOp::transpose,
                              .b = padded,
                              .ldb = d.stride * p.group_in,
                              .op_b = MatrixOp::none,
                              .c = packed + g * p.group_out * p.row,
                              .ldc = p.row,
                              .accumulate = b > 0,
                              .precision = d.precision});
        }
    });
  }
  detail::unpack_taps(p, dweight, packed);
}

// --- a block of the feature extractor -----------------------------------------------------------------------------------

struct GeluRowsPass {
  /// dz = dy gelu'(normalised row)
  template <Isa isa, class T>
  ANYLEAD_SIMD static void run(Index rows, Index cols, T* dz, const T* dy, const T* z, const T* weight, const T* bias,
                               const T* mean, const T* rstd) {
    for (Index r = 0; r < rows; ++r, dz += cols, dy += cols, z += cols) {
      for_lanes<isa, T>(
          cols, [&](auto at) ANYLEAD_SIMD_LAMBDA { at.store(dz, (at(z) - mean[r]) * rstd[r] * at(weight) + at(bias)); });
      with_isa<GeluBackwardPass>(isa, cols, Grad<T>{dz, GradMode::overwrite}, dy, static_cast<const T*>(dz));
    }
  }
};

template <class T>
void conv1d_norm_gelu_forward(const Exec& exec, Conv1dDims d, BlockNorm norm, T* y, T* z, T* mean, T* rstd, const T* x,
                              const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps) {
  conv1d_forward(exec, d, z, x, weight, bias);
  const Index time = d.out_time();
  if (norm == BlockNorm::group) {
    group_norm(GroupNormDims{d.batch, time, d.out, d.out}, true, y, mean, rstd, z, norm_weight, norm_bias, eps);
  } else if (norm == BlockNorm::layer) {
    layer_norm_forward(exec, RowDims{d.batch * time, d.out}, y, mean, rstd, z, norm_weight, norm_bias, eps);
    gelu_forward(exec, d.batch * time * d.out, y, y);
  } else {
    gelu_forward(exec, d.batch * time * d.out, y, z);
  }
}

template <class T>
void conv1d_norm_gelu_backward(const Exec& exec, Conv1dDims d, BlockNorm norm, Grad<T> dx, Grad<T> dweight, Grad<T> dbias,
                               Grad<T> dnorm_weight, Grad<T> dnorm_bias, T* dz, const T* dy, const T* x, const T* z,
                               const T* weight, const T* norm_weight, const T* norm_bias, const T* mean, const T* rstd) {
  const Grad<T> to_z = {dz, GradMode::overwrite};
  const RowDims rows = {d.batch * d.out_time(), d.out};
  if (norm == BlockNorm::group) {
    group_norm_backward(GroupNormDims{d.batch, d.out_time(), d.out, d.out}, true, to_z, dnorm_weight, dnorm_bias, dy, z,
                        norm_weight, norm_bias, mean, rstd);
  } else if (norm == BlockNorm::layer) {
    parallel_for(rows.rows, kNormRows, [&](Index begin, Index end) {
      const Index o = begin * rows.cols;
      with_isa<GeluRowsPass>(end - begin, rows.cols, dz + o, dy + o, z + o, norm_weight, norm_bias, mean + begin, rstd + begin);
    });
    layer_norm_backward<T>(exec, rows, to_z, dnorm_weight, dnorm_bias, dz, z, norm_weight, mean, rstd);  // row by row, in place
  } else {
    gelu_backward(exec, rows.rows * rows.cols, to_z, dy, z);
  }
  conv1d_backward<T>(exec, d, dx, dweight, dbias, dz, x, weight);
}

// --- the positional convolution -----------------------------------------------------------------------------------------

/// The convolution without its surplus last frame, by transforms where that pays.
/// y = x + gelu(z)
template <class T>
void add_gelu(Index n, T* y, const T* z, const T* x) {
  parallel_for(n, kElementGrain / 4, [&](Index begin, Index end) {
    with_isa<GeluPass>(end - begin, y + begin, z + begin);
    with_isa<ScalePass>(end - begin, Grad<T>{y + begin, GradMode::accumulate}, x + begin, T(1));
  });
}

template <class T>
void conv_positional_forward(const Exec& exec, Conv1dDims d, T* y, T* z, const T* x, const T* weight, const T* bias) {
  struct Full;
  const Index n = d.batch * d.time * d.in, surplus = d.out_time() - d.time;
  if (conv1d_fft_pays(d)) {
    conv1d_fft_forward(d, d.time, z, x, weight, bias);
  } else {
    T* full = surplus ? scratch<Full, T>(d.batch * d.out_time() * d.out) : z;
    conv1d_forward(exec, d, full, x, weight, bias);
    if (surplus)
      for (Index b = 0; b < d.batch; ++b) std::copy_n(full + b * d.out_time() * d.out, d.time * d.out, z + b * d.time * d.out);
  }
  add_gelu<T>(n, y, z, x);
}

template <class T>
Index conv_positional_prepared_size(const Exec&, Conv1dDims d) {
  return conv1d_fft_pays(d) ? conv1d_fft_prepared_size<T>(d, d.time) : 0;
}

template <class T>
void conv_positional_prepare(const Exec&, Conv1dDims d, T* prepared, const T* weight) {
  conv1d_fft_prepare(d, d.time, prepared, weight);
}

template <class T>
void conv_positional_prepared_forward(const Exec&, Conv1dDims d, T* y, T* z, const T* x, const T* prepared, const T* bias) {
  const T* const weight = nullptr;
  conv1d_fft_forward(d, d.time, z, x, weight, bias, prepared);
  add_gelu<T>(d.batch * d.time * d.in, y, z, x);
}

template <class T>
void conv_positional_backward(const Exec& exec, Conv1dDims d, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, T* dz, const T* dy,
                              const T* x, const T* z, const T* weight) {
  struct Full;
  const Index n = d.batch * d.time * d.in, surplus = d.out_time() - d.time;
  gelu_backward(exec, n, Grad<T>{dz, GradMode::overwrite}, dy, z);
  scale(exec, n, dx, dy, T(1));
  if (dx) dx.mode = GradMode::accumulate;
  if (conv1d_fft_pays(d)) {
    column_sums(d.batch * d.time, d.out, dbias, dz);
    conv1d_fft_backward<T>(d, d.time, dx, dweight, dz, x, weight);
    return;
  }
  const T* full = dz;
  if (surplus) {
    T* padded = scratch<Full, T>(d.batch * d.out_time() * d.out);
    for (Index b = 0; b < d.batch; ++b) {
      T* to = std::copy_n(dz + b * d.time * d.out, d.time * d.out, padded + b * d.out_time() * d.out);
      std::fill(to, to + surplus * d.out, T(0));
    }
    full = padded;
  }
  conv1d_backward(exec, d, dx, dweight, dbias, full, x, weight);
}

}  // namespace anylead::cpu_ops
