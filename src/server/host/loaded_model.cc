#include "server/host/loaded_model.h"

#include <algorithm>

namespace freehold::server {

namespace {

/// Prompts take at most this many columns of a pass in which others decode: a pass of them takes
/// about as long as a few of single tokens.
constexpr size_t kPromptsBesideDecoding = 128;

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::create(Options options) {
  auto loaded = std::make_unique<LoadedModel>(std::move(options));
  const Options& made = loaded->options_;
  loaded->engine_ =
      TRY(runtime::Engine::create({.model = *made.model,
                                   .pool = made.pool,
                                   .account = made.account,
                                   .isa = made.isa,
                                   .cache_type = made.cache_type,
                                   .cache_positions = made.positions,
                                   .context = made.served->context,
                                   .columns_max = made.plan.columns_max,
                                   .requests_max = made.slots,
                                   .prompts_beside_decoding_max = kPromptsBesideDecoding,
                                   .model_id = made.served->identity}));
  loaded->slots_.resize(made.slots);
  for (Slot& slot : loaded->slots_) slot.conversation = TRY(loaded->engine_->open_conversation());
  return loaded;
}

double LoadedModel::cache_share() const {
  const runtime::Cache& cache = engine_->cache();
  const double all = static_cast<double>(std::max<uint64_t>(1, (options_.positions + 255) / 256));
  return 1 - std::min(1.0, static_cast<double>(cache.blocks_available()) / all);
}

bool LoadedModel::runnable() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const auto& one) { return !one.second.held; });
}

bool LoadedModel::has(JobId job) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&](const auto& one) { return one.second.queued.id == job; });
}

void LoadedModel::count_owners(std::map<std::string, size_t, std::less<>>& owners) const {
  for (const auto& [id, running] : running_) ++owners[running.queued.job.owner];
}

/// The free slot that has most of the prompt; without one, the one unused for longest. Another
/// owner's counts as having nothing.
std::optional<size_t> LoadedModel::choose_slot(const Job& job) const {
  std::optional<size_t> best;
  size_t best_shared = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.busy) continue;
    const bool theirs = slot.used && slot.owner == job.owner;
    const size_t shared =
        theirs ? engine_->shared_tokens(slot.conversation, job.prompt) : size_t{0};
    const bool better = !best || shared > best_shared ||
                        (shared == best_shared && slot.last_used_ns < slots_[*best].last_used_ns);
    if (!better) continue;
    best = i;
    best_shared = shared;
  }
  return best;
}

Status LoadedModel::clear_slot(Slot& slot) {
  engine_->close_conversation(slot.conversation);
  slot.used = false;
  slot.owner.clear();
  slot.last_used_ns = 0;
  slot.conversation = TRY(engine_->open_conversation());
  return {};
}

Result<runtime::RequestId> LoadedModel::submit(const Job& job, size_t slot) {
  runtime::GenerateRequest request;
  request.prompt = job.prompt;
  request.sampling = job.sampling;
  request.tokens_max = job.tokens_max;
  request.context = options_.served->context;
  const model::Tokenizer& tokenizer = *options_.served->tokenizer;
  request.ends = [&tokenizer](model::TokenId token) { return tokenizer.ends_generation(token); };
  request.conversation = slots_[slot].conversation;
  request.choice = job.choice;
  request.likeliest = job.likeliest;
  return engine_->submit(std::move(request));
}

