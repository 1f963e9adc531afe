#include <string>

#include <anylead/cuda.hpp>
#include <anylead/cuda/context.hpp>
#include <anylead/cuda/launchers.hpp>

namespace anylead {

namespace cuda_ops {

namespace {

void* allocate(const Exec& exec, std::size_t bytes) {
  const OnDevice guard(exec);
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    throw DeviceError(
        str("cuda:", exec.index, ": out of memory: asked for ", bytes, " bytes, free ", available, " of ", total));
  }
  check(status, str("allocation of ", bytes, " bytes"));
  return data;
}

/// Waits for the device, which may still work on the block. Called by destructors: an error shows in the next call.
void release(const Exec&, void* data, std::size_t) { cudaFree(data); }

void copy_from_host(const Exec& exec, void* to, const void* from, std::size_t bytes) { upload(exec, to, from, bytes); }

void copy_to_host(const Exec& exec, void* to, const void* from, std::size_t bytes) { read_back(exec, to, from, bytes); }

void copy(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const OnDevice guard(exec);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(exec)), "copy");
}

void synchronize(const Exec& exec) {
  const OnDevice guard(exec);
  check(cudaStreamSynchronize(stream_of(exec)), "waiting for the device");
}

MemoryPool& pool(const Exec& exec) { return context(exec).pool; }

/// An empty entry is an op that the device lacks.
template <Real T>
OpTable<T> op_table() {
  OpTable<T> table = {};
  provide_elementwise(table);
  provide_masking(table);
  provide_similarity(table);
  provide_layer_norm(table);
  provide_group_norm(table);
  provide_weight_norm(table);
  provide_linear(table);
  provide_conv1d(table);
  provide_conv1d_block(table);
  provide_conv_positional(table);
  provide_pooling(table);
  provide_optimizer_step(table);
  provide_attention(table);
  provide_gumbel_quantize(table);
  provide_sampled_contrastive(table);
  provide_pair_contrastive(table);
  if constexpr (std::same_as<T, float>) provide_rounded_products(table);
  return table;
}

const Backend& backend() {
  static const Backend backend = {
      .name = "cuda",
      .allocate = allocate,
      .release = release,
      .copy_from_host = copy_from_host,
      .copy_to_host = copy_to_host,
      .copy = copy,
      .synchronize = synchronize,
      .pool = pool,
      .ops_float = op_table<float>(),
      .ops_double = op_table<double>(),
  };
  return backend;
}

}  // namespace

Device device_of(const Exec& exec) { return Device(&backend(), exec.index, exec.stream); }

}  // namespace cuda_ops

namespace cuda {

namespace {

cudaError_t count_devices(int& devices) noexcept {
  devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) {
    cudaGetLastError();
    devices = 0;
  }
  return status;
}

/// @throws DeviceError unless the device is there and can run the kernels
void require(int index) {
  const int devices = count();
  ANYLEAD_CHECK(devices > 0, DeviceError, "cuda", "no device: ", unavailable_reason());
  ANYLEAD_CHECK(0 <= index && index < devices, DeviceError, "cuda", "there is no device ", index, ", only ", devices);
  const cuda_ops::OnDevice guard({nullptr, index});
  cuda_ops::check(cuda_ops::probe_kernels(), str("device ", index));
}

}  // namespace

int count() noexcept {
  int devices = 0;
  count_devices(devices);
  return devices;
}

std::string unavailable_reason() {
  int devices = 0;
  const cudaError_t status = count_devices(devices);
  if (devices > 0) return "";
  if (status == cudaErrorInsufficientDriver)
    return str(cudaGetErrorString(status), " (or no driver is installed; nvidia-smi tells which)");
  return status == cudaSuccess ? "none is visible" : cudaGetErrorString(status);
}

Device device(int index) {
  static std::mutex mutex;
  static auto& streams = *new std::map<int, cudaStream_t>;
  require(index);
  const std::lock_guard lock(mutex);
  cudaStream_t& stream = streams[index];
  if (!stream) {
    const cuda_ops::OnDevice guard({nullptr, index});
    cuda_ops::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  }
  return cuda_ops::device_of({stream, index});
}

Device device(int index, void* stream) {
  require(index);
  return cuda_ops::device_of({stream, index});
}

}  // namespace cuda

}  // namespace anylead
