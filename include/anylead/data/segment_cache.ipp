#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <filesystem>
#include <type_traits>
#include <unordered_map>

#include <anylead/core/error.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/data/hash.hpp>
#include <anylead/data/mapped_file.hpp>
#include <anylead/data/segment_cache.hpp>

namespace anylead::data {

// The file: header, signals [S, N, T] from kSignals on, index. The header is written last.
namespace detail {

inline constexpr std::uint64_t kCacheMagic = 0x31676573646c6e61;  // "anldseg1" as a little-endian word
inline constexpr std::size_t kSignals = 4096;

struct CacheHeader {
  std::uint64_t magic, key;
  std::int64_t segments, leads, samples;
  std::uint64_t index_bytes, index_hash;
};
static_assert(std::is_trivially_copyable_v<CacheHeader> && sizeof(CacheHeader) <= kSignals);

/// Numbers and texts one after another.
class IndexWriter {
 public:
  template <class N>
  requires std::is_arithmetic_v<N>
  void put(N number) { put(&number, sizeof number); }
  void put(const std::string& text) {
    put(std::uint64_t{text.size()});
    put(text.data(), text.size());
  }
  template <class N>
  void put(const std::vector<N>& numbers) {
    put(std::uint64_t{numbers.size()});
    put(numbers.data(), numbers.size() * sizeof(N));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put(const void* data, std::size_t bytes) { bytes_.append(static_cast<const char*>(data), bytes); }
  std::string bytes_;
};

/// The same backwards; never reads past the end, never allocates more than is left.
class IndexReader {
 public:
  IndexReader(const std::string& file, std::span<const std::byte> bytes, std::size_t offset)
      : file_(file), bytes_(bytes), offset_(offset) {}

  template <class N>
  N number() {
    N value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::uint64_t count(std::size_t bytes_each) {
    const auto n = number<std::uint64_t>();
    if (n > (bytes_.size() - at_) / bytes_each) fail(str("a count of ", n, " does not fit"));
    return n;
  }
  std::string text() {
    const auto n = count(1);
    return {reinterpret_cast<const char*>(take(n)), n};
  }
  template <class N>
  std::vector<N> numbers() {
    std::vector<N> values(count(sizeof(N)));
    if (!values.empty()) std::memcpy(values.data(), take(values.size() * sizeof(N)), values.size() * sizeof(N));
    return values;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  [[noreturn]] void fail(const std::string& problem) const { throw FormatError(file_, str("byte ", offset_ + at_), problem); }

 private:
  const std::byte* take(std::size_t bytes) {
    if (bytes > bytes_.size() - at_) fail("the index ends early");
    at_ += bytes;
    return bytes_.data() + at_ - bytes;
  }
  const std::string& file_;
  std::span<const std::byte> bytes_;
  std::size_t offset_, at_ = 0;
};

inline std::uint64_t hash_of(const void* data, std::size_t bytes) {
  Hash64 hash;
  hash.add(data, bytes);
  return hash.value();
}

}  // namespace detail

struct SegmentCache::Content {
  explicit Content(const std::string& name) : path(name), file(name) {}

  std::string path;
  MappedFile file;
  detail::CacheHeader header = {};
  double rate_hz = 0;
  std::vector<std::string> lead_names;
  std::vector<CachedRecord> records;
  std::vector<std::string> patients;
  std::vector<Index> record_of, position;  // [S]
  std::vector<Flag> present;               // [S, N]
  PreparationReport report;

