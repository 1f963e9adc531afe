// Python's pickles as trees of plain values. Nothing is executed: classes and calls stay names.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <anylead/core/config.hpp>

namespace anylead::io::detail {

/// The values of a pickle. They name each other by number, and several may name the same one, or even themselves.
class Pickle {
 public:
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    large_integer,  ///< beyond 64 bits; its value is dropped
    real,
    text,
    tuple,
    list,
    dict,        ///< also collections.OrderedDict; items are key, value, key, value, ...
    global,      ///< "module\nname"
    call,        ///< items are the callable and its arguments; what was set on its result is dropped
    persistent,  ///< an object kept outside; the item is its key
  };
  struct Value {
    Kind kind;
    std::int64_t integer = 0;  ///< of boolean and integer; the bits of real
    std::string_view text;     ///< of text and global; points into the pickle
    std::vector<std::uint32_t> items;

    double real() const { return std::bit_cast<double>(integer); }
  };

  /// Reads a pickle of protocol 2, which torch.save writes. Memory stays below 128 times its size.
  /// @param text    must outlive the values
  /// @param file    names it in messages
  /// @throws FormatError with the byte
  /// Source: the documentation strings of Python's module pickletools.
  ANYLEAD_INLINE Pickle(std::string_view text, const std::string& file);

  const Value& root() const { return values_[root_]; }
  const Value& operator[](std::uint32_t number) const { return values_[number]; }

  /// The i-th item of a value.
  const Value& item(const Value& of, std::size_t i) const { return values_[of.items[i]]; }

  /// The last value under a text key of a dict, nullptr if there is none.
  ANYLEAD_INLINE const Value* find(const Value& dict, std::string_view key) const;

  /// What a value is, for messages: "a list", "global posix.system".
  ANYLEAD_INLINE std::string describe(const Value& value) const;

 private:
  class Reader;

  std::vector<Value> values_;
  std::uint32_t root_ = 0;
};

}  // namespace anylead::io::detail

#ifndef ANYLEAD_COMPILED
#include <anylead/io/pickle.ipp>
#endif
