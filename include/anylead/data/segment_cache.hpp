// All segments of a collection in one mapped file, so that an epoch reads no recordings.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/data/preparation_report.hpp>
#include <anylead/data/segments.hpp>
#include <anylead/data/source.hpp>

namespace anylead::data {

/// A recording that has segments in a cache.
struct CachedRecord {
  std::string id;     ///< as in the source
  Index source = 0;   ///< number in the source
  Index patient = 0;  ///< number of the patient, @see SegmentCache::patients
  Index first = 0;    ///< its segments are [first, first + count)
  Index count = 0;
  double rate_hz = 0;  ///< as recorded
};

/// The prepared segments of a collection, read-only, in a file of its own. Copies share the mapping; all functions may be
/// called from several threads. The signals stay in the file: a collection may be much larger than the memory.
class SegmentCache {
 public:
  /// Opens a cache file and checks its form, all sizes and the checksum of everything but the signals.
  /// @throws IoError if it cannot be opened, FormatError if it is truncated, damaged or of another version or byte order.
  ANYLEAD_INLINE static SegmentCache open(const std::string& path);

  ANYLEAD_INLINE Index size() const;     ///< S, segments
  ANYLEAD_INLINE Index leads() const;    ///< N
  ANYLEAD_INLINE Index samples() const;  ///< T
  ANYLEAD_INLINE double rate_hz() const;
  ANYLEAD_INLINE std::uint64_t key() const;  ///< of the recordings and options it was made from
  ANYLEAD_INLINE const std::string& path() const;
  ANYLEAD_INLINE const std::vector<std::string>& lead_names() const;  ///< [N]
  ANYLEAD_INLINE const std::vector<CachedRecord>& records() const;
  ANYLEAD_INLINE const std::vector<std::string>& patients() const;  ///< names; a recording without patient has its own
  ANYLEAD_INLINE const PreparationReport& report() const;           ///< of the run that built the file

  ANYLEAD_INLINE std::span<const float> signal(Index segment) const;  ///< [N, T] mV (or as normalised); absent leads are 0
  ANYLEAD_INLINE std::span<const Flag> present(Index segment) const;  ///< [N]
  ANYLEAD_INLINE Index record_of(Index segment) const;                ///< number in records()
  ANYLEAD_INLINE Index position(Index segment) const;                 ///< how many segments into the recording it starts
  ANYLEAD_INLINE double start_seconds(Index segment) const;           ///< where in the recording it starts
  ANYLEAD_INLINE void will_need(Index segment) const;                 ///< asks the system to read it ahead of its use

 private:
  struct Content;
  explicit SegmentCache(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content_;
};

/// Called after each recording with the number of recordings done and in all, from the thread that builds.
using Progress = std::function<void(Index done, Index total)>;

namespace detail {

/// A RecordSource behind plain functions, so that building is compiled once.
struct SourceView {
  Index size;
  std::function<std::string(Index)> id;
  std::function<std::uint64_t(Index)> version;
  std::function<Record(Index)> read;
};

ANYLEAD_INLINE SegmentCache cached_segments(const SourceView& source, const std::string& folder, const SegmentOptions& options,
                                            const Progress& progress);

}  // namespace detail

/// The segments of a collection: from the cache file in `folder` if there is one that was made from the same recordings (ids
/// and versions) with the same options, else that file is made first. A damaged file is replaced. The folder is created.
///
/// Building reads the recordings in parallel, a few at a time, and keeps only the index in memory. The file gets its name when
/// it is complete. Recordings that cannot be read are listed in the report, which is stored too.
///
/// Duplicates (unless SegmentOptions::drop_duplicates is off) are used once: a recording `X_lr` beside an `X_hr` (the naming of
/// PTB-XL, whatever the folders) gives way to it; of recordings with the very same samples and rate the first is used. If the
/// source names different patients for two copies of a recording, these are one patient from then on, so that no split by
/// patient can separate them.
/// @throws IoError if the file cannot be written (the disk is full); no partial file remains.
/// @throws OptionError for options outside their range.
template <RecordSource S>
SegmentCache cached_segments(const S& source, const std::string& folder, const SegmentOptions& options = {},
                             const Progress& progress = {}) {
  return detail::cached_segments(
      {static_cast<Index>(source.size()), [&](Index i) { return std::string(source.id(i)); },
       [&](Index i) { return static_cast<std::uint64_t>(source.version(i)); }, [&](Index i) { return source.read(i); }},
      folder, options, progress);
}

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/segment_cache.ipp>
#endif