  std::size_t segment_bytes() const { return static_cast<std::size_t>(header.leads * header.samples) * sizeof(float); }
  std::size_t offset(Index segment) const {
    ANYLEAD_CHECK(segment >= 0 && segment < header.segments, OptionError, "segment cache", "segment ", segment, " of ",
                  header.segments);
    return detail::kSignals + static_cast<std::size_t>(segment) * segment_bytes();
  }
};

ANYLEAD_INLINE SegmentCache SegmentCache::open(const std::string& path) {
  const auto content = std::make_shared<Content>(path);
  Content& c = *content;
  const auto bytes = c.file.bytes();
  const auto demand = [&path](bool holds, const std::string& place, const std::string& problem) {
    if (!holds) throw FormatError(path, place, problem);
  };
  demand(bytes.size() >= detail::kSignals, "byte 0",
         str("expected a header of ", detail::kSignals, " bytes, found ", bytes.size()));
  std::memcpy(&c.header, bytes.data(), sizeof c.header);
  const auto& h = c.header;
  demand(h.magic == detail::kCacheMagic, "byte 0", "not a segment cache of this version and byte order");
  demand(h.leads >= 1 && h.leads <= 1024 && h.samples >= 1 && h.samples <= 10000000 && h.segments >= 0, "byte 16",
         str("sizes [", h.segments, ", ", h.leads, ", ", h.samples, "] are out of range"));
  const std::size_t room = bytes.size() - detail::kSignals;
  demand(static_cast<std::uint64_t>(h.segments) <= room / c.segment_bytes() &&
             room - static_cast<std::size_t>(h.segments) * c.segment_bytes() == h.index_bytes,
         "byte 16",
         str("[", h.segments, ", ", h.leads, ", ", h.samples, "] values and ", h.index_bytes,
             " bytes of index do not add up to the file's ", bytes.size(), " bytes"));
  const std::size_t index_offset = bytes.size() - h.index_bytes;
  demand(detail::hash_of(bytes.data() + index_offset, h.index_bytes) == h.index_hash, str("byte ", index_offset),
         "the index does not match its checksum");

  detail::IndexReader in(path, bytes.subspan(index_offset), index_offset);
  const auto segments = static_cast<std::size_t>(h.segments);
  c.rate_hz = in.number<double>();
  for (auto n = in.count(8); n > 0; --n) c.lead_names.push_back(in.text());
  for (auto n = in.count(8); n > 0; --n) c.patients.push_back(in.text());
  for (auto n = in.count(48); n > 0; --n) {
    CachedRecord r;
    r.id = in.text();
    r.source = in.number<Index>();
    r.patient = in.number<Index>();
    r.first = in.number<Index>();
    r.count = in.number<Index>();
    r.rate_hz = in.number<double>();
    const auto next = static_cast<Index>(c.record_of.size());
    if (r.patient < 0 || r.patient >= static_cast<Index>(c.patients.size()) || r.first != next || r.count < 1 ||
        r.count > h.segments - next)
      in.fail(str("recording ", r.id, " contradicts the counts"));
    c.record_of.insert(c.record_of.end(), static_cast<std::size_t>(r.count), static_cast<Index>(c.records.size()));
    c.records.push_back(std::move(r));
  }
  c.position = in.numbers<Index>();
  c.present = in.numbers<Flag>();
  auto& r = c.report;
  for (Index* n : {&r.records, &r.used, &r.too_short, &r.without_segment, &r.segments, &r.segments_dropped, &r.leads_missing,
                   &r.leads_repeated, &r.leads_dropped, &r.samples_bridged})
    *n = in.number<Index>();
  for (auto n = in.count(16); n > 0; --n) {
    std::string record = in.text(), message = in.text();
    r.bad.push_back({std::move(record), std::move(message)});
  }
  for (auto n = in.count(16); n > 0; --n) {
    std::string record = in.text(), of = in.text();
    r.duplicates.push_back({std::move(record), std::move(of)});
  }
  if (!in.at_end() || c.lead_names.size() != static_cast<std::size_t>(h.leads) || c.record_of.size() != segments ||
      c.position.size() != segments || c.present.size() != segments * static_cast<std::size_t>(h.leads))
    in.fail("the lists of the index contradict each other");
  return SegmentCache(content);
}

ANYLEAD_INLINE Index SegmentCache::size() const { return content_->header.segments; }
ANYLEAD_INLINE Index SegmentCache::leads() const { return content_->header.leads; }
ANYLEAD_INLINE Index SegmentCache::samples() const { return content_->header.samples; }
ANYLEAD_INLINE double SegmentCache::rate_hz() const { return content_->rate_hz; }
ANYLEAD_INLINE std::uint64_t SegmentCache::key() const { return content_->header.key; }
ANYLEAD_INLINE const std::string& SegmentCache::path() const { return content_->path; }
ANYLEAD_INLINE const std::vector<std::string>& SegmentCache::lead_names() const { return content_->lead_names; }
ANYLEAD_INLINE const std::vector<CachedRecord>& SegmentCache::records() const { return content_->records; }
ANYLEAD_INLINE const std::vector<std::string>& SegmentCache::patients() const { return content_->patients; }
ANYLEAD_INLINE const PreparationReport& SegmentCache::report() const { return content_->report; }

ANYLEAD_INLINE std::span<const float> SegmentCache::signal(Index segment) const {
  const std::byte* data = content_->file.bytes().data() + content_->offset(segment);
  return {reinterpret_cast<const float*>(data), static_cast<std::size_t>(leads() * samples())};
}

ANYLEAD_INLINE std::span<const Flag> SegmentCache::present(Index segment) const {
  content_->offset(segment);  // checks the number
  return {content_->present.data() + segment * leads(), static_cast<std::size_t>(leads())};
}

ANYLEAD_INLINE Index SegmentCache::record_of(Index segment) const {
  return content_->record_of.at(static_cast<std::size_t>(segment));
}
ANYLEAD_INLINE Index SegmentCache::position(Index segment) const {
  return content_->position.at(static_cast<std::size_t>(segment));
}
ANYLEAD_INLINE double SegmentCache::start_seconds(Index segment) const {
  return double(position(segment)) * double(samples()) / rate_hz();
}
ANYLEAD_INLINE void SegmentCache::will_need(Index segment) const {
  content_->file.will_need(content_->offset(segment), content_->segment_bytes());
}

namespace detail {

inline std::uint64_t cache_key(const SourceView& source, const SegmentOptions& options) {
  Hash64 hash;
  hash.add(kCacheMagic);
  hash.add(static_cast<std::uint64_t>(options.leads.size()));
  for (const std::string& lead : options.leads) hash.add(lead);
  hash.add(options.rate_hz);
  hash.add(options.seconds);
  hash.add(options.bridged_seconds);
  for (const int choice : {int(options.flat_is_absent), int(options.normalization), int(options.resampling),
                           int(options.drop_duplicates), int(options.record_is_patient)})
    hash.add(static_cast<std::uint64_t>(choice));
  for (Index i = 0; i < source.size; ++i) {
    hash.add(source.id(i));
    hash.add(source.version(i));
  }
  return hash.value();
}

/// Names of patients as sets: two names that turn out to be one person are joined.
class PatientNames {
 public:
  /// `made_up`: not a patient's name but a stand-in for an unknown one.
  Index number(const std::string& name, bool made_up) {
    const auto [entry, fresh] = numbers_.try_emplace((made_up ? '-' : '+') + name, static_cast<Index>(sets_.size()));
    if (fresh) sets_.push_back({name, entry->second, made_up});
    return root(entry->second);
  }
  Index root(Index n) {
    while (sets_[n].parent != n) n = sets_[n].parent = sets_[sets_[n].parent].parent;
    return n;
  }
  /// A real name stays before a made-up one, then the earlier one.
  void join(Index a, Index b) {
    a = root(a), b = root(b);
    const bool second = sets_[a].made_up != sets_[b].made_up ? sets_[a].made_up : b < a;
    sets_[second ? a : b].parent = second ? b : a;
  }
  const std::string& name(Index n) const { return sets_[n].name; }

