// What the library keeps for each stream of a device, for as long as the program runs.
#pragma once

#include <cublasLt.h>

#include <map>
#include <memory>
#include <mutex>
#include <type_traits>

#include <anylead/core/storage.hpp>
#include <anylead/cuda/gemm.hpp>
#include <anylead/cuda/launch.hpp>

namespace anylead::cuda_ops {

/// Page-locked memory through which uploads go, so that the host neither waits for them nor has to keep its copy. Two halves
/// take turns; the host waits only where the device lags behind by a whole half.
class Staging {
 public:
  void upload(const Exec&, void* to, const void* from, std::size_t bytes);

 private:
  static constexpr std::size_t kHalf = std::size_t{4} << 20;

  char* memory_ = nullptr;
  std::size_t used_ = 0;  // of the current half
  int half_ = 0;
  cudaEvent_t read_[2] = {};  // the half's uploads are done
  std::mutex mutex_;
};

/// The product of a shape as cuBLASLt runs it.
struct GemmPlan {
  struct Free {
    void operator()(cublasLtMatmulDesc_t d) const { cublasLtMatmulDescDestroy(d); }
    void operator()(cublasLtMatrixLayout_t l) const { cublasLtMatrixLayoutDestroy(l); }
    void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
  };
  template <class Handle>
  using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Free>;

  Owned<cublasLtMatmulDesc_t> product;
  Owned<cublasLtMatrixLayout_t> a, b, c;
  cublasLtMatmulAlgo_t algorithm = {};
  bool takes_bias = false;
};

/// What a plan depends on.
struct GemmKey {
  bool is_double;
  Precision precision;
  MatrixOp op_a, op_b;
  bool bias;
  Index m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c;
  std::size_t align_a, align_b, align_c;

  friend auto operator<=>(const GemmKey&, const GemmKey&) = default;
};

struct Context {
  MemoryPool pool;
  Staging staging;

  std::mutex gemm_mutex;
  cublasLtHandle_t blas = nullptr;
  void* blas_workspace = nullptr;  // not of the pool: it stays
  std::map<GemmKey, GemmPlan> plans;
};

/// Made at first use; never destroyed, since tensors with static storage may outlive it otherwise.
Context& context(const Exec&);

/// The device of an Exec: what a Storage needs to be allocated.
Device device_of(const Exec&);

}  // namespace anylead::cuda_ops
