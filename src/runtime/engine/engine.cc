#include "runtime/engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "runtime/engine/evaluator.h"
#include "runtime/engine/likelihoods.h"
#include "runtime/engine/prompt_cache.h"

namespace freehold::runtime {

Engine::Engine(Options options)
    : options_(options),
      scheduler_({.columns_max = options.columns_max,
                  .logits_max = options.requests_max,
                  .slice_max = options.columns_max,
                  .requests_max = options.requests_max,
                  .prompts_beside_decoding_max = options.prompts_beside_decoding_max}) {}

Result<std::unique_ptr<Engine>> Engine::create(Options options) {
  if (options.context == 0) options.context = options.cache_positions;
  auto engine = std::make_unique<Engine>(options);
  const Model& model = options.model;
  TRY(model.require_logits());
  CacheSpec spec = cache_spec(model.parameters(), options.cache_type, options.cache_positions,
                              options.requests_max + 1);
  spec.model_id = options.model_id;
  if (model.parameters().turns_long(options.context)) spec.model_id += " long RoPE";
  engine->cache_ = TRY(Cache::create(options.account, std::move(spec)));
  engine->executor_ = TRY(Executor::create({.architecture = model.architecture(),
                                            .parameters = model.parameters(),
                                            .weights = model.weights(),
                                            .pool = options.pool,
                                            .account = options.account,
                                            .isa = options.isa,
                                            .cache_type = options.cache_type,
                                            .columns_max = options.columns_max,
                                            .logits_max = options.requests_max,
                                            .context = options.context,
                                            .adapter_rank_max = options.adapter_rank_max}));
  return engine;
}

Result<RequestId> Engine::submit(GenerateRequest request) {
  const size_t vocabulary = options_.model.parameters().vocabulary;
  TRY(check_sampling(request.sampling, vocabulary));
  if (request.prompt.empty()) {
    return Error{ErrorCode::kUsage, "the prompt is empty: there is nothing to continue",
                 "write one"};
  }
  TRY(check_tokens(request.prompt, vocabulary));
  TRY(check_adapters(request.adapters));
  if (request.prompt.size() >= request.context) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the prompt has {} tokens and the context holds {}, the answer included",
                    request.prompt.size(), request.context),
        "shorten the prompt or raise --context"};
  }
  if (options_.model.parameters().turns_long(request.context) &&
      !options_.model.parameters().turns_long(options_.context)) {
    return Error{ErrorCode::kRefused,
                 fmt::format("a context of {} turns otherwise than the {} that are planned for",
                             request.context, options_.context),
                 "start with the longer context"};
  }
  SequenceId sequence{};
  size_t computed = 0;
  if (request.conversation) {
    Conversation& conversation = conversations_.at(static_cast<uint32_t>(*request.conversation));
    computed = TRY(continue_conversation(conversation, request));
    sequence = conversation.sequence;
  } else {
    sequence = TRY(cache_->create_sequence());
  }
  const uint64_t wanted =
      request.tokens_max == 0
          ? request.context
          : std::min(request.context, request.prompt.size() + request.tokens_max);
  const RequestId id = next_request_;
  Status admitted = cache_->reserve(sequence, static_cast<uint32_t>(wanted));
  // Their list keeps its place when the request is moved.
  if (admitted.ok()) {
    admitted = scheduler_.admit(id, sequence, request.prompt, computed, request.adapters);
  }
  if (!admitted.ok()) {
    if (!request.conversation) cache_->drop(sequence);
    return std::move(admitted).error();
  }
  ++next_request_;
  Sampler sampler(request.sampling, options_.isa);
  const RequestCounts counts{request.prompt.size(), computed, 0};
  active_.emplace(id, Active{std::move(request), std::move(sampler), sequence, counts});
  return id;
}

