// Mean and variance of numbers that arrive one by one, or in parts, without losing digits where the mean is large.
#pragma once

namespace anylead::cuda_ops {
namespace {

/// Mean and sum of squared deviations of a part (Chan, Golub and LeVeque 1979, eq. 2.1).
template <class T>
struct Moments {
  int count = 0;
  T mean = 0, squares = 0;

  __device__ void add(const Moments& m) {
    if (m.count == 0) return;
    const T difference = m.mean - mean, part = static_cast<T>(m.count) / static_cast<T>(count + m.count);
    squares += m.squares + difference * difference * (static_cast<T>(count) * part);
    mean += difference * part;
    count += m.count;
  }
};

/// Sums of deviations from the first number. It is one of the n: its own deviation from the mean is at most sqrt(n) standard
/// deviations, which bounds what the subtraction at the end loses to n units of rounding.
template <class T>
struct ShiftedSums {
  int count = 0;
  T first = 0, sum = 0, squares = 0;

  __device__ void add(T v) {
    if (count++ == 0) first = v;
    const T difference = v - first;
    sum += difference;
    squares += difference * difference;
  }
  __device__ Moments<T> moments() const {
    if (count == 0) return {};
    const T mean = sum / static_cast<T>(count);
    return {count, first + mean, squares - sum * mean};
  }
};

}  // namespace
}  // namespace anylead::cuda_ops
