// The contrast between two sets of rows, once for each number type.
#include <anylead/cuda/pair_contrastive.cuh>

namespace anylead::cuda_ops {

template void provide_pair_contrastive(OpTable<float>&);
template void provide_pair_contrastive(OpTable<double>&);

}  // namespace anylead::cuda_ops
