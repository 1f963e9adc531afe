#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include <anylead/core/error.hpp>
#include <anylead/core/printable.hpp>
#include <anylead/io/safetensors.hpp>

namespace anylead::io {

namespace detail {

inline constexpr std::uint64_t kHeaderLimit = 100'000'000;
inline constexpr std::size_t kLengthBytes = 8;
inline constexpr const char* kMetadataKey = "__metadata__";

/// Receives the header's JSON token by token: nothing but the allowed form is ever stored, so memory stays in proportion to it.
class SafetensorsHeader {
 public:
  struct Entry {
    std::string name;
    std::optional<DType> type;
    std::optional<std::vector<Index>> shape;
    std::optional<std::vector<Index>> range;  // begin, end
  };

  explicit SafetensorsHeader(std::string_view file) : file_(file) {}

  std::vector<Entry> entries;
  Metadata metadata;

  bool start_object(std::size_t) {
    if (at_ == At::start)
      at_ = At::names;
    else if (at_ == At::name && name_ == kMetadataKey)
      at_ = At::metadata;
    else if (at_ == At::name) {
      entries.push_back({name_, {}, {}, {}});
      at_ = At::fields;
    } else
      reject("an object");
    return true;
  }
  bool end_object() {
    if (at_ == At::fields) {
      const Entry& e = entries.back();
      if (!e.type || !e.shape || !e.range) fail("dtype, shape or data_offsets is missing");
    }
    at_ = at_ == At::names ? At::end : At::names;
    return true;
  }
  bool key(std::string& text) {
    if (at_ == At::names) {
      if (!names_.insert(text).second) throw FormatError(file_, "header", str(printable(text), " is there twice"));
      name_ = text;
      field_.clear();
      at_ = At::name;
    } else {
      if (at_ == At::metadata && metadata.contains(text)) fail(str("key ", printable(text), " is there twice"));
      field_ = text;
      at_ = at_ == At::metadata ? At::metadata_value : At::field;
    }
    return true;
  }
  bool string(std::string& text) {
    if (at_ == At::metadata_value) {
      metadata.emplace(field_, text);
      at_ = At::metadata;
    } else if (at_ == At::field && field_ == "dtype") {
      auto& type = entries.back().type;
      once(type);
      for (int t = 0; t <= int(DType::boolean) && !type; ++t)
        if (name(static_cast<DType>(t)) == text) type = static_cast<DType>(t);
      if (!type) fail(str("dtype ", printable(text), " is not known"));
      at_ = At::fields;
    } else
      reject("a string");
    return true;
  }
  bool start_array(std::size_t) {
    if (at_ != At::field || (field_ != "shape" && field_ != "data_offsets")) reject("an array");
    auto& list = field_ == "shape" ? entries.back().shape : entries.back().range;
    once(list);
    list.emplace();
    at_ = At::list;
    return true;
  }
  bool end_array() {
    const auto& range = entries.back().range;
    if (field_ == "data_offsets" && (range->size() != 2 || (*range)[0] > (*range)[1]))
      fail("expected data_offsets [begin, end] with begin <= end");
    at_ = At::fields;
    return true;
  }
  bool number_unsigned(std::uint64_t value) {
    if (at_ != At::list) reject("a number");
    if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()))
      fail(str(field_, " ", value, " is out of range"));
    auto& list = field_ == "shape" ? entries.back().shape : entries.back().range;
    list->push_back(static_cast<Index>(value));
    return true;
  }
  bool number_integer(std::int64_t value) { reject(str("the number ", value)); }
  bool number_float(double, const std::string& text) { reject(str("the number ", text)); }
  bool boolean(bool value) { reject(value ? "true" : "false"); }
  bool null() { reject("null"); }
  bool binary(nlohmann::json::binary_t&) { reject("binary data"); }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::json::exception&) {
    throw FormatError(file_, str("byte ", kLengthBytes + std::max<std::size_t>(position, 1) - 1),
                      str("the header is not valid JSON at ", printable(token)));
  }

 private:
  enum class At { start, names, name, fields, field, list, metadata, metadata_value, end };

  [[noreturn]] void fail(const std::string& problem) const { throw FormatError(file_, printable(name_), problem); }
  [[noreturn]] void reject(const std::string& what) const {
    if (at_ == At::start) throw FormatError(file_, "header", str("expected a JSON object, found ", what));
    fail(field_.empty() ? str("unexpected ", what) : str(printable(field_), ": unexpected ", what));
  }
  template <class T>
  void once(const std::optional<T>& field) const {
    if (field) fail(str(field_, " is there twice"));
  }

  std::string file_;
  At at_ = At::start;
  std::string name_, field_;
  std::set<std::string> names_;
};

}  // namespace detail

ANYLEAD_INLINE Safetensors load_safetensors(const std::string& path) { return parse_safetensors(Bytes::of_file(path), path); }

