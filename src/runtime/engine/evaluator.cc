#include "runtime/engine/evaluator.h"

#include <fmt/format.h>

#include <algorithm>

namespace freehold::runtime {

namespace {

/// Memory for the logits of one slice; beyond it slices only get shorter.
constexpr size_t kLogitsBytesMax = size_t{128} << 20;
constexpr size_t kSliceMax = 256;

}  // namespace

size_t default_slice(size_t vocabulary, uint64_t context) {
  const size_t fitting = std::max<size_t>(1, kLogitsBytesMax / (vocabulary * sizeof(float)));
  return std::min({fitting, kSliceMax, static_cast<size_t>(context)});
}

Status check_tokens(std::span<const TokenId> tokens, size_t vocabulary) {
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<size_t>(token) < vocabulary) continue;
    return Error{ErrorCode::kUsage,
                 fmt::format("token {} is not in the vocabulary of {}", token, vocabulary),
                 {}};
  }
  return {};
}

Result<std::unique_ptr<Evaluator>> Evaluator::create(Options options) {
  const Model& model = options.model;
  TRY(model.require_logits());
  if (options.slice == 0) {
    options.slice = default_slice(model.parameters().vocabulary, options.context);
  }
  auto evaluator = std::make_unique<Evaluator>(options);
  evaluator->cache_ = TRY(Cache::create(
      options.account, cache_spec(model.parameters(), options.cache_type, options.context, 1)));
  evaluator->executor_ = TRY(Executor::create({.architecture = model.architecture(),
                                               .parameters = model.parameters(),
                                               .weights = model.weights(),
                                               .pool = options.pool,
                                               .account = options.account,
                                               .isa = options.isa,
                                               .cache_type = options.cache_type,
                                               .columns_max = options.slice,
                                               .logits_max = options.slice,
                                               .context = options.context,
                                               .adapter_rank_max = rank_max_of(options.adapters)}));
  return evaluator;
}

Status Evaluator::evaluate(std::span<const TokenId> tokens, size_t first_wanted, const Sink& sink) {
  if (tokens.size() > options_.context) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} tokens do not fit a context of {}", tokens.size(), options_.context),
        "give fewer tokens or raise --context"};
  }
  TRY(check_tokens(tokens, options_.model.parameters().vocabulary));
  const SequenceId sequence = TRY(cache_->create_sequence());
  Status status = cache_->reserve(sequence, static_cast<uint32_t>(tokens.size()));
  if (status.ok()) status = run_slices(sequence, tokens, first_wanted, sink);
  cache_->drop(sequence);
  return status;
}

Status Evaluator::run_slices(SequenceId sequence, std::span<const TokenId> tokens,
                             size_t first_wanted, const Sink& sink) {
  const size_t vocabulary = options_.model.parameters().vocabulary;
  for (size_t begin = 0; begin < tokens.size(); begin += options_.slice) {
    if (options_.stop != nullptr && options_.stop->load()) {
      return Error{ErrorCode::kInterrupted, {}, {}};
    }
    const size_t end = std::min(begin + options_.slice, tokens.size());
    PassSpec spec;
    for (size_t position = begin; position < end; ++position) {
      spec.columns.push_back({.sequence = sequence,
                              .token = tokens[position],
                              .wants_logits = position >= first_wanted,
                              .adapters = options_.adapters});
    }
    const PassResult pass = TRY(executor_->run(spec, *cache_));
    if (!pass.faults.empty()) {
      return Error{ErrorCode::kFailed,
                   fmt::format("activations of position {} stopped being finite at {}",
                               begin + pass.faults[0].column, pass.faults[0].where),
                   "the model's numbers overflow here; try --kv f32, or another file of it"};
    }
    const size_t first_row = std::max(begin, first_wanted);
    for (size_t position = first_row; position < end; ++position) {
      TRY(sink(position, pass.logits.subspan((position - first_row) * vocabulary, vocabulary)));
    }
  }
  return {};
}

}  // namespace freehold::runtime
