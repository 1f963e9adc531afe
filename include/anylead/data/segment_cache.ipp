#pragma once

#include <cstring>

#include <anylead/core/error.hpp>
#include <anylead/core/mapped_file.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/data/segment_cache_format.hpp>

namespace anylead::data {

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
  for (auto* problems : {&r.bad, &r.notes})
    for (auto n = in.count(16); n > 0; --n) {
      std::string record = in.text(), message = in.text();
      problems->push_back({std::move(record), std::move(message)});
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

}  // namespace anylead::data
