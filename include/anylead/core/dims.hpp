// Sizes of ops, shared with kernels. POD; letters as everywhere: B batch, T time, C channels in, K channels out, L taps,
// G groups, H heads, D head or code width, V codebook entries, M masked frames, N negatives, R rows.
#pragma once

#include <anylead/core/host_device.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/types.hpp>

namespace anylead {

/// [R, C]
struct RowDims {
  Index rows, cols;
};

/// x [R, in], weight [out, in], y [R, out]
struct LinearDims {
  Index rows, in, out;
  Precision precision = Precision::full;
};

/// x [B, C, T] -> y [B, T, C]
struct LeadMaskDims {
  Index batch, leads, time;
};

/// x [B, T, C], weight [K, C/G, L], y [B, T', K]
struct Conv1dDims {
  Index batch, time, in, out, taps, stride, padding, groups;
  Precision precision = Precision::full;

  /// T' = floor((T + 2 padding - L) / stride) + 1
  ANYLEAD_HD constexpr Index out_time() const { return (time + 2 * padding - taps) / stride + 1; }
};

/// What stands between the convolution and the GELU of a feature-extractor block.
enum class BlockNorm {
  none,
  group,  ///< every channel by itself over time (group norm with as many groups as channels)
  layer   ///< over the channels of each frame
};

/// x [B, T, C]; statistics over time and the C/G channels of a group, per segment
struct GroupNormDims {
  Index batch, time, channels, groups;
};

/// q, k, v, y [B, T, H D]
struct AttentionDims {
  Index batch, time, heads, head_width;
  Precision precision = Precision::full;
};

/// v [outer, kept, inner], g [kept]: one norm for each index of the kept axis
struct WeightNormDims {
  Index outer, kept, inner;
};

/// logits [R, G V], vars [G V, D], y [R, G D]
struct QuantizeDims {
  Index rows, groups, entries, width;
};

/// context [R, D], target [candidates, D] (the first R are the rows' own), negatives [R, N], logits [R, 1 + N]
struct ContrastDims {
  Index rows, candidates, width, negatives;
};

/// z [R, E]; first [n], second [m] rows of z
struct PairDims {
  Index rows, width, first, second;
};

/// x [B, T, C] -> y [B, C]
struct PoolDims {
  Index batch, time, channels;
};

/// Keyed dropout: element i is kept if number i of the stream is >= p, and then divided by 1 - p. p = 0: the identity.
struct Dropout {
  float p = 0;
  RandomStream stream = {};

  /// 0 or 1 / (1 - p)
  ANYLEAD_HD constexpr float factor(std::uint64_t i) const { return p == 0 ? 1.f : factor_of(stream.bits(i)); }
  /// The same from the word that the element's number comes from, p > 0.
  ANYLEAD_HD constexpr float factor_of(std::uint32_t word) const {
    return RandomStream::uniform_of(word) >= p ? 1.f / (1.f - p) : 0.f;
  }
};

/// Hyper-parameters of one Adam step. @see OpTable::adam_step
struct AdamDims {
  double rate, beta1, beta2, epsilon, decay, grad_scale;
  Index step;              ///< number of this update, from 1
  bool corrected_epsilon;  ///< false: epsilon is added to the root of the uncorrected second moment (the reference)
};

/// One tensor of an optimiser step.
template <class T>
struct AdamSegment {
  T* value;
  const T* grad;
  T* mean;    ///< first moment
  T* square;  ///< second moment
  Index count;
  bool decays;
};

}  // namespace anylead
