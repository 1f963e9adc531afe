// Tensor cores, sm_80 and up: fragments of 16-bit matrices from shared memory, and their products.
//
// mma.sync.m16n8k16: D [16, 8] += A [16, 16] B [16, 8], a warp each. Lane i holds of D rows i / 4 and i / 4 + 8, columns
// 2 (i % 4) and the next. ldmatrix takes four 8 x 8 matrices, whose rows are 16 bytes that lanes 8 m .. 8 m + 7 point to.
#pragma once

#include <cstdint>

#include <anylead/core/bfloat16.hpp>

namespace anylead::cuda_ops {
namespace {

/// A [16, 16] of m16n8k16: quarters (rows, terms) low low, high low, low high, high high.
struct FragmentA {
  std::uint32_t v[4];
};

/// Two B [16, 8] side by side.
struct FragmentB {
  std::uint32_t v[2][2];
};

template <bool kTransposed>
__device__ void load_matrices(std::uint32_t (&v)[4], const bf16* row) {
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(shared)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                 : "r"(shared)
                 : "memory");
}

/// A from a matrix with rows of terms, [row][term], or (kTransposed) with rows of rows, [term][row]; corner: its first number.
/// Rows are pitch apart, 16-byte aligned.
template <bool kTransposed>
__device__ FragmentA load_a(const bf16* corner, int pitch) {
  const int lane = threadIdx.x % 32, low = lane % 8, half = lane / 8 % 2, quarter = lane / 16;
  FragmentA a;
  if constexpr (kTransposed)
    load_matrices<true>(a.v, corner + (low + 8 * quarter) * pitch + 8 * half);
  else
    load_matrices<false>(a.v, corner + (low + 8 * half) * pitch + 8 * quarter);
  return a;
}

/// B for 16 columns from [column][term], or (kTransposed) from [term][column].
template <bool kTransposed>
__device__ FragmentB load_b(const bf16* corner, int pitch) {
  const int lane = threadIdx.x % 32, low = lane % 8, half = lane / 8 % 2, quarter = lane / 16;
  std::uint32_t v[4];
  if constexpr (kTransposed)
    load_matrices<true>(v, corner + (low + 8 * half) * pitch + 8 * quarter);
  else
    load_matrices<false>(v, corner + (low + 8 * quarter) * pitch + 8 * half);
  return {{{v[0], v[1]}, {v[2], v[3]}}};
}

/// B for 8 columns, the first of the two.
template <bool kTransposed>
__device__ FragmentB load_half_b(const bf16* corner, int pitch) {
  const int low = threadIdx.x % 8, half = threadIdx.x / 8 % 2;
  const bf16* row = kTransposed ? corner + (low + 8 * half) * pitch : corner + low * pitch + 8 * half;
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(row));
  FragmentB b = {};
  if constexpr (kTransposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(b.v[0][0]), "=r"(b.v[0][1])
                 : "r"(shared)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(b.v[0][0]), "=r"(b.v[0][1])
                 : "r"(shared)
                 : "memory");
  return b;
}

/// d += a b
__device__ inline void multiply_add(float (&d)[4], const FragmentA& a, const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace
}  // namespace anylead::cuda_ops
