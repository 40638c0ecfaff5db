#pragma once
// A model's file again with its matrices in other formats. Rows go through memory a few megabytes
// at a time, so that files larger than memory pass; the same file and type give the same bytes with
// any number of threads.

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "device/worker_pool.h"
#include "io/file.h"
#include "model/convert/file_type.h"
#include "model/gguf/gguf.h"

namespace freehold::model {

struct QuantiseReport {
  uint64_t tensors = 0;
  uint64_t changed = 0;  // that have another format now
  uint64_t bytes = 0;    // of the new file
};

struct QuantiseOptions {
  /// Also from formats that have lost bits before.
  bool requantise = false;
  /// Called with source bytes done; an error ends the work.
  std::function<Status(uint64_t done)> on_progress = nullptr;
};

/// Writes `model` to `out`, which is new and empty. Keys are kept; general.file_type and
/// general.quantization_version say what it is now. kRefused for a source that is quantised
/// (unless options say otherwise), kDamaged for values that are no numbers, by tensor.
Result<QuantiseReport> quantise(const GgufModel& model, const FileType& type, io::WritableFile& out,
                                device::WorkerPool& pool, const QuantiseOptions& options = {});

}  // namespace freehold::model