Status Engine::check_adapters(std::span<const AppliedAdapter> adapters) const {
  for (const AppliedAdapter& applied : adapters) CHECK(&applied.adapter->base() == &options_.model);
  const uint64_t rank = rank_max_of(adapters);
  if (rank <= options_.adapter_rank_max) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("the adapter is of rank {}, the engine was made for at most {}", rank,
                           options_.adapter_rank_max),
               "start it with that adapter"};
}

/// Cuts the conversation's cache back to what it shares with the new prompt, computed with the same
/// adapters; returns its length.
Result<size_t> Engine::continue_conversation(Conversation& conversation,
                                             const GenerateRequest& request) {
  std::string adapters = identity_of(request.adapters);
  if (conversation.adapters != adapters) conversation.tokens.clear();
  conversation.adapters = std::move(adapters);
  const auto& old = conversation.tokens;
  const auto [left, right] =
      std::mismatch(old.begin(), old.end(), request.prompt.begin(), request.prompt.end());
  // The last token is computed again: its logits choose the first token of the answer.
  const size_t shared =
      std::min(static_cast<size_t>(left - old.begin()), request.prompt.size() - 1);
  TRY(cache_->truncate(conversation.sequence, static_cast<uint32_t>(shared)));
  conversation.tokens.resize(shared);
  return shared;
}

void Engine::finish(RequestId id, Outcome outcome) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active& active = found->second;
  if (active.request.conversation) {
    Conversation& conversation =
        conversations_.at(static_cast<uint32_t>(*active.request.conversation));
    // What a failed pass left behind is nothing to build on.
    if (outcome == Outcome::kFailed) MUST(cache_->truncate(active.sequence, 0));
    const auto tokens = scheduler_.tokens(id);
    conversation.tokens.assign(tokens.begin(), tokens.begin() + cache_->length(active.sequence));
  } else {
    cache_->drop(active.sequence);
  }
  scheduler_.remove(id);
  active_.erase(found);
}

void Engine::cancel(RequestId request) { finish(request, Outcome::kAnswered); }

Result<std::vector<TokenEvent>> Engine::step() {
  std::vector<TokenEvent> events;
  const StepPlan plan = scheduler_.step();
  if (plan.pass.columns.empty()) return events;
  auto result = executor_->run(plan.pass, *cache_);
  if (!result.ok()) {
    // Nothing of the pass is in the cache, and the scheduler counts it as computed: its requests
    // end.
    for (const RequestId owner : plan.owner) finish(owner, Outcome::kFailed);
    return std::move(result).error();
  }
  const PassResult pass = *std::move(result);
  for (const PassFault& fault : pass.faults) {
    const RequestId owner = plan.owner[fault.column];
    if (!scheduler_.contains(owner)) continue;
    TokenEvent event{.request = owner, .finish = FinishReason::kFailed};
    event.error = Error{ErrorCode::kFailed,
                        fmt::format("activations stopped being finite at {}", fault.where),
                        "the model's numbers overflow here; try --kv f32, or another file of it"};
    event.counts = active_.at(owner).counts;
    events.push_back(std::move(event));
    finish(owner, Outcome::kFailed);
  }
  const size_t vocabulary = options_.model.parameters().vocabulary;
  for (size_t row = 0; row < plan.logits_of.size(); ++row) {
    if (!active_.contains(plan.logits_of[row])) continue;
    events.push_back(
        accept(plan.logits_of[row], pass.logits.subspan(row * vocabulary, vocabulary)));
  }
  return events;
}

Result<TokenId> Engine::choose(Active& active, std::span<const float> logits, uint64_t position,
                               std::span<const TokenId> history) const {
  model::GrammarMatcher* const grammar = active.request.grammar.get();
  const uint32_t choice = active.request.choice;
  if (grammar == nullptr) return active.sampler.choose(logits, history, position, choice);
  const auto allowed = TRY(grammar->allowed());
  const TokenId token = active.sampler.choose(logits, history, position, choice, allowed);
  TRY(grammar->accept(token));
  return token;
}

