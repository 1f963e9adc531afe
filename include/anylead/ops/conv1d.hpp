// One-dimensional convolutions of [B, T, C].
#pragma once

#include <anylead/ops/masking.hpp>

namespace anylead::ops {

struct Conv1dOptions {
  Index stride = 1, padding = 0, groups = 1;
  Precision precision = Precision::full;
};

namespace detail {

/// frames: the shape [B, T, C] that x has, or takes.
template <Real T>
Conv1dDims conv1d_dims(std::string_view name, const Var<T>& x, const Shape& frames, const Var<T>& weight, const Var<T>& bias,
                       Conv1dOptions o) {
  ANYLEAD_CHECK(frames.rank() == 3 && weight.shape().rank() == 3, ShapeError, name,
                "expected x [B, T, C] and weight [K, C/G, L], found ", frames, " and ", weight.shape());
  const Conv1dDims d = {frames[0], frames[1], frames[2], weight.shape()[0], weight.shape()[2],
                        o.stride,  o.padding, o.groups,  o.precision};
  ANYLEAD_CHECK(o.stride >= 1 && o.padding >= 0 && o.groups >= 1 && d.in % o.groups == 0 && d.out % o.groups == 0, ShapeError,
                name, d.in, " channels to ", d.out, " in ", o.groups, " groups, stride ", o.stride, ", padding ", o.padding);
  ANYLEAD_CHECK(weight.shape()[1] == d.in / o.groups, ShapeError, name, "weight ", weight.shape(), " expects ",
                weight.shape()[1] * o.groups, " input channels, x ", frames, " has ", d.in);
  ANYLEAD_CHECK(d.taps >= 1 && d.time + 2 * d.padding >= d.taps, ShapeError, name, d.taps, " taps on ", d.time,
                " frames padded by ", d.padding, " on each side");
  ANYLEAD_CHECK(!bias.defined() || bias.shape() == Shape({d.out}), ShapeError, name, "bias ", bias.shape(), ", expected [",
                d.out, "]");
  check_devices(name, x, weight, bias);
  return d;
}

template <Real T>
void check_block_norm(std::string_view name, const Conv1dDims& d, BlockNorm norm, const Var<T>& x, const Var<T>& norm_weight,
                      const Var<T>& norm_bias) {
  const bool normed = norm != BlockNorm::none;
  ANYLEAD_CHECK(norm_weight.defined() == normed && norm_bias.defined() == normed &&
                    (!normed || (norm_weight.shape() == Shape({d.out}) && norm_bias.shape() == norm_weight.shape())),
                ShapeError, name, "norm weight ", norm_weight.shape(), ", norm bias ", norm_bias.shape(), ", expected ",
                normed ? "" : "none, not ", Shape({d.out}));
  check_devices(name, x, norm_weight, norm_bias);
}

/// Mean and 1 / deviation of a block's norm, or two undefined tensors.
template <Real T>
std::pair<Tensor<T>, Tensor<T>> block_statistics(const Conv1dDims& d, BlockNorm norm, const Device& device) {
  if (norm == BlockNorm::none) return {};
  const Shape s = {d.batch, norm == BlockNorm::group ? d.out : d.out_time()};
  return {Tensor<T>(s, device), Tensor<T>(s, device)};
}

}  // namespace detail

/// y[b, t, k] = bias[k] + sum over c, l of weight[k, c, l] x[b, t stride + l - padding, c], c over the channels of k's group.
/// x: [B, T, C]; weight: [K, C/G, L]; bias: [K] or undefined; y: [B, T', K], T' = floor((T + 2 padding - L) / stride) + 1.
/// Keeps x. @throws ShapeError
template <Real T>
Var<T> conv1d(const Var<T>& x, const Var<T>& weight, const Var<T>& bias = {}, Conv1dOptions options = {}) {
  const Conv1dDims d = detail::conv1d_dims("conv1d", x, x.shape(), weight, bias, options);
  Tensor<T> y({d.batch, d.out_time(), d.out}, x.device());
  detail::run<T>(x.device(), "conv1d", &OpTable<T>::conv1d_forward, d, y.data(), x.data(), weight.data(),
                 detail::data_or_null(bias));
  return record(std::move(y), {&x, &weight, &bias}, [d, x = x.value(), w = weight.value()](Gradients<T>& g) {
    detail::run<T>(x.device(), "conv1d", &OpTable<T>::conv1d_backward, d, g[0], g[1], g[2], g.out(), x.data(), w.data());
  });
}

/// One block of the feature extractor: y = gelu(norm(conv1d(x))), fused. norm_weight, norm_bias: [K], undefined for
/// BlockNorm::none. x: [B, T, C]; y: [B, T', K]. Keeps x, the convolution's output and the norm's statistics. @throws
/// ShapeError
/// @see conv1d, group_norm, layer_norm, gelu
template <Real T>
Var<T> conv1d_norm_gelu(const Var<T>& x, const Var<T>& weight, const Var<T>& bias, Conv1dOptions options, BlockNorm norm,
                        const Var<T>& norm_weight = {}, const Var<T>& norm_bias = {}, double eps = 1e-5) {
  const Conv1dDims d = detail::conv1d_dims("conv1d_norm_gelu", x, x.shape(), weight, bias, options);
  detail::check_block_norm("conv1d_norm_gelu", d, norm, x, norm_weight, norm_bias);
  const Shape out = {d.batch, d.out_time(), d.out};
  Tensor<T> y(out, x.device());
  const Tensor<T> z(out, x.device());
  const auto [mean, rstd] = detail::block_statistics<T>(d, norm, x.device());
  detail::run<T>(x.device(), "conv1d_norm_gelu", &OpTable<T>::conv1d_norm_gelu_forward, d, norm, y.data(), z.data(),
                 mean.data(), rstd.data(), x.data(), weight.data(), bias.data(), norm_weight.data(), norm_bias.data(), T(eps));
  return record(std::move(y), {&x, &weight, &bias, &norm_weight, &norm_bias},
                [d, norm, z, mean = mean, rstd = rstd, x = x.value(), w = weight.value(), nw = norm_weight.value(),
                 nb = norm_bias.value()](Gradients<T>& g) {
                  const Tensor<T> dz = Tensor<T>::like(z);
                  detail::run<T>(x.device(), "conv1d_norm_gelu", &OpTable<T>::conv1d_norm_gelu_backward, d, norm, g[0], g[1],
                                 g[2], g[3], g[4], dz.data(), g.out(), x.data(), z.data(), w.data(), nw.data(), nb.data(),
                                 mean.data(), rstd.data());
                });
}

/// The first block of the feature extractor, out of leads as they are recorded: conv1d_norm_gelu(lead_mask(x, keep)) in one
/// pass. x: [B, C, T]; keep: [B, C] or undefined (all kept); y: [B, T', K]. A masked lead is not read, whatever it holds.
/// Keeps x and the norm's statistics. With padding or groups, or where a gradient of the recording is asked for, it is those
/// two ops; else its products are not rounded, whatever precision is asked for, since so few terms are no faster for it.
/// @throws ShapeError. Reference: Oh et al. 2022, section 3.3. @see lead_mask, conv1d_norm_gelu
template <Real T>
Var<T> lead_conv1d_norm_gelu(const Var<T>& x, const Tensor<Flag>& keep, const Var<T>& weight, const Var<T>& bias,
                             Conv1dOptions options, BlockNorm norm, const Var<T>& norm_weight = {},
                             const Var<T>& norm_bias = {}, double eps = 1e-5) {
  constexpr const char* name = "lead_conv1d_norm_gelu";
  if (options.padding != 0 || options.groups != 1 || x.needs_grad())
    return conv1d_norm_gelu(lead_mask(x, keep), weight, bias, options, norm, norm_weight, norm_bias, eps);
  ANYLEAD_CHECK(x.shape().rank() == 3, ShapeError, name, "expected a recording [B, C, T], found ", x.shape());
  const Index batch = x.shape()[0], leads = x.shape()[1], time = x.shape()[2];
  ANYLEAD_CHECK(!keep.defined() || keep.shape() == Shape({batch, leads}), ShapeError, name, "keep ", keep.shape(), " for x ",
                x.shape());
  const Conv1dDims d = detail::conv1d_dims(name, x, Shape({batch, time, leads}), weight, bias, options);
  detail::check_block_norm(name, d, norm, x, norm_weight, norm_bias);
  detail::check_devices(name, x, keep);
  Tensor<T> y({d.batch, d.out_time(), d.out}, x.device());
  const auto [mean, rstd] = detail::block_statistics<T>(d, norm, x.device());
  detail::run<T>(x.device(), name, &OpTable<T>::lead_conv1d_norm_gelu_forward, d, norm, y.data(), mean.data(), rstd.data(),
                 x.data(), keep.data(), weight.data(), bias.data(), norm_weight.data(), norm_bias.data(), T(eps));
  return record(std::move(y), {&x, &weight, &bias, &norm_weight, &norm_bias},
                [d, norm, keep, mean = mean, rstd = rstd, x = x.value(), w = weight.value(), b = bias.value(),
                 nw = norm_weight.value(), nb = norm_bias.value()](Gradients<T>& g) {
                  detail::run<T>(x.device(), name, &OpTable<T>::lead_conv1d_norm_gelu_backward, d, norm, g[1], g[2], g[3], g[4],
                                 g.out(), x.data(), keep.data(), w.data(), b.data(), nw.data(), nb.data(), mean.data(),
                                 rstd.data());
                });
}

/// The positional term of the encoder, added: y = x + gelu(conv1d(x)), L / 2 frames of padding on each side, as many frames as
/// x (an even number of taps gives one more, which is dropped). x, y: [B, T, C]; weight: [C, C/G, L]; bias: [C]. Keeps x and
/// the convolution's output. precision: of the products, forward and backward. @throws ShapeError. Reference: Baevski et al.
/// 2020, section 2.
template <Real T>
Var<T> conv_positional(const Var<T>& x, const Var<T>& weight, const Var<T>& bias, Index groups,
                       Precision precision = Precision::full) {
  const Conv1dDims d = detail::conv1d_dims("conv_positional", x, x.shape(), weight, bias,
                                           {.stride = 1,
                                            .padding = weight.shape().rank() == 3 ? weight.shape()[2] / 2 : 0,
                                            .groups = groups,
                                            .precision = precision});
  ANYLEAD_CHECK(d.out == d.in, ShapeError, "conv_positional", "weight ", weight.shape(), " must give as many channels as x ",
                x.shape());
  Tensor<T> y = Tensor<T>::like(x.value());
  const Tensor<T> z = Tensor<T>::like(x.value());
  detail::run<T>(x.device(), "conv_positional", &OpTable<T>::conv_positional_forward, d, y.data(), z.data(), x.data(),
                 weight.data(), bias.data());
  return record(std::move(y), {&x, &weight, &bias}, [d, z, x = x.value(), w = weight.value()](Gradients<T>& g) {
    const Tensor<T> dz = Tensor<T>::like(z);
    detail::run<T>(x.device(), "conv_positional", &OpTable<T>::conv_positional_backward, d, g[0], g[1], g[2], dz.data(),
                   g.out(), x.data(), z.data(), w.data());
  });
}

/// A weight of conv_positional for inference: as it is, and in the form that the device reads fastest, if it has one for
/// segments of `frames` frames. No gradient goes through it.
template <Real T>
struct PreparedPositional {
  Tensor<T> weight = {};  ///< [C, C/G, L]
  Index groups = 1;
  Precision precision = Precision::full;
  Tensor<T> data = {};
};

/// @throws ShapeError
template <Real T>
PreparedPositional<T> prepare_conv_positional(const Tensor<T>& weight, Index groups, Index frames,
                                              Precision precision = Precision::full) {
  const Shape& s = weight.shape();
  ANYLEAD_CHECK(s.rank() == 3 && groups > 0 && s[1] * groups == s[0], ShapeError, "prepare_conv_positional",
                "expected a weight [C, C / ", groups, ", L], found ", s);
  PreparedPositional<T> prepared = {weight, groups, precision};
  const Conv1dDims d = {0, frames, s[0], s[0], s[2], 1, s[2] / 2, groups, precision};
  const auto& table = weight.device().backend().template ops<T>();
  const Index size = table.conv_positional_prepared_size ? table.conv_positional_prepared_size(weight.device().exec(), d) : 0;
  if (size == 0) return prepared;
  prepared.data = Tensor<T>({size}, weight.device());
  detail::run<T>(weight.device(), "prepare_conv_positional", &OpTable<T>::conv_positional_prepare, d, prepared.data.data(),
                 weight.data());
  return prepared;
}

/// conv_positional with a prepared weight, to the same bits; segments that its form is not for read the weight as it is.
/// x: [B, T, C], not on a tape; bias: [C]. @throws ShapeError, Error if a gradient would be needed
template <Real T>
Var<T> conv_positional(const Var<T>& x, const PreparedPositional<T>& prepared, const Var<T>& bias) {
  ANYLEAD_CHECK(!x.tape(), Error, "conv_positional",
                "a layer prepared for inference has no gradient; load its weights again to train");
  const Var<T> weight(prepared.weight);
  const Index taps = weight.shape()[2];
  const Conv1dDims d =
      detail::conv1d_dims("conv_positional", x, x.shape(), weight, bias,
                          {.stride = 1, .padding = taps / 2, .groups = prepared.groups, .precision = prepared.precision});
  if (!prepared.data.defined() || x.device().backend().template ops<T>().conv_positional_prepared_size(x.device().exec(), d) !=
                                      prepared.data.shape().count())
    return conv_positional(x, weight, bias, prepared.groups, prepared.precision);
  Tensor<T> y = Tensor<T>::like(x.value());
  const Tensor<T> z = Tensor<T>::like(x.value());
  detail::run<T>(x.device(), "conv_positional", &OpTable<T>::conv_positional_prepared_forward, d, y.data(), z.data(), x.data(),
                 prepared.data.data(), bias.data());
  return Var<T>(std::move(y));
}

}  // namespace anylead::ops
