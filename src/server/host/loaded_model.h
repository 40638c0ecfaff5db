#pragma once
// A model in memory and the answers it is making: an engine with a fixed number of slots, each a
// conversation whose computed tokens the next request of the same owner may go on from. The model
// thread's alone.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "runtime/plan/memory_plan.h"
#include "runtime/sampler/stop_strings.h"
#include "server/host/job.h"

namespace freehold::server {

/// A job on its way, with when it came.
struct QueuedJob {
  JobId id = 0;
  Job job;
  int64_t submitted_ns = 0;
};

class LoadedModel {
 public:
  struct Options {
    std::shared_ptr<const ServedModel> served;
    std::unique_ptr<runtime::Model> model;  // its weights loaded
    runtime::MemoryPlan plan;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    base::Clock& clock;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    uint64_t positions = 0;
    size_t slots = 1;
  };
  static Result<std::unique_ptr<LoadedModel>> create(Options options);
  /// Half made: create() is the way in.
  explicit LoadedModel(Options options) : options_(std::move(options)) {}

  /// False where every slot, or the cache, is taken: later.
  Result<bool> start(QueuedJob& queued);
  void cancel(JobId job);
  void hold(JobId job, bool held);
  /// One pass; what it made goes to the sinks.
  void step();
  void fail_all(const Error& error);

  /// Whether a pass would compute anything.
  bool runnable() const;
  size_t running() const { return running_.size(); }
  bool has(JobId job) const;
  void count_owners(std::map<std::string, size_t, std::less<>>& owners) const;
  const ServedModel& served() const { return *options_.served; }
  const runtime::MemoryPlan& plan() const { return options_.plan; }
  double cache_share() const;

  int64_t last_used_ns = 0;
  int64_t keep_ns = 0;  // negative: for good

 private:
  struct Slot {
    runtime::ConversationId conversation{};
    std::string owner;
    bool busy = false;
    bool used = false;
    int64_t last_used_ns = 0;
  };
  struct Running {
    QueuedJob queued;
    size_t slot = 0;
    bool held = false;
    model::Detokenizer text;
    runtime::StopStrings stops;
    JobReport report;
  };

  std::optional<size_t> choose_slot(const Job& job) const;
  Status clear_slot(Slot& slot);
  Result<runtime::RequestId> submit(const Job& job, size_t slot);
  void deliver(const runtime::TokenEvent& event);
  void finish(runtime::RequestId id);

  Options options_;
  std::unique_ptr<runtime::Engine> engine_;
  std::vector<Slot> slots_;
  std::map<runtime::RequestId, Running> running_;
};

}  // namespace freehold::server
