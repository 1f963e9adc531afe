// What every call of the CUDA runtime goes through, on the host. Nothing but std and the runtime's C interface: g++ reads it
// too.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string_view>

#include <anylead/core/dims.hpp>
#include <anylead/core/exec.hpp>

namespace anylead::cuda_ops {

/// @throws DeviceError naming what failed, unless status is success. The runtime's record of the error is cleared.
void check(cudaError_t status, std::string_view what);

inline cudaStream_t stream_of(const Exec& exec) { return static_cast<cudaStream_t>(exec.stream); }

/// Makes the device of an Exec the current one of this thread, and the former one again at its end.
class OnDevice {
 public:
  explicit OnDevice(const Exec& exec);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = -1;  // -1: nothing to restore
};

/// Blocks of a launch, and threads of a block.
struct Grid {
  Index x = 1, y = 1, z = 1;
  int threads = 1, rows = 1;  ///< blockDim.x, blockDim.y
  std::size_t shared = 0;     ///< bytes of dynamic shared memory
};

/// How an argument of a kernel reads in a message.
enum class ArgumentKind : char { dims, integer, other };

/// A launch without its types.
struct Launch {
  const char* name;  ///< of the kernel, without the ending
  const void* kernel;
  Grid grid;
  void** arguments;
  const ArgumentKind* kinds;
  const std::size_t* sizes;
  std::size_t count;
};

/// Nothing for a grid without blocks. Reads the error of the launch; with ANYLEAD_SYNC=1 in the environment it also waits for
/// the kernel, so that what fails inside it is reported with its name and sizes.
/// @throws DeviceError for a failed launch, and for an error that a call before it has left behind
void launch(const Exec&, const Launch&);

/// Whether ANYLEAD_SYNC=1 is set: everything that is started is waited for.
bool waits_for_kernels();

/// @throws DeviceError for an error that was there before `what` was started
void report_left(cudaError_t, std::string_view what);

/// Whether a block may have so many bytes of shared memory.
bool has_shared_memory(const Exec&, std::size_t bytes);

/// Device memory for one pass: uninitialised, taken from the pool of the stream and returned to it when the pass has been
/// launched. What the stream runs later may get the same memory. Sizes are rounded up to powers of two, at least 64 KiB: passes
/// whose sizes change from step to step, with what is masked, find the same blocks.
class Workspace {
 public:
  Workspace(const Exec&, std::size_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data() const { return data_; }

 private:
  void* block_ = nullptr;
  void* data_ = nullptr;
};

/// Room for n values.
template <class T>
class WorkspaceOf {
 public:
  WorkspaceOf(const Exec& exec, Index n) : memory_(exec, static_cast<std::size_t>(n) * sizeof(T)) {}
  T* data() const { return static_cast<T*>(memory_.data()); }

 private:
  Workspace memory_;
};

/// Host bytes to device memory, in the order of the stream; the host's copy may change at once.
void upload(const Exec&, void* to, const void* from, std::size_t bytes);

/// Small results for the host, which waits for them.
void read_back(const Exec&, void* to, const void* from, std::size_t bytes);

/// Architectures that the kernels were compiled for, as in __CUDA_ARCH_LIST__: 800 for sm_80. Defined once per program.
const char* built_architectures();

/// Whether the kernels can run on the current device.
cudaError_t probe_kernels();

}  // namespace anylead::cuda_ops
