#pragma once
// The engine: takes requests, runs passes until each has its answer, hands out tokens as they come.
// Sequences live in one cache; a conversation keeps its sequence, so that the next request computes
// only what is new. No sockets, no clock, no text: tokens in, tokens out. One thread drives it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/grammar/matcher.h"
#include "runtime/cache/cache.h"
#include "runtime/engine/model.h"
#include "runtime/engine/scheduler.h"
#include "runtime/executor/executor.h"
#include "runtime/sampler/sampler.h"

namespace freehold::runtime {

enum class ConversationId : uint32_t {};

struct GenerateRequest {
  std::vector<TokenId> prompt;  // whole, from the first token; not empty
  SamplingOptions sampling;
  uint64_t tokens_max = 0;  // 0: until the model stops or the context is full
  uint64_t context = 8192;  // most tokens of prompt and answer together
  /// Tokens that end the answer; the token itself is reported and not continued.
  std::function<bool(TokenId)> ends;
  std::optional<ConversationId> conversation;
  /// What the answer must follow, at its beginning; nullptr: nothing. `ends` is true for the tokens
  /// that its vocabulary calls ends.
  std::shared_ptr<model::GrammarMatcher> grammar{};
  uint32_t choice = 0;  // tells apart several answers to one prompt (Sampler::choose)
  /// Likeliest tokens to report beside each chosen one; nothing: no probabilities at all.
  std::optional<uint32_t> likeliest;
  /// Added to the weights, in this order; they outlive the request.
  std::vector<AppliedAdapter> adapters = {};
};

enum class FinishReason { kNone, kStop, kLength, kContext, kFailed };

/// Counts for the statistics line; times are the caller's.
struct RequestCounts {
  uint64_t prompt_tokens = 0;
  uint64_t reused_tokens = 0;  // of the prompt, already in the cache
  uint64_t answer_tokens = 0;
};

/// The natural logarithm of a token's share, before temperature and everything after it.
struct TokenLikelihood {
  TokenId token = 0;
  double logarithm = 0;
};

/// One token of an answer, or its end.
struct TokenEvent {
  RequestId request = 0;
  TokenId token = 0;      // meaningless where finish is kFailed
  uint64_t position = 0;  // its index in the sequence
  FinishReason finish = FinishReason::kNone;
  std::optional<Error> error{};  // why it failed
  RequestCounts counts{};        // so far
  /// Where they were asked for: the chosen token's first, then the likeliest, the best in front.
  std::vector<TokenLikelihood> likelihoods{};
};

class Engine {
 public:
  struct Options {
    const Model& model;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    uint64_t cache_positions = 8192;  // of all sequences together
    /// The longest context that a request may ask for, where a model computes long ones otherwise
    /// (LongRoPE); 0: cache_positions.
    uint64_t context = 0;
    size_t columns_max = 256;
    size_t requests_max = 1;
    size_t prompts_beside_decoding_max = 0;  // SchedulerOptions
    uint64_t adapter_rank_max = 0;           // of the adapters that requests may bring; 0: none
    std::string model_id = {};  // what saved conversations are tied to: a content hash or the like
  };

  static Result<std::unique_ptr<Engine>> create(Options options);
  /// Half made: create() is the way in.
  explicit Engine(Options options);

  /// kUsage for options out of range and adapters of a rank that the engine was not made for,
  /// kRefused where the prompt does not leave room for one token in the context (with both
  /// numbers), or where the cache is full. Nothing has changed then.
  Result<RequestId> submit(GenerateRequest request);
  /// Frees what the request holds; fine for one that has ended.
  void cancel(RequestId request);
  /// A held request keeps its place and gets no tokens until it is let go.
  void hold(RequestId request, bool held) { scheduler_.hold(request, held); }
  /// Runs one pass; the tokens it made. Empty and no error where nobody waits.
  Result<std::vector<TokenEvent>> step();
  bool idle() const { return scheduler_.size() == 0; }
  /// Whether the request has not ended: a pass that fails as a whole ends all that were in it.
  bool runs(RequestId request) const { return active_.contains(request); }

  Result<ConversationId> open_conversation();
  void close_conversation(ConversationId conversation);

  /// Tokens at the start of `prompt` that the conversation has computed already, with whatever
  /// adapters.
  size_t shared_tokens(ConversationId conversation, std::span<const TokenId> prompt) const;
  /// The conversation's tokens and its cache as bytes (prompt_cache.h), while none of its requests
  /// runs. The next engine of the same model goes on from them, bit for bit.
  std::vector<std::byte> save_conversation(ConversationId conversation) const;
  /// Puts saved bytes in place of what the conversation holds. kDamaged for bytes that are not
  /// whole and sound, kRefused for another model or cache type and where the cache has no room; the
  /// conversation is empty then. `adapters` are those that it was computed with.
  Status restore_conversation(ConversationId conversation, std::span<const std::byte> bytes,
                              std::span<const AppliedAdapter> adapters = {});

  const Cache& cache() const { return *cache_; }

 private:
  struct Active {
    GenerateRequest request;
    Sampler sampler;
    SequenceId sequence;
    RequestCounts counts;
  };
  /// A sequence kept between requests, with the tokens its cache holds.
  struct Conversation {
    SequenceId sequence;
    std::vector<TokenId> tokens;
    std::string adapters{};  // identity_of() those that it was computed with
  };

  Status check_adapters(std::span<const AppliedAdapter> adapters) const;
  Result<size_t> continue_conversation(Conversation& conversation, const GenerateRequest& request);
  TokenEvent accept(RequestId id, std::span<const float> logits);
  /// The next token of `active` as its sampler, and its grammar where it has one, choose it.
  Result<TokenId> choose(Active& active, std::span<const float> logits, uint64_t position,
                         std::span<const TokenId> history) const;
  enum class Outcome { kAnswered, kFailed };
  void finish(RequestId id, Outcome outcome);

  Options options_;
  std::optional<Cache> cache_;
  std::unique_ptr<Executor> executor_;
  Scheduler scheduler_;
  std::unordered_map<RequestId, Active> active_;
  std::unordered_map<uint32_t, Conversation> conversations_;
  RequestId next_request_ = 1;
  uint32_t next_conversation_ = 1;
};

}  // namespace freehold::runtime