Result<bool> LoadedModel::start(QueuedJob& queued) {
  const auto chosen = choose_slot(queued.job);
  if (!chosen) return false;
  Slot& slot = slots_[*chosen];
  if (slot.used && slot.owner != queued.job.owner) TRY(clear_slot(slot));
  auto id = submit(queued.job, *chosen);
  // Room for it may be in what idle slots keep: the one unused for longest gives first.
  while (!id.ok() && id.error().code == ErrorCode::kRefused) {
    Slot* oldest = nullptr;
    for (Slot& other : slots_) {
      const bool gives = &other != &slot && !other.busy && other.used;
      if (gives && (oldest == nullptr || other.last_used_ns < oldest->last_used_ns)) {
        oldest = &other;
      }
    }
    if (oldest == nullptr) {
      if (!running_.empty()) return false;
      return std::move(id).error();
    }
    TRY(clear_slot(*oldest));
    id = submit(queued.job, *chosen);
  }
  if (!id.ok()) return std::move(id).error();
  slot.busy = slot.used = true;
  slot.owner = queued.job.owner;
  JobReport report;
  report.submitted_ns = queued.submitted_ns;
  report.started_ns = options_.clock.monotonic_ns();
  if (queued.job.keep_ns) keep_ns = *queued.job.keep_ns;
  runtime::StopStrings stops(queued.job.stops);
  running_.emplace(*id, Running{std::move(queued), *chosen, false,
                                model::Detokenizer(*options_.served->tokenizer), std::move(stops),
                                std::move(report)});
  return true;
}

void LoadedModel::finish(runtime::RequestId id) {
  const auto found = running_.find(id);
  engine_->cancel(id);
  Slot& slot = slots_[found->second.slot];
  slot.busy = false;
  slot.last_used_ns = last_used_ns = options_.clock.monotonic_ns();
  running_.erase(found);
}

void LoadedModel::cancel(JobId job) {
  for (const auto& [id, running] : running_) {
    if (running.queued.id == job) return finish(id);
  }
}

void LoadedModel::hold(JobId job, bool held) {
  for (auto& [id, running] : running_) {
    if (running.queued.id != job) continue;
    running.held = held;
    engine_->hold(id, held);
  }
}

void LoadedModel::step() {
  auto events = engine_->step();
  if (events.ok()) {
    for (const runtime::TokenEvent& event : *events) deliver(event);
    return;
  }
  // The pass failed as a whole: what was in it has ended, the rest goes on.
  std::vector<runtime::RequestId> ended;
  for (const auto& [id, running] : running_) {
    if (!engine_->runs(id)) ended.push_back(id);
  }
  for (const runtime::RequestId id : ended) {
    running_.at(id).queued.job.sink->failed(events.error());
    finish(id);
  }
}

void LoadedModel::fail_all(const Error& error) {
  while (!running_.empty()) {
    running_.begin()->second.queued.job.sink->failed(error);
    finish(running_.begin()->first);
  }
}

void LoadedModel::deliver(const runtime::TokenEvent& event) {
  const auto found = running_.find(event.request);
  if (found == running_.end()) return;
  Running& running = found->second;
  JobSink& sink = *running.queued.job.sink;
  if (event.error) {
    sink.failed(*event.error);
    return finish(event.request);
  }
  const int64_t now = options_.clock.monotonic_ns();
  JobReport& report = running.report;
  if (report.first_token_ns == 0) report.first_token_ns = now;
  report.counts = event.counts;
  const bool ends = event.finish == runtime::FinishReason::kStop;
  std::string text;
  if (!ends) text = running.stops.push(running.text.push(event.token));
  const bool last = event.finish != runtime::FinishReason::kNone || running.stops.stopped();
  if (last && !running.stops.stopped()) text += running.stops.push(running.text.finish());
  if (last && !running.stops.stopped()) text += running.stops.finish();
  sink.piece({text, event.token, ends, event.likelihoods});
  if (!last) return;
  if (running.stops.stopped()) {
    report.finish = JobFinish::kStopString;
    report.stop_string = running.stops.found();
  } else if (event.finish == runtime::FinishReason::kLength) {
    report.finish = JobFinish::kLength;
  } else if (event.finish == runtime::FinishReason::kContext) {
    report.finish = JobFinish::kContext;
  }
  report.ended_ns = now;
  sink.done(report);
  finish(event.request);
}

}  // namespace freehold::server