 private:
  struct Set {
    std::string name;
    Index parent;
    bool made_up;
  };
  std::unordered_map<std::string, Index> numbers_;
  std::vector<Set> sets_;
};

/// X of "folder/X_lr" and "folder/X_hr"; empty for other ids.
inline std::string stem_with(const std::string& id, std::string_view suffix) {
  const auto slash = id.rfind('/');
  std::string name = slash == id.npos ? id : id.substr(slash + 1);
  if (name.size() <= suffix.size() || !name.ends_with(suffix)) return {};
  name.resize(name.size() - suffix.size());
  return name;
}

/// Collects the segments of recording after recording into a cache file.
class CacheWriter {
 public:
  CacheWriter(const std::string& path, std::uint64_t key, const Segmenter& segmenter, Index records)
      : file_(path), segmenter_(segmenter) {
    header_ = {kCacheMagic, key, 0, segmenter.leads(), segmenter.samples(), 0, 0};
    report_.records = records;
    const std::vector<char> blank(kSignals, 0);  // no magic: never taken for a cache before it is one
    file_.write(blank.data(), blank.size());
  }

  void add_bad(const std::string& id, const std::string& message) { report_.bad.push_back({id, message}); }
  void add_duplicate(const std::string& id, const std::string& of) { report_.duplicates.push_back({id, of}); }

