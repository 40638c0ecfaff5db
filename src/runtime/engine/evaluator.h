#pragma once
// Logits of given tokens, for `logits`, perplexity and tests: no sampling, one sequence at a time,
// any slicing. One thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "runtime/cache/cache.h"
#include "runtime/engine/model.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

/// kUsage naming the first token that a vocabulary of `vocabulary` has not.
Status check_tokens(std::span<const TokenId> tokens, size_t vocabulary);

/// Columns of a pass whose every column may want logits, as memory for them allows.
size_t default_slice(size_t vocabulary, uint64_t context);

class Evaluator {
 public:
  struct Options {
    const Model& model;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    uint64_t context = 512;                   // most tokens of one call
    const std::atomic<bool>* stop = nullptr;  // true ends an evaluation with kInterrupted
    size_t slice = 0;  // columns of a pass; 0: as memory for their logits allows
    std::vector<AppliedAdapter> adapters = {};
  };
  /// Gets the logits [vocabulary] of one position; a failure stops the evaluation.
  using Sink = std::function<Status(size_t position, std::span<const float> logits)>;

  static Result<std::unique_ptr<Evaluator>> create(Options options);
  /// Half made: create() is the way in.
  explicit Evaluator(Options options) : options_(options) {}

  /// Runs `tokens` from an empty cache and hands the logits of positions first_wanted… to `sink`,
  /// in order. kUsage for tokens outside the vocabulary, kRefused for more than `context`, kFailed
  /// where activations stop being finite (layer and tensor named).
  Status evaluate(std::span<const TokenId> tokens, size_t first_wanted, const Sink& sink);

  size_t slice() const { return executor_->columns_max(); }

 private:
  Status run_slices(SequenceId sequence, std::span<const TokenId> tokens, size_t first_wanted,
                    const Sink& sink);
  Options options_;
  std::optional<Cache> cache_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace freehold::runtime
