#pragma once
// A model ready to run: its file, its numbers, its weights in memory. Immutable after load(); any
// thread may read. What turns text into tokens is the caller's (model/tokenizer, model/template).

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "io/file.h"
#include "model/arch/architecture.h"
#include "model/gguf/gguf.h"
#include "runtime/weights/weight_store.h"

namespace freehold::runtime {

class Model {
 public:
  struct Options {
    device::MemoryAccount& account;
    device::WorkerPool& pool;
    const std::atomic<bool>* stop = nullptr;  // true ends the loading with kInterrupted
  };

  /// Checks everything about `file` that can be checked before memory is taken, then loads. Errors:
  /// kRefused for an architecture this build has not, by name, and where memory does not suffice;
  /// kDamaged for a file that contradicts itself.
  static Result<std::unique_ptr<Model>> load(std::unique_ptr<model::GgufModel> file,
                                             Options options);

  const model::GgufModel& file() const { return *file_; }
  const model::Architecture& architecture() const { return *architecture_; }
  const model::HyperParameters& parameters() const { return parameters_; }
  const WeightStore& weights() const { return *weights_; }

 private:
  std::unique_ptr<model::GgufModel> file_;
  const model::Architecture* architecture_ = nullptr;
  model::HyperParameters parameters_;
  std::unique_ptr<WeightStore> weights_;
};

}  // namespace freehold::runtime
