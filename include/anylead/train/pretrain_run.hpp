// A pre-training run in a folder: steps, validation, checkpoints, resumption, metrics.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/ssl/pretrain_model.hpp>
#include <anylead/train/settings.hpp>

namespace anylead::train {

/// One update, or one validation, as a line of metrics.jsonl shows it. Losses are per masked frame, in nats.
struct StepMetrics {
  Index step = 0, epoch = 0;
  double loss = 0, contrastive = 0, diversity = 0, penalty = 0, cmsc = 0;
  double accuracy = 0;  ///< share of masked frames whose own target has the largest similarity
  double prob_perplexity = 0, code_perplexity = 0;
  double rate = 0, grad_norm = 0, temperature = 0;
  double seconds = 0, segments_per_second = 0;
  Index masked_frames = 0;
};

/// What a report shows of the last batch.
struct Snapshot {
  std::vector<float> signal;  ///< [N, T] of one segment, before lead masking
  Index leads = 0, samples = 0;
  std::vector<Flag> kept;        ///< [N]
  std::vector<Flag> frame_mask;  ///< [T']
  std::vector<double> usage;     ///< [2, G, V] of the quantiser, see ops::Quantized; empty without
  Index groups = 0;
};

/// Called after every update and every validation.
struct PretrainCallbacks {
  std::function<void(const StepMetrics&)> on_step, on_validation;
  std::function<void(const std::string&)> on_note;  ///< one line of text worth telling
  std::function<bool()> stop;                       ///< asked after every update: true saves and ends
};

/// The loop. A run that is continued computes the same numbers, bit for bit, as one that was never interrupted (on the same
/// device and instruction set).
class PretrainRun {
 public:
  /// Locks the folder settings.out and, if settings.resume, loads its last checkpoint.
  /// @throws OptionError if the folder already has a run and resume is off, or the settings contradict the checkpoint's;
  /// IoError, FormatError
  ANYLEAD_INLINE PretrainRun(const Settings& settings, const data::SegmentCache& cache, const Device& device);
  ANYLEAD_INLINE ~PretrainRun();

  /// Trains until the steps are done or stop() says so, then saves. @throws Error with step, records and last checkpoint if a
  /// loss is not finite: nothing is updated or saved then
  ANYLEAD_INLINE void run(const PretrainCallbacks& callbacks);

  ANYLEAD_INLINE Index step() const;       ///< finished updates
  ANYLEAD_INLINE Index last_step() const;  ///< updates after which the run ends
  ANYLEAD_INLINE Index training_segments() const;
  ANYLEAD_INLINE Index validation_segments() const;
  ANYLEAD_INLINE const ssl::PretrainModel<float>& model() const;
  ANYLEAD_INLINE const Settings& settings() const;
  ANYLEAD_INLINE const Device& device() const;
  ANYLEAD_INLINE const Snapshot& snapshot() const;
  ANYLEAD_INLINE std::optional<Index> resumed_from() const;  ///< step of the checkpoint that was loaded
  ANYLEAD_INLINE std::string last_checkpoint() const;        ///< its folder; empty if there is none

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The segments that settings ask for: synthetic, or of a folder; the cache lies in `cache_folder`.
/// progress(done, total) is called while it is made.
ANYLEAD_INLINE data::SegmentCache open_segments(const Settings& settings, const std::string& cache_folder,
                                                const std::function<void(Index, Index)>& progress = {});

/// All lines of metrics.jsonl of a kind ("train", "validation"). @throws FormatError
ANYLEAD_INLINE std::vector<StepMetrics> read_metrics(const std::string& path, const std::string& kind);

}  // namespace anylead::train

#ifndef ANYLEAD_COMPILED
#include <anylead/train/pretrain_run.ipp>
#endif
