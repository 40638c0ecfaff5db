#include "server/host/host.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "device/memory.h"
#include "server/host/fair_order.h"

namespace freehold::server {

namespace {

/// Tokenizers and templates kept for names that were asked for lately.
constexpr size_t kTextsMax = 4;
constexpr size_t kPassColumnsMax = 512;
constexpr size_t kPassColumnsMin = 32;

}  // namespace

Result<std::unique_ptr<Host>> Host::create(Options options) {
  auto host = std::make_unique<Host>(std::move(options));
  host->held_at_start_ = device::resident_bytes();
  host->thread_ = TRY(device::Thread::create("models", [host = host.get()] { host->run(); }));
  return host;
}

Host::~Host() {
  stop({ErrorCode::kInterrupted, "the server is stopping", "ask again when it is back"});
}

// --- From any thread --------------------------------------------------------------------------

Result<std::shared_ptr<const ServedModel>> Host::open(const std::string& name) {
  store::FoundModel found = TRY(options_.find(name));
  const std::lock_guard lock(texts_mutex_);
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto one = texts_[i];
    if (one->name != name || one->path != found.path || one->settings != found.settings) continue;
    std::rotate(texts_.begin() + static_cast<std::ptrdiff_t>(i),
                texts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, texts_.end());
    return one;
  }
  std::shared_ptr<const ServedModel> served =
      TRY(open_served_model(options_.files, name, std::move(found), options_.context));
  texts_.push_back(served);
  if (texts_.size() > kTextsMax) texts_.erase(texts_.begin());
  return served;
}

void Host::post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    commands_.push_back(std::move(command));
  }
  wake_.notify_one();
}

std::optional<JobId> Host::submit(Job job) {
  JobId id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || waiting_count_ >= options_.queue_max) return std::nullopt;
    ++waiting_count_;
    id = next_job_++;
    commands_.push_back(QueuedJob{id, std::move(job), options_.clock.monotonic_ns()});
  }
  wake_.notify_one();
  return id;
}

void Host::cancel(JobId job) { post(Cancel{job}); }
void Host::hold(JobId job, bool held) { post(Hold{job, held}); }
void Host::pin(std::shared_ptr<const ServedModel> model) { post(Pin{std::move(model)}); }

bool Host::unload(const std::string& name) {
  const auto all = loaded();
  const bool there =
      std::any_of(all.begin(), all.end(), [&](const LoadedInfo& one) { return one.name == name; });
  if (there) post(Unload{name});
  return there;
}

std::vector<Host::LoadedInfo> Host::loaded() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

void Host::stop(const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) why_stopped_ = why;
    stopped_ = true;
  }
  stopping_ = true;
  wake_.notify_one();
  thread_.join();
}

// --- The model thread -------------------------------------------------------------------------

void Host::run() {
  for (;;) {
    for (Command& command : wait_for_commands()) apply(std::move(command));
    if (stopping_.load()) break;
    start_waiting();
    const size_t before = running();
    for (const auto& model : loaded_) {
      if (model->runnable()) model->step();
    }
    slots_freed_ = running() < before;
    unload_idle();
    publish();
  }
  const Error why = *why_stopped_;
  for (const auto& model : loaded_) model->fail_all(why);
  for (const QueuedJob& queued : waiting_) queued.job.sink->failed(why);
  waiting_.clear();
  loaded_.clear();
  publish();
}

size_t Host::running() const {
  size_t count = 0;
  for (const auto& model : loaded_) count += model->running();
  return count;
}

std::vector<Host::Command> Host::wait_for_commands() {
  const bool busy = (slots_freed_ && !waiting_.empty()) ||
                    std::any_of(loaded_.begin(), loaded_.end(),
                                [](const auto& model) { return model->runnable(); });
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopped_ || !commands_.empty(); };
  if (!busy) {
    const int64_t until = next_wake_ns();
    if (until < 0) {
      wake_.wait(lock, ready);
    } else {
      wake_.wait_for(lock, std::chrono::nanoseconds(until), ready);
    }
  }
  std::vector<Command> taken(std::make_move_iterator(commands_.begin()),
                             std::make_move_iterator(commands_.end()));
  commands_.clear();
  return taken;
}

