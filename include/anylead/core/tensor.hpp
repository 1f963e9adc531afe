// A contiguous array on a device.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <anylead/core/shape.hpp>
#include <anylead/core/storage.hpp>

namespace anylead {

/// Shape, shared storage and offset; always contiguous and row-major. Copies share the memory (clone() does not).
/// T: a number type, Flag or Index32.
template <class T>
class Tensor {
 public:
  /// No tensor: no device, no elements.
  Tensor() = default;

  /// Uninitialised memory. @throws DeviceError when there is none left.
  Tensor(const Shape& shape, const Device& device)
      : Tensor(shape, device, static_cast<std::size_t>(static_cast<double>(shape.count()) * Headroom::factor()) * sizeof(T)) {}

  /// The same for a tensor that outlives steps: a parameter's gradient, an optimiser's state.
  static Tensor lasting(const Shape& shape, const Device& device) {
    const std::size_t bytes = static_cast<std::size_t>(shape.count()) * sizeof(T);
    return Tensor(shape, Storage(device, bytes, true), bytes);
  }

  /// Uninitialised memory of the shape and reserve of another tensor.
  static Tensor like(const Tensor& other) { return Tensor(other.shape_, other.device(), other.reserve_); }

  /// @throws ShapeError if the number of values is not the shape's.
  static Tensor from_host(std::span<const T> values, const Shape& shape, const Device& device) {
    ANYLEAD_CHECK(static_cast<Index>(values.size()) == shape.count(), ShapeError, "tensor", "shape ", shape, " holds ",
                  shape.count(), " values, found ", values.size());
    Tensor t(shape, device);
    device.backend().copy_from_host(device.exec(), t.data(), values.data(), values.size_bytes());
    return t;
  }
  static Tensor from_host(const std::vector<T>& values, const Shape& shape, const Device& device) {
    return from_host(std::span<const T>(values), shape, device);
  }

  /// A tensor over memory that somebody else made. @see Storage::over
  static Tensor over(T* data, const Shape& shape, const Device& device, std::shared_ptr<const void> keeper) {
    const std::size_t bytes = static_cast<std::size_t>(shape.count()) * sizeof(T);
    return Tensor(shape, Storage::over(device, data, bytes, std::move(keeper)), bytes);
  }

  const Shape& shape() const { return shape_; }
  Index count() const { return shape_.count(); }
  Device device() const { return storage_.device(); }
  T* data() const { return defined_ ? static_cast<T*>(storage_.data()) + offset_ : nullptr; }
  bool defined() const { return defined_; }
  const Storage& storage() const { return storage_; }

  /// A copy of its own. Waits for nothing: it is ordered with the ops of the device.
  Tensor clone() const {
    if (!defined_) return {};
    Tensor t = like(*this);
    device().backend().copy(device().exec(), t.data(), data(), bytes());
    return t;
  }

  /// The values, in row-major order. Waits for the device.
  std::vector<T> to_host() const {
    std::vector<T> values(static_cast<std::size_t>(count()));
    if (!values.empty()) device().backend().copy_to_host(device().exec(), values.data(), data(), bytes());
    return values;
  }

  /// Replaces the values. @throws ShapeError on another number of values.
  void assign(std::span<const T> values) const {
    ANYLEAD_CHECK(static_cast<Index>(values.size()) == count(), ShapeError, "tensor", "shape ", shape_, " takes ", count(),
                  " values, found ", values.size());
    device().backend().copy_from_host(device().exec(), data(), values.data(), bytes());
  }

  /// A copy on another device.
  Tensor to(const Device& other) const {
    if (!defined_ || other == device()) return *this;
    return from_host(to_host(), shape_, other);
  }

  /// The same memory under another shape. @throws ShapeError if the number of elements differs.
  Tensor reshaped(const Shape& shape) const {
    ANYLEAD_CHECK(shape.count() == count(), ShapeError, "reshape", shape_, " has ", count(), " elements, ", shape, " has ",
                  shape.count());
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }

  /// Elements [begin, end) of the first axis, sharing the memory.
  Tensor slice(Index begin, Index end) const {
    ANYLEAD_CHECK(shape_.rank() > 0 && 0 <= begin && begin <= end && end <= shape_[0], ShapeError, "slice", "[", begin, ", ",
                  end, ") of ", shape_);
    Tensor t = *this;
    t.offset_ += begin * (shape_[0] == 0 ? 0 : count() / shape_[0]);
    t.shape_[0] = end - begin;
    return t;
  }

 private:
  Tensor(const Shape& shape, const Device& device, std::size_t bytes) : Tensor(shape, Storage(device, bytes), bytes) {}
  Tensor(const Shape& shape, Storage storage, std::size_t bytes)
      : shape_(shape), storage_(std::move(storage)), reserve_(bytes), defined_(true) {}

  std::size_t bytes() const { return static_cast<std::size_t>(count()) * sizeof(T); }

  Shape shape_ = {0};
  Storage storage_;
  std::size_t reserve_ = 0;  // bytes asked for; the block may be larger
  Index offset_ = 0;
  bool defined_ = false;
};

/// The value of a tensor with one element. Waits for the device.
template <class T>
T item(const Tensor<T>& t) {
  ANYLEAD_CHECK(t.count() == 1, ShapeError, "item", "expected one element, found ", t.shape());
  return t.to_host()[0];
}

}  // namespace anylead