  /// `id` in the source, patient by name (empty: unknown).
  void add(Index source, const std::string& id, const std::string& patient, double rate_hz, const PreparedRecord& r) {
    const auto& options = segmenter_.options();
    const bool known = !patient.empty() && !options.record_is_patient;
    const Index person = patients_.number(known ? patient : str("record ", id), !known);
    if (options.drop_duplicates && r.content != 0) {
      const auto [entry, fresh] = by_content_.try_emplace(r.content, Seen{id, person});
      if (!fresh) {
        patients_.join(entry->second.patient, person);
        return add_duplicate(id, entry->second.id);
      }
    }
    report_.used += r.counts.used;
    report_.too_short += r.counts.too_short;
    report_.without_segment += r.counts.without_segment;
    report_.segments += r.counts.segments;
    report_.segments_dropped += r.counts.segments_dropped;
    report_.leads_missing += r.counts.leads_missing;
    report_.leads_repeated += r.counts.leads_repeated;
    report_.leads_dropped += r.counts.leads_dropped;
    report_.samples_bridged += r.counts.samples_bridged;
    if (r.size() == 0) return;
    records_.push_back({id, source, person, header_.segments, r.size(), rate_hz});
    segment_.resize(static_cast<std::size_t>(header_.leads * header_.samples));
    for (Index s = 0; s < r.size(); ++s) {
      r.copy_segment(s, segment_.data());
      file_.write(segment_.data(), segment_.size() * sizeof(float));
    }
    position_.insert(position_.end(), r.position.begin(), r.position.end());
    present_.insert(present_.end(), r.present.begin(), r.present.end());
    header_.segments += r.size();
  }

  void commit() {
    IndexWriter out;
    out.put(segmenter_.options().rate_hz);
    put_texts(out, segmenter_.options().leads);
    std::vector<std::string> names;
    std::unordered_map<Index, Index> numbers;  // of the sets that are left, in order of appearance
    for (CachedRecord& r : records_) {
      const Index root = patients_.root(r.patient);
      const auto [entry, fresh] = numbers.try_emplace(root, static_cast<Index>(names.size()));
      if (fresh) names.push_back(patients_.name(root));
      r.patient = entry->second;
    }
    put_texts(out, names);
    out.put(std::uint64_t{records_.size()});
    for (const CachedRecord& r : records_) {
      out.put(r.id);
      for (const Index n : {r.source, r.patient, r.first, r.count}) out.put(n);
      out.put(r.rate_hz);
    }
    out.put(position_);
    out.put(present_);
    const auto& r = report_;
    for (const Index n : {r.records, r.used, r.too_short, r.without_segment, r.segments, r.segments_dropped, r.leads_missing,
                          r.leads_repeated, r.leads_dropped, r.samples_bridged})
      out.put(n);
    out.put(std::uint64_t{r.bad.size()});
    for (const auto& [record, message] : r.bad) {
      out.put(record);
      out.put(message);
    }
    out.put(std::uint64_t{r.duplicates.size()});
    for (const auto& [record, of] : r.duplicates) {
      out.put(record);
      out.put(of);
    }
    file_.write(out.bytes().data(), out.bytes().size());
    header_.index_bytes = out.bytes().size();
    header_.index_hash = hash_of(out.bytes().data(), out.bytes().size());
    file_.overwrite(0, &header_, sizeof header_);
    file_.commit();
  }

 private:
  struct Seen {
    std::string id;
    Index patient;
  };

  static void put_texts(IndexWriter& out, const std::vector<std::string>& texts) {
    out.put(std::uint64_t{texts.size()});
    for (const std::string& text : texts) out.put(text);
  }

