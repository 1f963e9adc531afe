// Attention, once for each number type.
#include <anylead/cuda/attention.cuh>

namespace anylead::cuda_ops {

template void provide_attention(OpTable<float>&);
template void provide_attention(OpTable<double>&);

}  // namespace anylead::cuda_ops
