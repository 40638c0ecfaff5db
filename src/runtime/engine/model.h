#pragma once
// A model ready to run: its file, its numbers, its weights in memory or streamed. What turns text
// into tokens is the caller's (model/tokenizer, model/template).

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "io/file.h"
#include "model/arch/architecture.h"
#include "model/gguf/gguf.h"
#include "runtime/weights/weight_store.h"

namespace freehold::runtime {

/// Which file this is: its hash where the store knows it ("sha256-…"), else what the file system
/// knows it by and when it was last written.
Result<std::string> file_identity(const model::GgufModel& file);

class Model {
 public:
  struct Options {
    device::MemoryAccount& account;
    device::WorkerPool& pool;
    const std::atomic<bool>* stop = nullptr;  // true ends the loading with kInterrupted
    io::FileSystem* files = nullptr;          // needed where weights are streamed
    StreamingOptions streaming = {};
  };

  /// Checks everything about `file` that can be checked before memory is taken; reads no weights.
  /// Errors: kRefused for an architecture this build has not, by name; kDamaged for a file that
  /// contradicts itself.
  static Result<std::unique_ptr<Model>> open(std::unique_ptr<model::GgufModel> file);
  /// open(), then all weights into memory.
  static Result<std::unique_ptr<Model>> load(std::unique_ptr<model::GgufModel> file,
                                             Options options);

  /// Its matrices cut into panels of at most `panel_bytes_max`, all pinned. The model outlives it.
  WeightLayout layout(uint64_t panel_bytes_max = kPanelBytesMax) const;
  /// Once, before anything that computes.
  Status load_weights(const WeightLayout& layout, Options options);

  Result<std::string> identity() const { return file_identity(*file_); }
  /// kRefused for an encoder, by name: it has no logits to choose tokens by.
  Status require_logits() const;

  const model::GgufModel& file() const { return *file_; }
  const model::Architecture& architecture() const { return *architecture_; }
  const model::HyperParameters& parameters() const { return parameters_; }
  std::span<const model::WeightSpec> specs() const { return specs_; }
  const WeightStore& weights() const { return *weights_; }

 private:
  std::unique_ptr<model::GgufModel> file_;
  const model::Architecture* architecture_ = nullptr;
  model::HyperParameters parameters_;
  std::vector<model::WeightSpec> specs_;
  std::unique_ptr<WeightStore> weights_;
};

}  // namespace freehold::runtime
