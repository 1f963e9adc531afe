// cuBLASLt sees columns where we have rows: C^T [n, m] = op(B)^T op(A)^T, so that its first operand is our B.
#include <cstdint>

#include <anylead/cuda/context.hpp>
#include <anylead/cuda/launchers.hpp>
#include <anylead/cuda/trace.hpp>

namespace anylead::cuda_ops {

namespace {

void check(cublasStatus_t status, std::string_view what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw DeviceError(str("cuda: ", what, ": ", cublasLtGetStatusString(status)));
}

constexpr std::size_t kBlasWorkspace = std::size_t{32} << 20;  // what NVIDIA recommends for sm_90
constexpr std::size_t kPlans = 4096;  // shapes; a count of masked frames may give a new one in every step

/// The largest power of two up to 256 that divides all of the addresses (and the distances of matrices, by their low bits).
std::size_t alignment(const void* p, std::size_t stride_bytes) {
  const auto bits = reinterpret_cast<std::uintptr_t>(p) | stride_bytes | 256;
  return bits & (~bits + 1);
}

template <class V>
void set(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t attribute, const V& value) {
  check(cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
}

/// A matrix of our rows and columns, which are columns and rows of cuBLASLt.
GemmPlan::Owned<cublasLtMatrixLayout_t> layout(const GemmKey& key, Index rows, Index cols, Index leading, Index stride) {
  const auto type = key.is_double ? CUDA_R_64F : CUDA_R_32F;
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows), leading),
        "cublasLtMatrixLayoutCreate");
  GemmPlan::Owned<cublasLtMatrixLayout_t> owned(made);
  const auto batch = static_cast<std::int32_t>(key.batch);
  check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch), "batch");
  check(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride), "batch");
  return owned;
}

/// "product [7, 33] x [33, 5]"
template <class Shape>
std::string describe(const Shape& g) {
  return str("product [", g.m, ", ", g.k, "] x [", g.k, ", ", g.n, "]", g.batch == 1 ? "" : str(" of ", g.batch, " matrices"));
}

cublasComputeType_t compute_type(const GemmKey& key) {
  if (key.is_double) return CUBLAS_COMPUTE_64F;
  return key.precision == Precision::bf16 ? CUBLAS_COMPUTE_32F_FAST_16BF : CUBLAS_COMPUTE_32F;
}

/// The plan of a shape. cuBLASLt adds the bias itself where it has an algorithm that does; it is asked with an address at hand.
GemmPlan make_plan(cublasLtHandle_t blas, const GemmKey& key, const void* address_of_bias) {
  GemmPlan plan;
  cublasLtMatmulDesc_t product = nullptr;
  check(cublasLtMatmulDescCreate(&product, compute_type(key), key.is_double ? CUDA_R_64F : CUDA_R_32F),
        "cublasLtMatmulDescCreate");
  plan.product.reset(product);
  set(product, CUBLASLT_MATMUL_DESC_TRANSA, key.op_b == MatrixOp::none ? CUBLAS_OP_N : CUBLAS_OP_T);
  set(product, CUBLASLT_MATMUL_DESC_TRANSB, key.op_a == MatrixOp::none ? CUBLAS_OP_N : CUBLAS_OP_T);
  const bool turn_a = key.op_a == MatrixOp::transpose, turn_b = key.op_b == MatrixOp::transpose;
  plan.a = layout(key, turn_a ? key.k : key.m, turn_a ? key.m : key.k, key.lda, key.stride_a);
  plan.b = layout(key, turn_b ? key.n : key.k, turn_b ? key.k : key.n, key.ldb, key.stride_b);
  plan.c = layout(key, key.m, key.n, key.ldc, key.stride_c);

  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const GemmPlan::Owned<cublasLtMatmulPreference_t> owned(preference);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), "preference");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kBlasWorkspace);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(key.align_b));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(key.align_a));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(key.align_c));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(key.align_c));

  for (const bool bias : {true, false}) {
    if (bias && !key.bias) continue;
    if (bias) set(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, address_of_bias);
    set(product, CUBLASLT_MATMUL_DESC_EPILOGUE, bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(blas, product, plan.b.get(), plan.a.get(), plan.c.get(),
                                                                 plan.c.get(), preference, 1, &found, &count);
    if (status != CUBLAS_STATUS_SUCCESS || count == 0) continue;
    plan.algorithm = found.algo;
    plan.takes_bias = bias;
    return plan;
  }
  throw DeviceError(str("cuda: cuBLASLt has no algorithm for a ", describe(key)));
}

}  // namespace

template <Real T>
void gemm(const Exec& exec, const Gemm<T>& g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.k == 0) {  // the empty sum, which cuBLASLt does not know
    if (!g.accumulate || g.bias) add_rows(exec, g);
    return;
  }
  const OnDevice guard(exec);
  if (const cudaError_t left = cudaPeekAtLastError()) report_left(left, describe(g));
  const TraceRange range("product");
  Context& own = context(exec);
  const std::lock_guard lock(own.gemm_mutex);
  if (!own.blas_workspace) own.blas_workspace = device_of(exec).backend().allocate(exec, kBlasWorkspace);
  if (!own.blas) check(cublasLtCreate(&own.blas), "cublasLtCreate");
  const auto bytes = [](Index elements) { return static_cast<std::size_t>(elements) * sizeof(T); };
  std::size_t align_c = alignment(g.c, g.batch > 1 ? bytes(g.stride_c) : 0);
  if (g.bias && alignment(g.bias, 0) < align_c) align_c = alignment(g.bias, 0);  // asked for together: there is one preference
  const GemmKey key = {std::same_as<T, double>,
                       g.precision,
                       g.op_a,
                       g.op_b,
                       g.bias != nullptr,
                       g.m,
                       g.n,
                       g.k,
                       g.lda,
                       g.ldb,
                       g.ldc,
                       g.batch,
                       g.stride_a,
                       g.stride_b,
                       g.stride_c,
                       alignment(g.a, g.batch > 1 ? bytes(g.stride_a) : 0),
                       alignment(g.b, g.batch > 1 ? bytes(g.stride_b) : 0),
                       align_c};
  auto place = own.plans.find(key);
  if (place == own.plans.end() && own.plans.size() >= kPlans) own.plans.clear();
  if (place == own.plans.end()) place = own.plans.emplace(key, make_plan(own.blas, key, g.bias)).first;
  const GemmPlan& plan = place->second;
  const T one = 1, zero = 0;
  bool accumulate = g.accumulate;
  if (plan.takes_bias) {
    set(plan.product.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, g.bias);
  } else if (g.bias) {
    add_rows(exec, g);
    accumulate = true;
  }
  const cublasStatus_t status = cublasLtMatmul(own.blas, plan.product.get(), &g.alpha, g.b, plan.b.get(), g.a, plan.a.get(),
                                               accumulate ? &one : &zero, g.c, plan.c.get(), g.c, plan.c.get(), &plan.algorithm,
                                               own.blas_workspace, kBlasWorkspace, stream_of(exec));
  if (status != CUBLAS_STATUS_SUCCESS) check(status, describe(g));
  if (waits_for_kernels())
    if (const cudaError_t failed = cudaStreamSynchronize(stream_of(exec))) check(failed, describe(g));
}

template void gemm<float>(const Exec&, const Gemm<float>&);
template void gemm<double>(const Exec&, const Gemm<double>&);

}  // namespace anylead::cuda_ops
