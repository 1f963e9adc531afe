// The contrast against sampled rows, once for each number type.
#include <anylead/cuda/sampled_contrastive.cuh>

namespace anylead::cuda_ops {

template void provide_sampled_contrastive(OpTable<float>&);
template void provide_sampled_contrastive(OpTable<double>&);

}  // namespace anylead::cuda_ops
