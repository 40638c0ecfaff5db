#pragma once
// Vectors and scores of texts: the last states of a model, pooled, cut, normalised, or put through
// the file's classifier (docs/NUMERICS.md, section 10). For `embed`, `rerank` and the server's
// routes of the same names. Many texts share a pass; what else is in it changes no bit. No text, no
// tokenizer: that is model/text_frame.h. One thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/cache/cache.h"
#include "runtime/engine/model.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

class Embedder {
 public:
  struct Options {
    const Model& model;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF32;
    model::Pooling pooling = model::Pooling::kMean;
    bool normalise = true;     // to length 1; not for kRank
    uint32_t dimensions = 0;   // how many of a vector's first values stay; 0: all
    size_t tokens_max = 512;   // of one text
    size_t columns_max = 512;  // of one pass; where attention is not causal, at least tokens_max
    const std::atomic<bool>* stop = nullptr;  // true ends a call with kInterrupted
  };

  /// One text's tokens, with everything the model wants around them.
  struct Text {
    std::span<const TokenId> tokens;
    size_t second_from = SIZE_MAX;  // of a pair: where the second segment begins
  };

  /// Gets each text's result in order: one vector; for kNone one vector per token, one after the
  /// other; for kRank the classifier's outputs. kFailed where its activations stopped being finite;
  /// other texts are not touched. A failure of its own stops the call.
  using Sink = std::function<Status(size_t text, Result<std::span<const float>> values)>;

  /// kUsage where the model has no such pooling, or fewer dimensions than are asked for.
  static Result<std::unique_ptr<Embedder>> create(Options options);
  /// Half made: create() is the way in.
  explicit Embedder(Options options) : options_(options) {}

  /// kRefused for an empty text and for one of more than tokens_max tokens, kUsage for tokens
  /// outside the vocabulary: before anything is computed.
  Status embed(std::span<const Text> texts, const Sink& sink);

  /// Values of one vector (kNone: of one token).
  size_t dimensions() const;

  /// Most texts that share a pass.
  static constexpr size_t kTextsPerPass = 64;

 private:
  /// A text's share of a pass.
  struct Part {
    size_t text = 0;
    size_t first = 0;  // token
    size_t count = 0;
    bool is_last = false;
  };
  /// What is kept of a text between its passes.
  struct Open {
    SequenceId sequence;
    size_t done = 0;  // tokens that have been in a pass
    std::vector<float> values;
    std::optional<Error> failure;
  };

  Status check(std::span<const Text> texts) const;
  /// The next columns: of as many texts as fit whole, or of a part of one.
  Status fill(std::span<const Text> texts, PassSpec& spec);
  bool wants_state(const Text& text, size_t token) const;
  void note_faults(const PassResult& pass);
  void absorb(std::span<const Text> texts, std::span<const float> states);
  /// Pools, cuts, normalises or classifies what was gathered.
  std::span<const float> finish(const Text& text, Open& open);
  void classify(std::vector<float>& state);
  std::span<const float> head_weights(std::string_view name) const;

  Options options_;
  model::Pooling gathered_ = model::Pooling::kMean;  // what is gathered of a text's columns
  std::optional<Cache> cache_;
  std::unique_ptr<Executor> executor_;
  // The call under way.
  size_t next_ = 0;  // first text with columns that have not been in a pass
  std::vector<Part> parts_;
  std::vector<Open> open_;  // beside parts_
};

/// What a memory plan must know of an embedder with these limits.
size_t embedder_sequences(size_t columns_max);

}  // namespace freehold::runtime