ANYLEAD_INLINE Safetensors parse_safetensors(const Bytes& bytes, std::string_view file) {
  using detail::kLengthBytes;
  if (bytes.size() < kLengthBytes)
    throw FormatError(file, "byte 0", str("expected a header length of 8 bytes, found ", bytes.size(), " bytes"));
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > detail::kHeaderLimit || length > bytes.size() - kLengthBytes)
    throw FormatError(file, "byte 0",
                      str("a header of ", length, " bytes ",
                          length > detail::kHeaderLimit ? str("exceeds ", detail::kHeaderLimit)
                                                        : str("does not fit into the file of ", bytes.size())));
  const char* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  if (length == 0 || *text != '{') throw FormatError(file, "byte 8", "expected the header to begin with '{'");
  if (const void* zero = std::memchr(text, 0, length))  // the parser would take it for the end
    throw FormatError(file, str("byte ", static_cast<const char*>(zero) - text + Index{kLengthBytes}),
                      "the header is not valid JSON: a zero byte");
  detail::SafetensorsHeader header(file);
  nlohmann::json::sax_parse(text, text + length, &header);

  const std::size_t base = kLengthBytes + length;
  const auto room = static_cast<Index>(bytes.size() - base);
  const auto fail = [&](const std::string& name, const std::string& problem) {
    throw FormatError(file, printable(name), problem);
  };
  auto& entries = header.entries;
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return *entries[a].range < *entries[b].range; });
  Index end = 0;
  for (const std::size_t i : order) {
    const auto& range = *entries[i].range;
    if (range[1] > room) fail(entries[i].name, str("data_offsets end at ", range[1], ", the data at ", room));
    if (range[0] != end)
      fail(entries[i].name, str("data_offsets begin at ", range[0], range[0] < end ? ", inside" : ", not at the end of",
                                " the data before, which end at ", end));
    end = range[1];
  }
  if (end != room)
    throw FormatError(file, str("byte ", base + static_cast<std::size_t>(end)),
                      str(room - end, " bytes of data belong to no array"));

  Safetensors result;
  result.metadata = std::move(header.metadata);
  for (auto& [name, type, shape, range] : entries) {
    const Index count = element_count(*shape), size = (*range)[1] - (*range)[0];
    if (count < 0 || count != size / width(*type) || size % width(*type) != 0)
      fail(name, str("its shape has ", count < 0 ? "too many" : str(count), " values of ", io::name(*type), ", its data ", size,
                     " bytes"));
    const auto begin = base + static_cast<std::size_t>((*range)[0]);
    result.arrays.add(std::move(name), Array(*type, std::move(*shape), bytes.part(begin, static_cast<std::size_t>(size))));
  }
  return result;
}

ANYLEAD_INLINE void write_safetensors(OutputFile& file, const Arrays& arrays, const Metadata& metadata) {
  const auto json_text = [](const std::string& text) {
    try {
      return nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
      throw OptionError(str("safetensors: ", printable(text), " is not UTF-8"));
    }
  };
  std::vector<const Array*> order;
  std::unordered_map<const Array*, Index> begin;
  for (const auto& [name, array] : arrays) order.push_back(&array);
  std::stable_sort(order.begin(), order.end(),
                   [](const Array* a, const Array* b) { return width(a->dtype()) > width(b->dtype()); });
  Index size = 0;
  for (const Array* array : order) {
    begin[array] = size;
    size += static_cast<Index>(array->bytes().size());
  }

  std::string header = "{";
  const auto separate = [&header] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header += str('"', detail::kMetadataKey, "\":{");
    for (bool first = true; const auto& [key, value] : metadata) {
      header += str(first ? "" : ",", json_text(key), ":", json_text(value));
      first = false;
    }
    header += '}';
  }
  for (const auto& [name, array] : arrays) {
    if (name == detail::kMetadataKey) throw OptionError(str("safetensors: no array may be called ", name));
    separate();
    header += str(json_text(name), ":{\"dtype\":\"", io::name(array.dtype()), "\",\"shape\":[");
    for (bool first = true; const Index n : array.shape()) {
      header += str(first ? "" : ",", n);
      first = false;
    }
    const Index first_byte = begin[&array];
    header += str("],\"data_offsets\":[", first_byte, ",", first_byte + static_cast<Index>(array.bytes().size()), "]}");
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the data begin aligned
  if (header.size() > detail::kHeaderLimit)
    throw OptionError(str("safetensors: the header of ", arrays.size(), " arrays takes ", header.size(), " bytes, at most ",
                          detail::kHeaderLimit, " are allowed"));
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header);
  for (const Array* array : order) file.write(array->bytes().data(), array->bytes().size());
}

ANYLEAD_INLINE void save_safetensors(const std::string& path, const Arrays& arrays, const Metadata& metadata) {
  AtomicFile out(path);
  write_safetensors(out.file(), arrays, metadata);
  out.commit();
}

}  // namespace anylead::io
