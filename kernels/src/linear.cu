// Affine maps, once for each number type.
#include <anylead/cuda/linear.cuh>

namespace anylead::cuda_ops {

template void provide_linear(OpTable<float>&);
template void provide_linear(OpTable<double>&);
template void add_rows(const Exec&, const Gemm<float>&);
template void add_rows(const Exec&, const Gemm<double>&);

}  // namespace anylead::cuda_ops
