#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include <anylead/cuda/context.hpp>

namespace anylead::cuda_ops {

Context& context(const Exec& exec) {
  using Key = std::pair<int, void*>;
  const Key key = {exec.index, exec.stream};
  thread_local std::pair<Key, Context*> last = {};
  if (last.second && last.first == key) return *last.second;
  static std::mutex mutex;
  static auto& contexts = *new std::map<Key, std::unique_ptr<Context>>;
  const std::lock_guard lock(mutex);
  auto& own = contexts[key];
  if (!own) own = std::make_unique<Context>();
  last = {key, own.get()};
  return *own;
}

void Staging::upload(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!memory_) {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, 2 * kHalf, cudaHostAllocDefault), "page-locked memory");
    for (cudaEvent_t& event : read_) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
    memory_ = static_cast<char*>(memory);
  }
  while (bytes > 0) {
    if (used_ == kHalf) {
      check(cudaEventRecord(read_[half_], stream_of(exec)), "event");
      half_ = 1 - half_;
      used_ = 0;
      check(cudaEventSynchronize(read_[half_]), "waiting for uploads");
    }
    const std::size_t n = bytes < kHalf - used_ ? bytes : kHalf - used_;
    char* staged = memory_ + static_cast<std::size_t>(half_) * kHalf + used_;
    std::memcpy(staged, from, n);
    check(cudaMemcpyAsync(to, staged, n, cudaMemcpyHostToDevice, stream_of(exec)), "copy to the device");
    used_ += (n + 63) / 64 * 64;
    to = static_cast<char*>(to) + n;
    from = static_cast<const char*>(from) + n;
    bytes -= n;
  }
}

Workspace::Workspace(const Exec& exec, std::size_t bytes) {
  constexpr std::size_t smallest = std::size_t{64} << 10;
  MemoryPool::Block* block = context(exec).pool.take(device_of(exec), std::bit_ceil(bytes < smallest ? smallest : bytes));
  block_ = block;
  data_ = block->data;
}

Workspace::~Workspace() {
  auto* block = static_cast<MemoryPool::Block*>(block_);
  memory_pool(block->device).give_back(block);
}

void upload(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  const OnDevice guard(exec);
  context(exec).staging.upload(exec, to, from, bytes);
}

void read_back(const Exec& exec, void* to, const void* from, std::size_t bytes) {
  const OnDevice guard(exec);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(exec)), "copy to the host");
  check(cudaStreamSynchronize(stream_of(exec)), "waiting for the device");
}

}  // namespace anylead::cuda_ops
