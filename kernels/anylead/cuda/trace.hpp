// Names for what a profiler records.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#endif

namespace anylead::cuda_ops {

/// A range in the traces of a profiler, as long as it lives. Costs next to nothing where none is attached.
class TraceRange {
 public:
#if __has_include(<nvtx3/nvToolsExt.h>)
  explicit TraceRange(const char* name) { nvtxRangePushA(name); }
  ~TraceRange() { nvtxRangePop(); }
#else
  explicit TraceRange(const char*) {}
#endif
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;
};

}  // namespace anylead::cuda_ops
