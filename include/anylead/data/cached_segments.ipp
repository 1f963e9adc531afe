#pragma once

#include <algorithm>
#include <exception>
#include <filesystem>
#include <unordered_map>

#include <anylead/core/atomic_file.hpp>
#include <anylead/core/error.hpp>
#include <anylead/core/parallel.hpp>
#include <anylead/data/cached_segments.hpp>
#include <anylead/data/hash.hpp>
#include <anylead/data/segment_cache_format.hpp>

namespace anylead::data {

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

/// What "records100/00000/00001_lr" and "records500/00000/00001_hr" have in common: folders without their digits, and the name
/// without its ending. Empty for ids with another ending.
inline std::string stem_with(const std::string& id, std::string_view suffix) {
  const auto slash = id.rfind('/');
  const std::size_t name = slash == id.npos ? 0 : slash + 1;
  if (id.size() - name <= suffix.size() || !id.ends_with(suffix)) return {};
  std::string stem;
  for (std::size_t i = 0; i < id.size() - suffix.size(); ++i)
    if (i >= name || id[i] < '0' || id[i] > '9') stem += id[i];
  return stem;
}

/// Collects the segments of recording after recording into a cache file.
class CacheWriter {
 public:
  CacheWriter(const std::string& path, std::uint64_t key, const Segmenter& segmenter, Index records)
      : file_(path), segmenter_(segmenter) {
    header_ = {kCacheMagic, key, 0, segmenter.leads(), segmenter.samples(), 0, 0};
    report_.records = records;
    const std::vector<char> blank(kSignals, 0);  // no magic: never taken for a cache before it is one
    file_.file().write(blank.data(), blank.size());
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
    report_.notes.insert(report_.notes.end(), r.counts.notes.begin(), r.counts.notes.end());
    if (r.size() == 0) return;
    records_.push_back({id, source, person, header_.segments, r.size(), rate_hz});
    segment_.resize(static_cast<std::size_t>(header_.leads * header_.samples));
    for (Index s = 0; s < r.size(); ++s) {
      r.copy_segment(s, segment_.data());
      file_.file().write(segment_.data(), segment_.size() * sizeof(float));
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
    for (const auto* problems : {&r.bad, &r.notes}) {
      out.put(std::uint64_t{problems->size()});
      for (const auto& [record, message] : *problems) {
        out.put(record);
        out.put(message);
      }
    }
    out.put(std::uint64_t{r.duplicates.size()});
    for (const auto& [record, of] : r.duplicates) {
      out.put(record);
      out.put(of);
    }
    file_.file().write(out.bytes().data(), out.bytes().size());
    header_.index_bytes = out.bytes().size();
    header_.index_hash = hash_of(out.bytes().data(), out.bytes().size());
    file_.file().overwrite(0, &header_, sizeof header_);
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
