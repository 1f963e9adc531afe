#pragma once

#include <utility>

#include <nlohmann/json.hpp>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/pickle.hpp>
#include <anylead/io/torch_pickle.hpp>
#include <anylead/io/zip.hpp>

namespace anylead::io {

namespace detail {

/// Makes arrays and JSON of the values of a torch.save archive.
class TorchReader {
 public:
  TorchReader(const Bytes& bytes, std::string_view file)
      : file_(file),
        archive_(bytes, file),
        folder_(find_folder()),
        pickle_name_(str(file, ":", folder_, "data.pkl")),
        pickle_(pickle_text(), pickle_name_),
        copies_left_(4 * bytes.size() + (1u << 20)) {}

  TorchCheckpoint read() {
    const Value& root = pickle_.root();
    if (root.kind != Kind::dict) refuse("the file", root);
    TorchCheckpoint checkpoint;
    const Value* model = pickle_.find(root, "model");
    if (model && !is_tensor(*model)) {
      read_model(*model, checkpoint.model);
      if (const Value* cfg = pickle_.find(root, "cfg"); cfg && cfg->kind == Kind::dict) {
        text_left_ = 64 * pickle_text().size() + (1u << 16);
        checkpoint.cfg_json = json_of(*cfg, kDeepest).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      }
      if (const Value* history = pickle_.find(root, "optimizer_history");
          history && history->kind == Kind::list && !history->items.empty())
        if (const Value* updates = pickle_.find(pickle_[history->items.back()], "num_updates");
            updates && updates->kind == Kind::integer)
          checkpoint.num_updates = updates->integer;
    } else {
      read_model(root, checkpoint.model);
    }
    return checkpoint;
  }

 private:
  using Value = Pickle::Value;
  using Kind = Pickle::Kind;
  static constexpr int kDeepest = 64;
  static constexpr std::size_t kPickleLimit = std::size_t{1} << 24, kMostDimensions = 16;

  [[noreturn]] void fail(const std::string& what, const std::string& problem) const {
    throw FormatError(pickle_name_, what, problem);
  }
  [[noreturn]] void refuse(const std::string& what, const Value& value) const {
    if (value.kind == Kind::global || value.kind == Kind::call)
      fail(what, str("refused ", pickle_.describe(value), "; expected tensors by name"));
    fail(what, str("expected tensors by name, found ", pickle_.describe(value)));
  }

  std::string find_folder() const {
    constexpr std::string_view kName = "/data.pkl";
    const std::string* found = nullptr;
    for (const auto& member : archive_.members())
      if (member.name.ends_with(kName) && member.name.find('/') == member.name.size() - kName.size()) {
        if (found) throw FormatError(file_, "directory", "several members are called data.pkl");
        found = &member.name;
      }
    if (!found) throw FormatError(file_, "directory", "no member is called data.pkl: not a file of torch.save");
    return found->substr(0, found->size() - kName.size() + 1);
  }

  std::string_view pickle_text() const {
    const Bytes& bytes = archive_.find(folder_ + "data.pkl")->bytes;
    if (bytes.size() > kPickleLimit)
      throw FormatError(file_, "data.pkl", str("expected at most ", kPickleLimit, " bytes, found ", bytes.size()));
    if (const auto* order = archive_.find(folder_ + "byteorder"))
      if (text_of(order->bytes) != "little")
        throw FormatError(file_, "byteorder", str("expected 'little', found ", printable(text_of(order->bytes))));
    return text_of(bytes);
  }
  static std::string_view text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

  /// The arguments of a call of the global, nullptr if the value is something else.
  const Value* arguments(const Value& value, std::string_view global, std::size_t at_least) const {
    if (value.kind != Kind::call) return nullptr;
    const Value &callable = pickle_.item(value, 0), &tuple = pickle_.item(value, 1);
    const bool fits = callable.kind == Kind::global && callable.text == global && tuple.kind == Kind::tuple;
    return fits && tuple.items.size() >= at_least ? &tuple : nullptr;
  }
  const Value* tensor_arguments(const Value& value) const {
    const Value* inner = &value;
    if (const Value* parameter = arguments(value, "torch._utils\n_rebuild_parameter", 1)) inner = &pickle_.item(*parameter, 0);
    return arguments(*inner, "torch._utils\n_rebuild_tensor_v2", 4);
  }
  bool is_tensor(const Value& value) const { return tensor_arguments(value) != nullptr; }

