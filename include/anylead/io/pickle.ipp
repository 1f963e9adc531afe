#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/pickle.hpp>

namespace anylead::io::detail {

/// The stack machine that a pickle is a program of.
class Pickle::Reader {
 public:
  Reader(std::string_view text, const std::string& file, std::vector<Value>& values)
      : text_(text), file_(file), values_(values) {}

  std::uint32_t run() {
    if (text_.size() < 2 || text_[0] != '\x80' || text_[1] != '\x02') fail("expected a pickle of protocol 2");
    at_ = 2;
    for (const Kind kind : {Kind::none, Kind::boolean, Kind::boolean, Kind::tuple}) add({kind, 0, {}, {}});
    values_[kTrue].integer = 1;
    for (;;) {
      start_ = at_;
      const char op = take(1)[0];
      if (op == '.') break;
      step(op);
    }
    const std::uint32_t root = pop();
    if (!stack_.empty() || !marks_.empty()) fail("values are left when the pickle ends");
    return root;
  }

 private:
  static constexpr std::uint32_t kNone = 0, kFalse = 1, kTrue = 2, kEmptyTuple = 3;  // made once

  [[noreturn]] void fail(const std::string& problem) const { throw FormatError(file_, str("byte ", start_), problem); }

  std::string_view take(std::uint64_t bytes) {
    if (bytes > text_.size() - at_) fail("the pickle ends early");
    at_ += bytes;
    return text_.substr(at_ - bytes, bytes);
  }
  template <class N>
  N number() {
    N value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line() {
    const auto end = text_.find('\n', at_);
    if (end == text_.npos) fail("the pickle ends early");
    return take(end - at_ + 1);
  }

  std::uint32_t add(Value value) {
    values_.push_back(std::move(value));
    return static_cast<std::uint32_t>(values_.size() - 1);
  }
  void push(std::uint32_t number) { stack_.push_back(number); }
  void push(Value value) { push(add(std::move(value))); }
  std::uint32_t pop() {
    if (stack_.size() <= floor()) fail("a value is missing on the stack");
    const std::uint32_t number = stack_.back();
    stack_.pop_back();
    return number;
  }
  Value& top() {
    if (stack_.size() <= floor()) fail("a value is missing on the stack");
    return values_[stack_.back()];
  }
  /// Values below the last mark are out of reach.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) fail("a mark is missing on the stack");
    std::vector<std::uint32_t> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<std::uint32_t> pop_some(std::size_t count) {
    std::vector<std::uint32_t> items(count);
    while (count > 0) items[--count] = pop();
    return items;
  }

  /// Picklers number the memo in sequence, which bounds it by what was read.
  void put(std::uint32_t key) {
    top();  // there must be one
    if (key > memo_.size()) fail(str("memo ", key, " follows ", memo_.size()));
    if (key == memo_.size()) memo_.push_back(kNone);
    memo_[key] = stack_.back();
  }
  void get(std::uint32_t key) {
    if (key >= memo_.size()) fail(str("memo ", key, " was never set"));
    push(memo_[key]);
  }

  void push_long(std::uint64_t bytes) {
    const std::string_view digits = take(bytes);
    if (digits.size() > sizeof(std::int64_t)) return push({Kind::large_integer, 0, {}, {}});
    std::int64_t value = !digits.empty() && digits.back() < 0 ? -1 : 0;
    std::memcpy(&value, digits.data(), digits.size());
    push({Kind::integer, value, {}, {}});
  }

  void extend(Kind kind, const std::vector<std::uint32_t>& items) {
    Value& target = top();
    if (target.kind == kind) {
      if (kind == Kind::dict && items.size() % 2 != 0) fail("a key has no value");
      target.items.insert(target.items.end(), items.begin(), items.end());
    } else if (target.kind != Kind::call) {
      fail(kind == Kind::dict ? "items are set on what is no dict" : "items are appended to what is no list");
    }
  }

  void call() {
    const auto items = pop_some(2);
    if (values_[items[0]].text == "collections\nOrderedDict" && values_[items[0]].kind == Kind::global &&
        values_[items[1]].kind == Kind::tuple && values_[items[1]].items.empty())
      push({Kind::dict, 0, {}, {}});
    else
      push({Kind::call, 0, {}, items});
  }

  void step(char op) {
    switch (op) {
      case '(':
        return marks_.push_back(stack_.size());  // MARK
      case '0':                                  // POP, of a mark too
        if (!marks_.empty() && marks_.back() == stack_.size()) return marks_.pop_back();
        pop();
        return;
      case '1':
        pop_to_mark();
        return;  // POP_MARK
      case '2':
        top();
        return push(std::uint32_t{stack_.back()});  // DUP
      case 'N':
        return push(kNone);  // NONE
      case '\x88':
        return push(kTrue);  // NEWTRUE
      case '\x89':
        return push(kFalse);  // NEWFALSE
      case 'J':
        return push({Kind::integer, number<std::int32_t>(), {}, {}});  // BININT
      case 'K':
        return push({Kind::integer, number<std::uint8_t>(), {}, {}});  // BININT1
      case 'M':
        return push({Kind::integer, number<std::uint16_t>(), {}, {}});  // BININT2
      case '\x8a':
        return push_long(number<std::uint8_t>());  // LONG1
      case '\x8b':
        return push_long(number<std::uint32_t>());  // LONG4
      case 'G':                                     // BINFLOAT, big-endian
        return push({Kind::real, static_cast<std::int64_t>(__builtin_bswap64(number<std::uint64_t>())), {}, {}});
      case 'X':
        return push({Kind::text, 0, take(number<std::uint32_t>()), {}});  // BINUNICODE
      case ')':
        return push(kEmptyTuple);  // EMPTY_TUPLE
      case '\x85':
        return push({Kind::tuple, 0, {}, pop_some(1)});  // TUPLE1
      case '\x86':
        return push({Kind::tuple, 0, {}, pop_some(2)});  // TUPLE2
      case '\x87':
        return push({Kind::tuple, 0, {}, pop_some(3)});  // TUPLE3
      case 't':
        return push({Kind::tuple, 0, {}, pop_to_mark()});  // TUPLE
      case ']':
        return push({Kind::list, 0, {}, {}});  // EMPTY_LIST
      case 'a':
        return extend(Kind::list, pop_some(1));  // APPEND
      case 'e':
        return extend(Kind::list, pop_to_mark());  // APPENDS
      case '}':
        return push({Kind::dict, 0, {}, {}});  // EMPTY_DICT
      case 's':
        return extend(Kind::dict, pop_some(2));  // SETITEM
      case 'u':
        return extend(Kind::dict, pop_to_mark());  // SETITEMS
      case 'c': {                                  // GLOBAL
        const auto module = line(), name = line();
        return push({Kind::global, 0, {module.data(), module.size() + name.size() - 1}, {}});
      }
      case 'R':  // REDUCE
      case '\x81':
        return call();  // NEWOBJ
      case 'b':
        pop();
        top();
        return;  // BUILD: attributes of an object, which are not kept
      case 'q':
        return put(number<std::uint8_t>());  // BINPUT
      case 'r':
        return put(number<std::uint32_t>());  // LONG_BINPUT
      case 'h':
        return get(number<std::uint8_t>());  // BINGET
      case 'j':
        return get(number<std::uint32_t>());  // LONG_BINGET
      case 'Q':
        return push({Kind::persistent, 0, {}, pop_some(1)});  // BINPERSID
      default:
        fail(
            str("opcode ", static_cast<int>(static_cast<unsigned char>(op)), " is not one of a pickle that torch.save writes"));
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::vector<Value>& values_;
  std::size_t at_ = 0, start_ = 0;
  std::vector<std::uint32_t> stack_, memo_;
  std::vector<std::size_t> marks_;
};

ANYLEAD_INLINE Pickle::Pickle(std::string_view text, const std::string& file) { root_ = Reader(text, file, values_).run(); }

ANYLEAD_INLINE const Pickle::Value* Pickle::find(const Value& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  for (std::size_t i = dict.items.size(); i > 0; i -= 2)
    if (const Value& k = item(dict, i - 2); k.kind == Kind::text && k.text == key) return &item(dict, i - 1);
  return nullptr;
}

ANYLEAD_INLINE std::string Pickle::describe(const Value& value) const {
  switch (value.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.integer ? "True" : "False";
    case Kind::integer:
      return str("the number ", value.integer);
    case Kind::large_integer:
      return "a large number";
    case Kind::real:
      return str("the number ", value.real());
    case Kind::text:
      return str("the text ", printable(value.text));
    case Kind::tuple:
      return "a tuple";
    case Kind::list:
      return "a list";
    case Kind::dict:
      return "a dict";
    case Kind::persistent:
      return "a storage";
    case Kind::global: {
      std::string dotted(value.text.substr(0, 200));
      std::replace(dotted.begin(), dotted.end(), '\n', '.');
      return "global " + printable(dotted);
    }
    case Kind::call:
      return "the result of " + (item(value, 0).kind == Kind::global ? describe(item(value, 0)) : "a call");
  }
  return {};
}

}  // namespace anylead::io::detail
