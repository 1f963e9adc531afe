// What soft_clip.cu offers to C++.
#pragma once

#include <anylead/core/exec.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/types.hpp>

namespace own {

/// y [n] = limit tanh(x / limit): close to x where |x| is small, never beyond the limit.
template <anylead::Real T>
void soft_clip_forward(const anylead::Exec&, anylead::Index n, T* y, const T* x, T limit);

/// dx [n] = dy (1 - tanh^2(x / limit)), assigned or added by the mode.
template <anylead::Real T>
void soft_clip_backward(const anylead::Exec&, anylead::Index n, anylead::Grad<T> dx, const T* dy, const T* x, T limit);

}  // namespace own
