// The product quantiser, once for each number type.
#include <anylead/cuda/gumbel_quantize.cuh>

namespace anylead::cuda_ops {

template void provide_gumbel_quantize(OpTable<float>&);
template void provide_gumbel_quantize(OpTable<double>&);

}  // namespace anylead::cuda_ops