TokenEvent Engine::accept(RequestId id, std::span<const float> logits) {
  Active& active = active_.at(id);
  const auto history = scheduler_.tokens(id);
  TokenEvent event{.request = id};
  event.position = history.size();
  const auto chosen = choose(active, logits, event.position, history);
  if (!chosen.ok()) {
    event.finish = FinishReason::kFailed;
    event.error = chosen.error();
    event.counts = active.counts;
    finish(id, Outcome::kAnswered);
    return event;
  }
  event.token = *chosen;
  if (active.request.likeliest) {
    event.likelihoods = likelihoods(logits, event.token, *active.request.likeliest);
  }
  ++active.counts.answer_tokens;
  event.counts = active.counts;
  const GenerateRequest& request = active.request;
  if (request.ends && request.ends(event.token)) {
    event.finish = FinishReason::kStop;
  } else if (request.tokens_max != 0 && active.counts.answer_tokens >= request.tokens_max) {
    event.finish = FinishReason::kLength;
  } else if (event.position + 1 >= request.context) {
    event.finish = FinishReason::kContext;
  }
  if (event.finish == FinishReason::kNone) {
    scheduler_.append(id, event.token);
  } else {
    finish(id, Outcome::kAnswered);
  }
  return event;
}

Result<ConversationId> Engine::open_conversation() {
  const SequenceId sequence = TRY(cache_->create_sequence());
  const uint32_t id = next_conversation_++;
  conversations_.emplace(id, Conversation{sequence, {}, {}});
  return ConversationId{id};
}

void Engine::close_conversation(ConversationId conversation) {
  const auto found = conversations_.find(static_cast<uint32_t>(conversation));
  if (found == conversations_.end()) return;
  cache_->drop(found->second.sequence);
  conversations_.erase(found);
}

size_t Engine::shared_tokens(ConversationId id, std::span<const TokenId> prompt) const {
  const auto& old = conversations_.at(static_cast<uint32_t>(id)).tokens;
  return static_cast<size_t>(
      std::mismatch(old.begin(), old.end(), prompt.begin(), prompt.end()).first - old.begin());
}

std::vector<std::byte> Engine::save_conversation(ConversationId id) const {
  const Conversation& conversation = conversations_.at(static_cast<uint32_t>(id));
  CHECK(conversation.tokens.size() == cache_->length(conversation.sequence));
  const size_t snapshot = cache_->snapshot_bytes(conversation.sequence);
  std::vector<std::byte> bytes(prompt_cache_header_bytes(conversation.tokens.size()) + snapshot);
  write_prompt_cache_header(conversation.tokens, snapshot, bytes);
  cache_->snapshot(conversation.sequence, std::span(bytes).last(snapshot));
  return bytes;
}

Status Engine::restore_conversation(ConversationId id, std::span<const std::byte> bytes,
                                    std::span<const AppliedAdapter> adapters) {
  Conversation& conversation = conversations_.at(static_cast<uint32_t>(id));
  cache_->drop(conversation.sequence);
  conversation.tokens.clear();
  conversation.adapters = identity_of(adapters);
  const auto restore = [&]() -> Result<SequenceId> {
    const PromptCache saved = TRY(parse_prompt_cache(bytes));
    TRY(check_tokens(saved.tokens, options_.model.parameters().vocabulary));
    const SequenceId sequence = TRY(cache_->restore(saved.snapshot));
    if (cache_->length(sequence) != saved.tokens.size()) {
      cache_->drop(sequence);
      return Error{ErrorCode::kDamaged,
                   fmt::format("a saved prompt has {} tokens and {} positions", saved.tokens.size(),
                               cache_->length(sequence)),
                   "delete it; it can be computed again"};
    }
    conversation.tokens = saved.tokens;
    return sequence;
  };
  Result<SequenceId> restored = restore();
  if (restored.ok()) {
    conversation.sequence = *restored;
    return {};
  }
  conversation.tokens.clear();
  conversation.sequence = TRY(cache_->create_sequence());
  return std::move(restored).error();
}

}  // namespace freehold::runtime