/// How long until an idle model's time is over; negative: none is.
int64_t Host::next_wake_ns() const {
  int64_t next = -1;
  for (const auto& model : loaded_) {
    if (model->running() > 0 || model->keep_ns < 0) continue;
    const int64_t left =
        std::max<int64_t>(0, model->last_used_ns + model->keep_ns - options_.clock.monotonic_ns());
    if (next < 0 || left < next) next = left;
  }
  return next;
}

void Host::apply(Command command) {
  if (auto* queued = std::get_if<QueuedJob>(&command)) {
    waiting_.push_back(std::move(*queued));
  } else if (const auto* cancelled = std::get_if<Cancel>(&command)) {
    cancel_now(cancelled->job);
  } else if (const auto* held = std::get_if<Hold>(&command)) {
    for (const auto& model : loaded_) model->hold(held->job, held->held);
  } else if (const auto* pinned = std::get_if<Pin>(&command)) {
    pin_now(pinned->model);
  } else if (const auto* unloaded = std::get_if<Unload>(&command)) {
    for (const auto& model : loaded_) {
      if (model->served().name == unloaded->name) model->keep_ns = 0;
    }
  }
}

void Host::pin_now(const std::shared_ptr<const ServedModel>& served) {
  const auto model = ensure_loaded(served);
  if (model.ok() && *model != nullptr) {
    (*model)->keep_ns = -1;
    return;
  }
  const std::lock_guard lock(mutex_);
  pin_failure_ = model.ok()
                     ? Error{ErrorCode::kRefused, "the models that are to stay do not fit together",
                             "give more --memory or fewer of them"}
                     : model.error();
}

std::optional<Error> Host::pin_failure() const {
  const std::lock_guard lock(mutex_);
  return pin_failure_;
}

void Host::cancel_now(JobId job) {
  for (const auto& model : loaded_) model->cancel(job);
  const size_t before = waiting_.size();
  std::erase_if(waiting_, [job](const QueuedJob& queued) { return queued.id == job; });
  const std::lock_guard lock(mutex_);
  waiting_count_ -= before - waiting_.size();
}

void Host::start_waiting() {
  if (waiting_.empty()) return;
  std::map<std::string, size_t, std::less<>> running;
  for (const auto& model : loaded_) model->count_owners(running);
  std::vector<std::string_view> owners;
  for (const QueuedJob& queued : waiting_) owners.push_back(queued.job.owner);
  std::vector<bool> gone(waiting_.size());
  std::vector<const ServedModel*> full;  // models that have no place now
  for (const size_t i : fair_order(owners, running)) {
    QueuedJob& queued = waiting_[i];
    const ServedModel* model = queued.job.model.get();
    if (std::find(full.begin(), full.end(), model) != full.end()) continue;
    switch (start(queued)) {
      case Started::kLater:
        full.push_back(model);
        break;
      case Started::kYes:
      case Started::kFailed:
        gone[i] = true;
    }
  }
  std::deque<QueuedJob> left;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (!gone[i]) left.push_back(std::move(waiting_[i]));
  }
  waiting_.swap(left);
  const std::lock_guard lock(mutex_);
  waiting_count_ -= left.size() - waiting_.size();
}

Host::Started Host::start(QueuedJob& queued) {
  const auto sink = queued.job.sink;
  const auto model = ensure_loaded(queued.job.model);
  if (!model.ok()) {
    sink->failed(model.error());
    return Started::kFailed;
  }
  if (*model == nullptr) return Started::kLater;
  const auto started = (*model)->start(queued);
  if (!started.ok()) {
    sink->failed(started.error());
    return Started::kFailed;
  }
  return *started ? Started::kYes : Started::kLater;
}

/// nullptr where there is no room for it as long as others work.
Result<LoadedModel*> Host::ensure_loaded(const std::shared_ptr<const ServedModel>& served) {
  for (const auto& model : loaded_) {
    const ServedModel& there = model->served();
    const bool same = there.path == served->path && there.identity == served->identity &&
                      there.context == served->context;
    if (same) return model.get();
  }
  auto made = load(served);
  if (!made.ok()) {
    const bool others_work = std::any_of(loaded_.begin(), loaded_.end(),
                                         [](const auto& model) { return model->running() > 0; });
    if (made.error().code == ErrorCode::kRefused && others_work) {
      return static_cast<LoadedModel*>(nullptr);
    }
    return std::move(made).error();
  }
  loaded_.push_back(std::move(made).value());
  options_.metrics.count_load();
  publish();
  return loaded_.back().get();
}

