// The kernels: a thread has four elements, at(pointer) loads them, at.store and at.deliver know where the array ends.
#include <cmath>

#include <anylead/cuda/launch.cuh>
#include <anylead/cuda/vector.cuh>

#include "soft_clip.hpp"

// In a namespace of its own: nvcc would take an unnamed one at global scope for that of anylead::cuda_ops, used beside it.
namespace own {

using namespace anylead;
using namespace anylead::cuda_ops;

namespace {

template <class T>
__global__ __launch_bounds__(kElementThreads) void soft_clip_forward_kernel(Index n, T* y, const T* x, T limit) {
  const Lanes at = array_lanes(n);
  at.store(y, map(at(x), [limit](T v) { return limit * std::tanh(v / limit); }));
}

template <class T>
__global__ __launch_bounds__(kElementThreads) void soft_clip_backward_kernel(Index n, Grad<T> dx, const T* dy, const T* x,
                                                                             T limit) {
  const Lanes at = array_lanes(n);
  at.deliver(dx, map(at(dy), at(x), [limit](T g, T v) {
               const T t = std::tanh(v / limit);
               return g * (1 - t * t);
             }));
}

}  // namespace

template <Real T>
void soft_clip_forward(const Exec& exec, Index n, T* y, const T* x, T limit) {
  launch(exec, "soft_clip_forward", soft_clip_forward_kernel<T>, element_grid(n), n, y, x, limit);
}

template <Real T>
void soft_clip_backward(const Exec& exec, Index n, Grad<T> dx, const T* dy, const T* x, T limit) {
  launch(exec, "soft_clip_backward", soft_clip_backward_kernel<T>, element_grid(n), n, dx, dy, x, limit);
}

template void soft_clip_forward(const Exec&, Index, float*, const float*, float);
template void soft_clip_forward(const Exec&, Index, double*, const double*, double);
template void soft_clip_backward(const Exec&, Index, Grad<float>, const float*, const float*, float);
template void soft_clip_backward(const Exec&, Index, Grad<double>, const double*, const double*, double);

}  // namespace own
