// All segments of a collection in one mapped file, so that an epoch reads no recordings.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/data/preparation_report.hpp>

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

/// The prepared segments of a collection, read-only, in a file of its own (@see cached_segments, which makes it). Copies share
/// the mapping; all functions may be called from several threads. The signals stay in the file: a collection may be much larger
/// than the memory.
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

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/segment_cache.ipp>
#endif
