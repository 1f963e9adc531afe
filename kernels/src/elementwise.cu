// Passes over single elements, once for each number type.
#include <anylead/cuda/elementwise.cuh>

namespace anylead::cuda_ops {

template void provide_elementwise(OpTable<float>&);
template void provide_elementwise(OpTable<double>&);
template void fill(const Exec&, Index, float*, float);
template void fill(const Exec&, Index, double*, double);
template void gelu_forward(const Exec&, Index, float*, const float*);
template void gelu_forward(const Exec&, Index, double*, const double*);
template void gelu_backward(const Exec&, Index, Grad<float>, const float*, const float*);
template void gelu_backward(const Exec&, Index, Grad<double>, const double*, const double*);

}  // namespace anylead::cuda_ops
