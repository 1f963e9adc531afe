// How ops reach their device.
#pragma once

#include <string_view>

#include <anylead/autograd/tape.hpp>

namespace anylead::ops::detail {

/// Calls an entry of the device's table. @throws NotImplemented if the device lacks it: there is no silent fallback.
template <Real T, class... Expected, class... Args>
void run(const Device& device, std::string_view name, void (*OpTable<T>::*entry)(const Exec&, Expected...), Args... args) {
  const auto function = device.backend().template ops<T>().*entry;
  ANYLEAD_CHECK(function, NotImplemented, name, "not implemented on ", device);
  function(device.exec(), args...);
}

/// @throws DeviceError unless all defined inputs are on the device of the first.
template <class First, class... Rest>
void check_devices(std::string_view name, const First& first, const Rest&... rest) {
  ((ANYLEAD_CHECK(!rest.defined() || rest.device() == first.device(), DeviceError, name, "inputs on ", first.device(), " and ",
                  rest.device())),
   ...);
}

/// Pointer of a tensor or variable that may be absent.
template <class X>
auto data_or_null(const X& x) -> decltype(x.data()) {
  return x.defined() ? x.data() : nullptr;
}

}  // namespace anylead::ops::detail
