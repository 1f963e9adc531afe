// What the products of a convolution multiply: matrices that are not stored but read out of arrays of frames.
#pragma once

#include <anylead/core/dims.hpp>

namespace anylead::cuda_ops {
namespace {

constexpr int kColumnStep = 8;  // columns that a loader advances at a time

/// A matrix for each group. Row r = (segment, t), t < rows, of group g begins at start + g group_step + segment segment_step +
/// t row_step; its column (l, c), c < group, l < taps, lies l tap_step + c behind that. Column (l, c) of a row is 0 where its
/// frame, t frame_stride + frame_offset + l, is outside [0, time). Made on the host: kernels read it from their arguments,
/// which takes no registers.
template <class T>
struct Frames {
  const T* start;
  Index group_step, segment_step, row_step;
  int tap_step, rows, taps, group;
  int frame_stride, frame_offset, time;
  Index count;                                          ///< rows of all segments
  int step_taps = group > 0 ? kColumnStep / group : 0;  ///< (l, c) of column 8
  int step_channels = group > 0 ? kColumnStep % group : 0;

  __host__ __device__ int columns() const { return taps * group; }
  __device__ const T* group_start(int g) const { return start + g * group_step; }
  __device__ bool inside(int frame) const { return static_cast<unsigned>(frame) < static_cast<unsigned>(time); }
};

/// [rows, columns] for each group, rows pitch and groups group_step apart.
template <class T>
Frames<T> plain_matrix(const T* start, Index rows, Index columns, Index pitch, Index group_step) {
  return {start, group_step, 0, pitch, 0, static_cast<int>(rows), 1, static_cast<int>(columns), 0, 0, 1, rows};
}

/// The rows [B T', L C/G] of a convolution's groups: what a row of its output is computed from. Without groups and padding a
/// row is one run of numbers.
template <class T>
Frames<T> input_frames(const Conv1dDims& d, const T* x) {
  const Index group = d.in / d.groups;
  const bool run = d.groups == 1 && d.padding == 0;
  return {x - d.padding * d.in,
          run ? 0 : group,
          d.time * d.in,
          d.stride * d.in,
          static_cast<int>(d.in),
          static_cast<int>(d.out_time()),
          static_cast<int>(run ? 1 : d.taps),
          static_cast<int>(run ? d.taps * group : group),
          static_cast<int>(run ? 0 : d.stride),
          static_cast<int>(-d.padding),
          static_cast<int>(run ? 1 : d.time),
          d.batch * d.out_time()};
}

/// The frames of x that share a residue r of (frame + padding) modulo the stride: those that the taps r, r + stride, ... reach.
/// Their gradients are a convolution of dy with these taps, last one first, of stride 1.
struct Phase {
  int residue;
  int first;   ///< its first frame
  int frames;  ///< how many, stride apart
  int taps;    ///< how many
  int offset;  ///< row of dy that meets the first tap at the first frame

  Phase(const Conv1dDims& d, int r) : residue(r) {
    const int s = static_cast<int>(d.stride), p = static_cast<int>(d.padding), length = static_cast<int>(d.taps);
    const int skipped = p > r ? (p - r + s - 1) / s : 0;  // rows of dy before the one whose tap r meets `first`
    first = skipped * s + r - p;
    frames = first < d.time ? (static_cast<int>(d.time) - 1 - first) / s + 1 : 0;
    taps = r < length ? (length - r + s - 1) / s : 0;
    offset = skipped - (taps - 1);
  }
};

/// The rows [B frames, taps K/G] that the gradients of a phase are computed from.
template <class T>
Frames<T> gradient_frames(const Conv1dDims& d, const T* dy, const Phase& phase) {
  const Index group = d.out / d.groups, time = d.out_time();
  return {dy + phase.offset * d.out,
          group,
          time * d.out,
          d.out,
          static_cast<int>(d.out),
          phase.frames,
          phase.taps,
          static_cast<int>(group),
          1,
          phase.offset,
          static_cast<int>(time),
          d.batch * phase.frames};
}

/// Their other factor [taps K/G, C/G] from packed [K, L, C/G].
template <class T>
Frames<T> gradient_taps(const Conv1dDims& d, const T* packed, const Phase& phase) {
  const Index group_in = d.in / d.groups, group_out = d.out / d.groups, row = d.taps * group_in;
  return {packed + (phase.residue + (phase.taps - 1) * d.stride) * group_in,
          group_out * row,
          -d.stride * group_in,
          row,
          0,
          static_cast<int>(group_out),
          1,
          static_cast<int>(group_in),
          0,
          0,
          1,
          phase.taps * group_out};
}

}  // namespace
}  // namespace anylead::cuda_ops
