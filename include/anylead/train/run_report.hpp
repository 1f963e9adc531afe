// The report page of a pre-training run.
#pragma once

#include <string>

#include <anylead/core/config.hpp>
#include <anylead/data/segment_cache.hpp>
#include <anylead/train/pretrain_run.hpp>

namespace anylead::train {

/// Writes one self-contained page: curves from metrics.jsonl, an ECG strip of the last batch with its masked leads and frames,
/// code usage, what became of the recordings, all settings. The page appears whole or not at all. @throws IoError
ANYLEAD_INLINE void write_report(const PretrainRun& run, const data::SegmentCache& cache, const std::string& path);

}  // namespace anylead::train

#ifndef ANYLEAD_COMPILED
#include <anylead/train/run_report.ipp>
#endif