/// As many positions as fit beside all weights, from one request's to all slots'.
Result<runtime::MemoryPlan> Host::plan(const runtime::Model& model, uint64_t& positions) {
  runtime::Budget budget;
  budget.bytes = options_.memory;
  // What others were promised counts, even where they have not touched it yet.
  uint64_t promised = held_at_start_;
  for (const auto& other : loaded_) promised += other->plan().total() - other->plan().held;
  budget.held = std::max(device::resident_bytes(), promised);
  runtime::Workload workload{.cache_type = options_.cache_type,
                             .positions = positions,
                             .sequences = options_.slots + 1,
                             .columns_max = kPassColumnsMax,
                             .columns_min = kPassColumnsMin,
                             .logits_max = options_.slots,
                             .threads = options_.pool.size()};
  const uint64_t least = positions / options_.slots;
  for (; positions > least; positions = std::max(least, positions / 2)) {
    workload.positions = positions;
    auto plan = runtime::plan_memory(model, workload, budget);
    if (plan.ok() && !plan->streams()) return plan;
  }
  workload.positions = positions;
  return runtime::plan_memory(model, workload, budget);
}

Result<std::unique_ptr<LoadedModel>> Host::load(const std::shared_ptr<const ServedModel>& served) {
  auto file =
      std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(options_.files, served->path)));
  auto model = TRY(runtime::Model::open(std::move(file)));
  uint64_t positions = served->context * options_.slots;
  auto planned = plan(*model, positions);
  // Idle models make room, the one unused for longest first, before weights are streamed.
  while ((!planned.ok() || planned->streams()) && evict_one()) {
    positions = served->context * options_.slots;
    planned = plan(*model, positions);
  }
  runtime::MemoryPlan memory = TRY(std::move(planned));
  TRY(model->load_weights(memory.layout, {.account = options_.account,
                                          .pool = options_.pool,
                                          .stop = &stopping_,
                                          .files = &options_.files,
                                          .streaming = {.ring_bytes = memory.ring,
                                                        .expert_bytes = memory.expert_slots,
                                                        .clock = &options_.clock}}));
  auto loaded = TRY(LoadedModel::create({.served = served,
                                         .model = std::move(model),
                                         .plan = std::move(memory),
                                         .pool = options_.pool,
                                         .account = options_.account,
                                         .clock = options_.clock,
                                         .isa = options_.isa,
                                         .cache_type = options_.cache_type,
                                         .positions = positions,
                                         .slots = options_.slots}));
  loaded->keep_ns = options_.keep_ns;
  loaded->last_used_ns = options_.clock.monotonic_ns();
  return loaded;
}

bool Host::evict_one() {
  auto oldest = loaded_.end();
  for (auto model = loaded_.begin(); model != loaded_.end(); ++model) {
    if ((*model)->running() > 0 || (*model)->keep_ns < 0) continue;
    if (oldest == loaded_.end() || (*model)->last_used_ns < (*oldest)->last_used_ns) {
      oldest = model;
    }
  }
  if (oldest == loaded_.end()) return false;
  loaded_.erase(oldest);
  options_.metrics.count_unload();
  return true;
}

void Host::unload_idle() {
  const int64_t now = options_.clock.monotonic_ns();
  std::erase_if(loaded_, [&](const auto& model) {
    const bool over =
        model->running() == 0 && model->keep_ns >= 0 && now - model->last_used_ns >= model->keep_ns;
    if (over) options_.metrics.count_unload();
    return over;
  });
}

void Host::publish() {
  std::vector<LoadedInfo> all;
  size_t running = 0;
  double cache = 0;
  const int64_t now = options_.clock.monotonic_ns();
  for (const auto& model : loaded_) {
    LoadedInfo info;
    info.name = model->served().name;
    info.sha256 = model->served().sha256();
    info.bytes = model->plan().total() - model->plan().held;
    info.context = model->served().context;
    info.running = model->running();
    info.idle_for_ns = info.running > 0 ? 0 : now - model->last_used_ns;
    info.keep_ns = model->keep_ns;
    info.streams = model->plan().streams();
    running += info.running;
    cache = std::max(cache, model->cache_share());
    all.push_back(std::move(info));
  }
  options_.metrics.set_load(running, waiting_.size(), cache, loaded_.size());
  const std::lock_guard lock(mutex_);
  info_ = std::move(all);
}

}  // namespace freehold::server
