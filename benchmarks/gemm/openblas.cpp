#include <cblas.h>

#include <type_traits>

#include <anylead/core/parallel.hpp>

#include "gemm/peers.hpp"

namespace anylead::bench {

template <class T>
std::vector<Way<T>> openblas_ways() {
  return {{"openblas", [](const Product<T>& p) -> std::function<void()> {
             openblas_set_num_threads(threads());
             return [p] {
               const auto multiply = [&](auto gemm) {
                 const auto size = [](Index n) { return static_cast<blasint>(n); };
                 gemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
                      size(p.m), size(p.n), size(p.k), T(1), p.a, size(p.transpose_a ? p.m : p.k), p.b,
                      size(p.transpose_b ? p.k : p.n), T(0), p.c, size(p.n));
               };
               if constexpr (std::is_same_v<T, float>)
                 multiply(cblas_sgemm);
               else
                 multiply(cblas_dgemm);
             };
           }}};
}

template std::vector<Way<float>> openblas_ways();
template std::vector<Way<double>> openblas_ways();

}  // namespace anylead::bench
