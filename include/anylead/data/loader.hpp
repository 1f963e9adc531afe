// Batches of segments, seeded and resumable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/data/augment.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/data/selection.hpp>

namespace anylead::data {

/// Segments for one step, in host memory. B segments of N leads and T samples. In a batch of pairs, rows 2k and 2k + 1 are the
/// two segments of a pair. Two pairs of one patient may meet in a batch; the global losses count them as positives of each
/// other.
struct Batch {
  Index size = 0, leads = 0, samples = 0;  ///< B, N, T
  std::vector<float> signal;               ///< [B, N, T] mV (or as normalised); absent leads are 0
  std::vector<Flag> present;               ///< [B, N]
  std::vector<Index> patient;              ///< [B] numbers in SegmentCache::patients
  std::vector<Index> record;               ///< [B] numbers in SegmentCache::records
  std::vector<Index> number;               ///< [B] numbers of the segments in the cache
  std::vector<Index> segment;              ///< [B] 0 or 1: which of its pair; 0 for single segments
  Index epoch = 0;                         ///< from 0
  Index position = 0;                      ///< number of the batch within the epoch, from 0
};

/// Where a loader stands: `position` batches of `epoch` have been handed out. A loader with the same cache, selection and
/// options that is restored to it continues bit for bit.
struct LoaderState {
  Index epoch = 0, position = 0;
  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

/// Hands out batches without end, epoch after epoch. Threads prepare batches ahead; the sequence is the same for any number of
/// them. After the first batches nothing is allocated.
class Loader {
 public:
  struct Options {
    Index batch = 128;  ///< segments of a batch (64 pairs)
    std::uint64_t seed = 1;
    bool shuffle = true;  ///< false: in the order of the selection (evaluation)
    /// True: the reference. Items are shuffled and cut into batches once, and epochs only reorder the batches.
    bool frozen_batches = false;
    bool drop_last = true;                         ///< false: an incomplete last batch is handed out too
    Index prefetch = 4;                            ///< batches prepared ahead; 0: each is made when it is asked for
    Index threads = 1;                             ///< that prepare them
    std::vector<Augmentation> augmentations = {};  ///< added to every segment, anew in each epoch (training only)
  };

  /// @throws OptionError if the batch is not a multiple of the items' size or the selection has less than one batch.
  ANYLEAD_INLINE Loader(const SegmentCache& cache, const Selection& selection, const Options& options);
  ANYLEAD_INLINE Loader(Loader&&) noexcept;
  ANYLEAD_INLINE Loader& operator=(Loader&&) noexcept;
  ANYLEAD_INLINE ~Loader();

  ANYLEAD_INLINE Index batches_per_epoch() const;

  /// The next batch; valid until the following call, which takes its memory back. Rethrows what went wrong while it was
  /// prepared.
  ANYLEAD_INLINE const Batch& next();

  /// After the batch handed out last.
  ANYLEAD_INLINE LoaderState state() const;

  /// @throws OptionError for a position that the epoch does not have.
  ANYLEAD_INLINE void restore(const LoaderState& state);

 private:
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace anylead::data

#ifndef ANYLEAD_COMPILED
#include <anylead/data/loader.ipp>
#endif
