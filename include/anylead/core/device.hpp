// A device as a value.
#pragma once

#include <string>

#include <anylead/core/backend.hpp>
#include <anylead/core/error.hpp>

namespace anylead {

/// Where a tensor lives and its ops run. Small; compare and copy freely. Obtained from cpu() or cuda::device(i).
class Device {
 public:
  Device() = default;
  Device(const Backend* backend, int index, void* stream) : backend_(backend), exec_{stream, index} {}

  /// @throws DeviceError for a default-constructed device.
  const Backend& backend() const {
    ANYLEAD_CHECK(backend_, DeviceError, "device", "none was chosen: pass cpu() or cuda::device(0)");
    return *backend_;
  }
  const Exec& exec() const { return exec_; }
  int index() const { return exec_.index; }
  explicit operator bool() const { return backend_ != nullptr; }

  /// Same device; streams may differ.
  friend bool operator==(const Device& a, const Device& b) {
    return a.backend_ == b.backend_ && a.exec_.index == b.exec_.index;
  }

 private:
  const Backend* backend_ = nullptr;
  Exec exec_;
};

/// "cpu:0"
inline void append(std::string& out, const Device& device) {
  out += device ? device.backend().name : "no device";
  if (device) (out += ':') += std::to_string(device.index());
}

}  // namespace anylead