  void read_model(const Value& model, Arrays& arrays) {
    if (model.kind != Kind::dict) refuse("'model'", model);
    for (std::size_t i = 0; i < model.items.size(); i += 2) {
      const Value &key = pickle_.item(model, i), &value = pickle_.item(model, i + 1);
      if (key.kind != Kind::text) fail("model", str("expected a name, found ", pickle_.describe(key)));
      const std::string name(key.text), shown = printable(name);
      const Value* tensor = tensor_arguments(value);
      if (!tensor) refuse(shown, value);
      if (arrays.contains(name)) fail(shown, "is there twice");
      arrays.add(name, array_of(shown, *tensor));
    }
  }

  /// A storage, from its key ("storage", class, member of the archive, device, number of elements).
  std::pair<DType, Bytes> storage_of(const std::string& name, const Value& value) const {
    constexpr std::pair<std::string_view, DType> kClasses[] = {
        {"torch\nFloatStorage", DType::f32},   {"torch\nHalfStorage", DType::f16}, {"torch\nBFloat16Storage", DType::bf16},
        {"torch\nDoubleStorage", DType::f64},  {"torch\nLongStorage", DType::i64}, {"torch\nIntStorage", DType::i32},
        {"torch\nShortStorage", DType::i16},   {"torch\nCharStorage", DType::i8},  {"torch\nByteStorage", DType::u8},
        {"torch\nBoolStorage", DType::boolean}};
    if (value.kind != Kind::persistent) fail(name, str("expected a storage, found ", pickle_.describe(value)));
    const Value& key = pickle_.item(value, 0);
    const auto is = [&](std::size_t i, Kind kind) { return pickle_.item(key, i).kind == kind; };
    if (key.kind != Kind::tuple || key.items.size() != 5 || !is(0, Kind::text) || pickle_.item(key, 0).text != "storage" ||
        !is(2, Kind::text) || !is(4, Kind::integer))
      fail(name, "expected the key of a storage ('storage', class, name, device, size)");
    const Value& type = pickle_.item(key, 1);
    for (const auto& [text, dtype] : kClasses)
      if (type.kind == Kind::global && type.text == text) {
        const std::string_view member = pickle_.item(key, 2).text;
        const auto* stored = archive_.find(str(folder_, "data/", member));
        if (!stored) fail(name, str("storage ", printable(member), " is not in the archive"));
        Index bytes = 0;
        const Index size = pickle_.item(key, 4).integer;
        if (size < 0 || __builtin_mul_overflow(size, width(dtype), &bytes) ||
            static_cast<std::size_t>(bytes) > stored->bytes.size())
          fail(name,
               str("expected a storage of ", size, " values of ", io::name(dtype), ", found ", stored->bytes.size(), " bytes"));
        return {dtype, stored->bytes.part(0, static_cast<std::size_t>(bytes))};
      }
    fail(name, str("refused storage of ", pickle_.describe(type)));
  }

  std::vector<Index> sizes_of(const std::string& name, const Value& value) const {
    std::vector<Index> sizes;
    if (value.kind != Kind::tuple || value.items.size() > kMostDimensions)
      fail(name, str("expected a tuple of at most ", kMostDimensions, " sizes"));
    for (const std::uint32_t i : value.items) {
      if (pickle_[i].kind != Kind::integer || pickle_[i].integer < 0)
        fail(name, str("expected a size or stride, found ", pickle_.describe(pickle_[i])));
      sizes.push_back(pickle_[i].integer);
    }
    return sizes;
  }

