#include <cstdlib>
#include <string>

#include <anylead/core/error.hpp>
#include <anylead/cuda/launch.hpp>
#include <anylead/cuda/trace.hpp>

namespace anylead::cuda_ops {

namespace {

/// "layer_norm_forward [7, 33], 2 x 1 x 1 blocks of 32 x 8"
std::string describe(const Launch& l) {
  std::string text = l.name;
  for (std::size_t i = 0; i < l.count; ++i) {
    const void* p = l.arguments[i];
    if (l.kinds[i] == ArgumentKind::dims) {
      const Index* sizes = static_cast<const Index*>(p);
      for (std::size_t k = 0; k < l.sizes[i] / sizeof(Index); ++k) text += str(k == 0 ? " [" : ", ", sizes[k]);
      text += ']';
    } else if (l.kinds[i] == ArgumentKind::integer && l.sizes[i] == sizeof(Index)) {
      text += str(' ', *static_cast<const Index*>(p));
    } else if (l.kinds[i] == ArgumentKind::integer && l.sizes[i] == sizeof(int)) {
      text += str(' ', *static_cast<const int*>(p));
    }
  }
  const Grid& g = l.grid;
  return str(text, ", ", g.x, " x ", g.y, " x ", g.z, " blocks of ", g.threads, " x ", g.rows, " threads");
}

/// "800,900" -> "sm_80, sm_90"
std::string architectures() {
  std::string text;
  for (const char* p = built_architectures(); *p;) {
    int number = 0;
    for (; *p >= '0' && *p <= '9'; ++p) number = 10 * number + (*p - '0');
    text += str(text.empty() ? "sm_" : ", sm_", number / 10);
    while (*p && (*p < '0' || *p > '9')) ++p;
  }
  return text;
}

}  // namespace

void check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  std::string hint;
  if (status == cudaErrorIllegalAddress || status == cudaErrorLaunchFailure || status == cudaErrorMisalignedAddress)
    hint = "; a kernel failed, and the device is lost to this process (ANYLEAD_SYNC=1 in the environment tells which kernel)";
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    int device = 0, major = 0, minor = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    hint = str("; the kernels are built for ", architectures(), ", the device is sm_", major, minor,
               ": build with CMAKE_CUDA_ARCHITECTURES=", major, minor);
  }
  throw DeviceError(str("cuda: ", what, ": ", cudaGetErrorString(status), hint));
}

OnDevice::OnDevice(const Exec& exec) {
  int current = 0;
  check(cudaGetDevice(&current), "current device");
  if (current == exec.index) return;
  check(cudaSetDevice(exec.index), str("device ", exec.index));
  before_ = current;
}

OnDevice::~OnDevice() {
  if (before_ >= 0) cudaSetDevice(before_);
}

bool has_shared_memory(const Exec& exec, std::size_t bytes) {
  int most = 0;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, exec.index), "shared memory of a block");
  return bytes <= static_cast<std::size_t>(most);
}

bool waits_for_kernels() {
  static const bool wait = [] {
    const char* value = std::getenv("ANYLEAD_SYNC");
    return value && std::string_view(value) == "1";
  }();
  return wait;
}

void launch(const Exec& exec, const Launch& l) {
  const Grid& g = l.grid;
  if (g.x == 0 || g.y == 0 || g.z == 0) return;
  ANYLEAD_CHECK(g.x <= 0x7FFFFFFF && g.y <= 0xFFFF && g.z <= 0xFFFF, DeviceError, "cuda", describe(l), ": too many blocks");
  const OnDevice guard(exec);
  if (const cudaError_t left = cudaPeekAtLastError()) report_left(left, describe(l));
  const TraceRange range(l.name);
  // a launch gets up to 48 KB unasked, together with the kernel's own arrays
  constexpr std::size_t kUnasked = 48 * 1024, kOwn = 16 * 1024;
  if (g.shared > kUnasked - kOwn) {
    const std::size_t bytes = g.shared > kUnasked ? g.shared : kUnasked + 1;
    check(cudaFuncSetAttribute(l.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), describe(l));
  }
  const dim3 blocks(static_cast<unsigned>(g.x), static_cast<unsigned>(g.y), static_cast<unsigned>(g.z));
  const dim3 threads(static_cast<unsigned>(g.threads), static_cast<unsigned>(g.rows));
  if (const cudaError_t status = cudaLaunchKernel(l.kernel, blocks, threads, l.arguments, g.shared, stream_of(exec)))
    check(status, describe(l));
  if (waits_for_kernels())
    if (const cudaError_t status = cudaStreamSynchronize(stream_of(exec))) check(status, describe(l));
}

void report_left(cudaError_t left, std::string_view what) {
  check(left, str("before ", what, ", an earlier call of this process had failed"));
}

}  // namespace anylead::cuda_ops
