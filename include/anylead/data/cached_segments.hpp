// From a collection of recordings to the cache of its segments.
#pragma once

#include <functional>
#include <string>

#include <anylead/core/config.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/data/segments.hpp>
#include <anylead/data/source.hpp>

namespace anylead::data {

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
/// PTB-XL; the folders may differ in their digits) gives way to it; of recordings with the very same samples and rate the first
/// is used. If the source names different patients for two copies of a recording, these are one patient from then on, so that
/// no split by patient can separate them.
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
#include <anylead/data/cached_segments.ipp>
#endif