  /// A tensor from (storage, offset, shape, strides, ...).
  Array array_of(const std::string& name, const Value& tensor) {
    const auto [dtype, storage] = storage_of(name, pickle_.item(tensor, 0));
    const Value& offset_value = pickle_.item(tensor, 1);
    if (offset_value.kind != Kind::integer || offset_value.integer < 0)
      fail(name, str("expected an offset, found ", pickle_.describe(offset_value)));
    const Index offset = offset_value.integer, element = width(dtype);
    std::vector<Index> shape = sizes_of(name, pickle_.item(tensor, 2));
    std::vector<Index> strides = sizes_of(name, pickle_.item(tensor, 3));
    if (shape.size() != strides.size()) fail(name, str(shape.size(), " sizes but ", strides.size(), " strides"));
    const Index count = element_count(shape);
    if (count < 0) fail(name, "the shape has too many values");
    if (count == 0) return {dtype, std::move(shape), Bytes()};

    const Index stored = static_cast<Index>(storage.size()) / element;
    Index last = offset, contiguous = 1;
    bool inside = true, is_contiguous = true;
    for (std::size_t d = shape.size(); d-- > 0;) {
      Index reach = 0;
      inside =
          inside && !__builtin_mul_overflow(shape[d] - 1, strides[d], &reach) && !__builtin_add_overflow(last, reach, &last);
      if (shape[d] == 1) strides[d] = 0;  // never stepped
      is_contiguous = is_contiguous && (shape[d] == 1 || strides[d] == contiguous);
      contiguous *= shape[d];  // at most count
    }
    if (!inside || last >= stored) fail(name, str("offset ", offset, " and strides leave the storage of ", stored, " values"));
    if (is_contiguous)
      return {dtype, std::move(shape),
              storage.part(static_cast<std::size_t>(offset * element), static_cast<std::size_t>(count * element))};

    // Strides of 0 repeat values, so that the copy may be larger than the file.
    if (static_cast<std::size_t>(count) > copies_left_ / static_cast<std::size_t>(element))
      fail(name, str("its ", count, " values are far more than the file holds"));
    copies_left_ -= static_cast<std::size_t>(count * element);
    std::vector<std::byte> copy(static_cast<std::size_t>(count * element));
    std::vector<Index> position(shape.size());
    Index from = offset;
    for (Index i = 0; i < count; ++i) {
      std::memcpy(copy.data() + i * element, storage.data() + from * element, static_cast<std::size_t>(element));
      for (std::size_t d = shape.size(); d-- > 0;) {
        from += strides[d];
        if (++position[d] < shape[d]) break;
        from -= shape[d] * strides[d];
        position[d] = 0;
      }
    }
    return {dtype, std::move(shape), Bytes(std::move(copy))};
  }

  /// Values that name each other many times could make a short pickle a huge text: what is copied is counted.
  void count_text(std::size_t bytes) {
    if (bytes > text_left_) fail("'cfg'", "it repeats its values far more often than it has any");
    text_left_ -= bytes;
  }

  nlohmann::json json_of(const Value& value, int depth) {
    if (depth == 0) fail("'cfg'", str("it nests deeper than ", kDeepest));
    count_text(8 + value.text.size());
    switch (value.kind) {
      case Kind::boolean:
        return value.integer != 0;
      case Kind::integer:
        return value.integer;
      case Kind::real:
        return value.real();
      case Kind::text:
        return std::string(value.text);
      case Kind::tuple:
      case Kind::list: {
        auto list = nlohmann::json::array();
        for (const std::uint32_t i : value.items) list.push_back(json_of(pickle_[i], depth - 1));
        return list;
      }
      case Kind::dict: {
        auto object = nlohmann::json::object();
        for (std::size_t i = 0; i < value.items.size(); i += 2) {
          const Value& key = pickle_.item(value, i);
          if (key.kind != Kind::text && key.kind != Kind::integer)
            fail("'cfg'", str("expected a name, found ", pickle_.describe(key)));
          count_text(8 + key.text.size());
          object[key.kind == Kind::text ? std::string(key.text) : str(key.integer)] =
              json_of(pickle_.item(value, i + 1), depth - 1);
        }
        return object;
      }
      default:
        return nullptr;
    }
  }

  std::string_view file_;
  ZipArchive archive_;
  std::string folder_;       // with its slash
  std::string pickle_name_;  // in messages
  Pickle pickle_;
  std::size_t copies_left_, text_left_ = 0;  // bytes
};

}  // namespace detail

ANYLEAD_INLINE TorchCheckpoint load_torch_checkpoint(const std::string& path) {
  return parse_torch_checkpoint(Bytes::of_file(path), path);
}

ANYLEAD_INLINE TorchCheckpoint parse_torch_checkpoint(const Bytes& bytes, std::string_view file) {
  if (bytes.size() > 0 && bytes.data()[0] == std::byte{0x80})
    throw FormatError(file, "byte 0",
                      "a pickle without archive, as torch before 1.6 wrote it; load and save it with a newer torch");
  return detail::TorchReader(bytes, file).read();
}

}  // namespace anylead::io
