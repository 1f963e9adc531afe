// One kernel for each kind of fault that the checks of a simulator have to find: where they did not, its "no findings" about
// the library's kernels would mean nothing. planted_faults NAME runs one of them; "none" is the same work done right.
//
// The faults are those that tests of values pass over: the right numbers come out of most of them, on most days.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>

namespace {

constexpr int kThreads = 64;

/// y [2, threads] = x [threads] turned round, by two blocks.
__global__ __launch_bounds__(kThreads) void none_kernel(float* y, const float* x) {
  __shared__ float turned[kThreads];
  turned[kThreads - 1 - threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * kThreads + threadIdx.x] = turned[threadIdx.x];
}

/// The last thread reads behind the end of x.
__global__ __launch_bounds__(kThreads) void out_of_bounds_kernel(float* y, const float* x) {
  y[blockIdx.x * kThreads + threadIdx.x] = x[threadIdx.x + 1];
}

/// y begins between two floats.
__global__ __launch_bounds__(kThreads) void misaligned_kernel(float* y, const float* x) {
  char* const between = reinterpret_cast<char*>(y) + 2;
  if (threadIdx.x < kThreads - 1 && blockIdx.x == 0) reinterpret_cast<float*>(between)[threadIdx.x] = x[threadIdx.x];
}

/// y is added to, though nothing has been written there.
__global__ __launch_bounds__(kThreads) void uninitialised_kernel(float* y, const float* x) {
  y[blockIdx.x * kThreads + threadIdx.x] += x[threadIdx.x];
}

/// Half of the shared memory is written, all of it is read.
__global__ __launch_bounds__(kThreads) void uninitialised_shared_kernel(float* y, const float* x) {
  __shared__ float half[kThreads];
  if (threadIdx.x < kThreads / 2) half[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * kThreads + threadIdx.x] = half[threadIdx.x];
}

/// No barrier between the writes of one warp and the reads of the other.
__global__ __launch_bounds__(kThreads) void shared_race_kernel(float* y, const float* x) {
  __shared__ float turned[kThreads];
  turned[kThreads - 1 - threadIdx.x] = x[threadIdx.x];
  y[blockIdx.x * kThreads + threadIdx.x] = turned[threadIdx.x];
}

/// Both blocks write the same row: whose numbers stay is not said.
__global__ __launch_bounds__(kThreads) void global_race_kernel(float* y, const float* x) {
  y[threadIdx.x] = x[threadIdx.x] + static_cast<float>(blockIdx.x);
}

/// A barrier that half of a warp does not reach.
__global__ __launch_bounds__(kThreads) void divergent_barrier_kernel(float* y, const float* x) {
  if (threadIdx.x % 32 < 16) __syncthreads();
  y[blockIdx.x * kThreads + threadIdx.x] = x[threadIdx.x];
}

struct Fault {
  const char* name;
  void (*kernel)(float*, const float*);
};

constexpr Fault kFaults[] = {{"none", none_kernel},
                             {"out_of_bounds", out_of_bounds_kernel},
                             {"misaligned", misaligned_kernel},
                             {"uninitialised", uninitialised_kernel},
                             {"uninitialised_shared", uninitialised_shared_kernel},
                             {"shared_race", shared_race_kernel},
                             {"global_race", global_race_kernel},
                             {"divergent_barrier", divergent_barrier_kernel}};

}  // namespace

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  if (argc < 2) {
    std::puts("skipped: only a simulator checks every access; compute-sanitizer has tests of its own");
    return kSkipped;
  }
  for (const Fault& fault : kFaults) {
    if (std::strcmp(fault.name, argv[1]) != 0) continue;
    float *y = nullptr, *x = nullptr;
    float host[kThreads];
    for (int i = 0; i < kThreads; ++i) host[i] = static_cast<float>(i);
    cudaMalloc(&y, 2 * sizeof host);
    cudaMalloc(&x, sizeof host);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    fault.kernel<<<2, kThreads>>>(y, x);
    const cudaError_t status = cudaDeviceSynchronize();
    std::printf("%s: %s\n", fault.name, cudaGetErrorString(status));
    return 0;  // what a checker found is its own to report
  }
  std::printf("no fault is called %s\n", argv[1]);
  return 1;
}
