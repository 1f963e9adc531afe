#include <Eigen/Core>

#include <anylead/core/parallel.hpp>

#include "gemm/peers.hpp"

namespace anylead::bench {

template <class T>
std::vector<Way<T>> eigen_ways() {
  return {{"eigen", [](const Product<T>& p) -> std::function<void()> {
             Eigen::setNbThreads(threads());
             return [p] {
               using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
               using Factor = Eigen::Map<const Matrix>;
               Eigen::Map<Matrix> c(p.c, p.m, p.n);
               if (p.transpose_a)
                 c.noalias() = Factor(p.a, p.k, p.m).transpose() * Factor(p.b, p.k, p.n);
               else if (p.transpose_b)
                 c.noalias() = Factor(p.a, p.m, p.k) * Factor(p.b, p.n, p.k).transpose();
               else
                 c.noalias() = Factor(p.a, p.m, p.k) * Factor(p.b, p.k, p.n);
             };
           }}};
}

template std::vector<Way<float>> eigen_ways();
template std::vector<Way<double>> eigen_ways();

}  // namespace anylead::bench
