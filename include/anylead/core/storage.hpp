// Memory of tensors: reference-counted blocks that return to a free list of their size class.
//
// Steps repeat their sizes, so from the second step on nothing is mapped, zeroed or returned to the system.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <anylead/core/device.hpp>

namespace anylead {

/// Bytes of a device that the library holds, and how it came by them.
struct MemoryStatistics {
  std::size_t used = 0;         ///< in live blocks
  std::size_t peak = 0;         ///< largest `used` since the last reset_peak()
  std::size_t reserved = 0;     ///< live and free blocks
  std::size_t allocations = 0;  ///< blocks ever asked from the system
};

/// Free lists of one device. Sixteen size classes to a power of two; a request takes the smallest free block of less than twice
/// its size before the system is asked.
class MemoryPool {
 public:
  struct Block {
    void* data;
    std::size_t bytes;
    std::atomic<int> owners;
    Device device;
    std::shared_ptr<const void> keeper;  ///< of memory that is not the pool's; it ends with the block
  };

  /// A block of at least `bytes`. @throws DeviceError with the numbers when the device is out of memory.
  Block* take(const Device& device, std::size_t bytes, bool exact = false) {
    const std::size_t first = size_class(bytes);
    const std::lock_guard lock(mutex_);
    if (free_.size() < first + kSteps + 1) free_.resize(first + kSteps + 1);
    Block* block = nullptr;
    for (std::size_t c = first; c < first + (exact ? 1 : kSteps) && !block; ++c)
      if (!free_[c].empty()) {
        block = free_[c].back();
        free_[c].pop_back();
      }
    if (!block) {
      const std::size_t size = class_bytes(first);
      block = new Block{nullptr, size, 1, device, nullptr};
      try {
        block->data = from_system(device, size);
      } catch (...) {
        delete block;
        throw;
      }
      statistics_.reserved += size;
      ++statistics_.allocations;
    }
    block->owners.store(1, std::memory_order_relaxed);
    block->device = device;
    statistics_.used += block->bytes;
    statistics_.peak = statistics_.used > statistics_.peak ? statistics_.used : statistics_.peak;
    return block;
  }

  void give_back(Block* block) noexcept {
    const std::lock_guard lock(mutex_);
    statistics_.used -= block->bytes;
    free_[size_class(block->bytes)].push_back(block);  // its list exists since take(); growth of the list itself is rare
  }

  /// Returns all free blocks to the system.
  void trim() {
    const std::lock_guard lock(mutex_);
    release_free();
  }

  MemoryStatistics statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    statistics_.peak = statistics_.used;
  }

 private:
  static constexpr std::size_t kSteps = 16, kSmallest = 1024;

  static std::size_t class_bytes(std::size_t c) { return (kSteps + c % kSteps) << (c / kSteps) << 6; }  // 1024, 1088, 1152, ...

  /// The smallest class of at least `bytes`.
  static std::size_t size_class(std::size_t bytes) {
    if (bytes <= kSmallest) return 0;
    const auto octave = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 11;  // 1025 .. 2048 -> 0
    std::size_t c = octave * kSteps;
    while (class_bytes(c) < bytes) ++c;
    return c;
  }

  /// When the system has none left, free blocks of other sizes go back to it first. The lock is held.
  void* from_system(const Device& device, std::size_t bytes) {
    const Backend& backend = device.backend();
    try {
      return backend.allocate(device.exec(), bytes);
    } catch (const DeviceError&) {
      release_free();
    }
    try {
      return backend.allocate(device.exec(), bytes);
    } catch (const DeviceError& e) {
      throw DeviceError(str(e.what(), "; tensors hold ", statistics_.used, " bytes"));
    }
  }

  void release_free() {
    for (auto& list : free_) {
      for (Block* block : list) {
        statistics_.reserved -= block->bytes;
        block->device.backend().release(block->device.exec(), block->data, block->bytes);
        delete block;
      }
      list.clear();
    }
  }

  mutable std::mutex mutex_;
  std::vector<std::vector<Block*>> free_;
  MemoryStatistics statistics_;
};

inline MemoryPool& memory_pool(const Device& device) { return device.backend().pool(device.exec()); }

/// While it lives, tensors made by this thread reserve `times` their size. For shapes that change from step to step: whoever
/// knows the bound reserves for it, and no later step has to ask for more.
class Headroom {
 public:
  explicit Headroom(double times) : outer_(factor()) { factor() = times; }
  ~Headroom() { factor() = outer_; }
  Headroom(const Headroom&) = delete;
  Headroom& operator=(const Headroom&) = delete;

  static double& factor() {
    thread_local double value = 1;
    return value;
  }

 private:
  double outer_;
};

/// Shared ownership of a block.
class Storage {
 public:
  Storage() = default;
  /// exact: no block of a larger size class, for memory that stays: what it does not use is lost for as long.
  Storage(const Device& device, std::size_t bytes, bool exact = false)
      : block_(memory_pool(device).take(device, bytes, exact)) {}

  /// Memory that somebody else made, on the device and writable: a part of a mapped file. It lives as long as `keeper`.
  static Storage over(const Device& device, void* data, std::size_t bytes, std::shared_ptr<const void> keeper) {
    Storage storage;
    storage.block_ = new MemoryPool::Block{data, bytes, 1, device, std::move(keeper)};
    return storage;
  }

  Storage(const Storage& other) noexcept : block_(other.block_) {
    if (block_) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Storage() {
    if (!block_ || block_->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (block_->keeper)
      delete block_;
    else
      memory_pool(block_->device).give_back(block_);
  }

  void* data() const { return block_ ? block_->data : nullptr; }
  std::size_t bytes() const { return block_ ? block_->bytes : 0; }
  Device device() const { return block_ ? block_->device : Device(); }
  bool unique() const { return block_ && block_->owners.load(std::memory_order_acquire) == 1; }

 private:
  MemoryPool::Block* block_ = nullptr;
};

}  // namespace anylead