  AtomicFile file_;
  const Segmenter& segmenter_;
  CacheHeader header_;
  PreparationReport report_;
  std::vector<CachedRecord> records_;
  std::vector<Index> position_;
  std::vector<Flag> present_;
  std::vector<float> segment_;  // [N, T] the one being written
  PatientNames patients_;
  std::unordered_map<std::uint64_t, Seen> by_content_;
};

inline void build_cache(const SourceView& source, const std::string& path, std::uint64_t key, const Segmenter& segmenter,
                        const Progress& progress) {
  CacheWriter writer(path, key, segmenter, source.size);

  // Low-rate copies come last: each is used only if its high-rate recording turned out to be unreadable.
  std::vector<Index> order;
  std::vector<Index> low_rate;
  std::unordered_map<std::string, Index> high_rate;  // by stem
  if (segmenter.options().drop_duplicates)
    for (Index i = 0; i < source.size; ++i)
      if (const auto stem = stem_with(source.id(i), "_hr"); !stem.empty()) high_rate.try_emplace(stem, i);
  for (Index i = 0; i < source.size; ++i) (high_rate.contains(stem_with(source.id(i), "_lr")) ? low_rate : order).push_back(i);
  const auto regular = static_cast<Index>(order.size());
  order.insert(order.end(), low_rate.begin(), low_rate.end());

  struct Slot {
    bool skipped = false;
    std::string error, patient;
    double rate_hz = 0;
    PreparedRecord prepared;
  };
  std::vector<Flag> unreadable(static_cast<std::size_t>(source.size), Flag{0});
  const Index total = source.size, at_once = 2 * threads();
  for (Index begin = 0; begin < total;) {
    const Index end = std::min(begin < regular ? regular : total, begin + at_once);
    std::vector<Slot> slots(static_cast<std::size_t>(end - begin));
    parallel_for(end - begin, 1, [&](Index from, Index to) {
      for (Index i = from; i < to; ++i) {
        Slot& slot = slots[i];
        const Index number = order[begin + i];
        try {
          if (begin >= regular) slot.skipped = !unreadable[high_rate.at(stem_with(source.id(number), "_lr"))];
          if (slot.skipped) continue;
          const Record record = source.read(number);
          slot.patient = record.patient;
          slot.rate_hz = record.rate_hz;
          slot.prepared = segmenter(record);
        } catch (const std::exception& e) {
          slot.error = e.what();
          if (slot.error.empty()) slot.error = "cannot be read";
        }
      }
    });
    for (Index i = 0; i < end - begin; ++i) {
      const Slot& slot = slots[i];
      const Index number = order[begin + i];
      const std::string id = source.id(number);
      if (slot.skipped) {
        writer.add_duplicate(id, source.id(high_rate.at(stem_with(id, "_lr"))));
      } else if (!slot.error.empty()) {
        unreadable[number] = 1;
        writer.add_bad(id, slot.error);
      } else {
        writer.add(number, id, slot.patient, slot.rate_hz, slot.prepared);
      }
      if (progress) progress(begin + i + 1, total);
    }
    begin = end;
  }
  writer.commit();
}

ANYLEAD_INLINE SegmentCache cached_segments(const SourceView& source, const std::string& folder, const SegmentOptions& options,
                                            const Progress& progress) {
  const Segmenter segmenter(options);
  const std::uint64_t key = cache_key(source, options);
  std::string digits(16, '0');
  for (int i = 0; i < 16; ++i) digits[static_cast<std::size_t>(i)] = "0123456789abcdef"[(key >> (60 - 4 * i)) & 15];
  ANYLEAD_CHECK(!folder.empty(), OptionError, "segment cache", "the name of the folder is empty");
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw IoError(str(folder, ": cannot be created: ", failure.message()));
  const std::string path = str(folder, "/segments-", digits, ".cache");

  if (std::filesystem::exists(path, failure)) {
    try {
      if (auto cache = SegmentCache::open(path); cache.key() == key) return cache;
    } catch (const FormatError&) {  // damaged: made anew below
    }
  }
  build_cache(source, path, key, segmenter, progress);
  return SegmentCache::open(path);
}

}  // namespace detail

}  // namespace anylead::data
