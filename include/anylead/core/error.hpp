// Exceptions of the library. Every message says where, what was expected and what was found.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <anylead/core/text.hpp>

namespace anylead {

/// Base of all exceptions thrown by the library.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Arguments of an op or a layer do not fit together. @see ANYLEAD_CHECK
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An option has a value outside its range.
class OptionError : public Error {
 public:
  using Error::Error;
};

/// A device is missing, mismatched or out of memory.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The device has no implementation of the op. The library never falls back silently to another device.
class NotImplemented : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

/// A file could not be opened, read or written: the operating system refused.
class IoError : public Error {
 public:
  using Error::Error;
};

/// The content of a file is not what its format demands.
/// The message reads "FILE:PLACE: expected X, found Y"; a place is "line 3" or "byte 120".
class FormatError : public Error {
 public:
  using Error::Error;
  FormatError(std::string_view file, std::string_view place, std::string_view problem)
      : Error(place.empty() ? str(file, ": ", problem) : str(file, ": ", place, ": ", problem)) {}
};

namespace detail {

template <class E, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const char* file, int line, std::string_view where, const Parts&... parts) {
  std::string_view path = file;
  if (const auto slash = path.rfind('/'); slash != path.npos) path.remove_prefix(slash + 1);
  throw E(str(where, ": ", parts..., " [", path, ":", line, "]"));
}

}  // namespace detail

/// Throws E with "where: parts... [file:line]" unless the condition holds. Stays on in release builds.
#define ANYLEAD_CHECK(condition, E, where, ...) \
  (static_cast<bool>(condition) ? void(0) : ::anylead::detail::fail<E>(__FILE__, __LINE__, where, __VA_ARGS__))

}  // namespace anylead
