#pragma once
// The models of this server and everything that is asked of them. One thread of its own owns what
// is loaded: it loads models when they are wanted, gives their memory back when they are idle or
// another needs it, and runs passes, of each model in turn, for all answers at once. Everything
// else calls from any thread and never waits for it.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "device/thread.h"
#include "server/host/job.h"
#include "server/host/loaded_model.h"
#include "server/metrics.h"

namespace freehold::server {

class Host {
 public:
  struct Options {
    io::FileSystem& files;
    base::Clock& clock;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    Metrics& metrics;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    /// A name to its file. Any thread.
    std::function<Result<store::FoundModel>(const std::string& name)> find;
    uint64_t memory = runtime::Budget::kUnlimited;  // for the whole process
    uint64_t context = 8192;
    size_t slots = 8;        // answers of one model at a time
    size_t queue_max = 512;  // waiting for a slot, of all models
    int64_t keep_ns =
        int64_t{300} * 1'000'000'000;  // an idle model stays so long; negative: for good
  };

  /// What is in memory, for people.
  struct LoadedInfo {
    std::string name;
    std::string sha256;
    uint64_t bytes = 0;
    uint64_t context = 0;
    size_t running = 0;
    int64_t idle_for_ns = 0;
    int64_t keep_ns = 0;  // negative: for good
    bool streams = false;
  };

  static Result<std::unique_ptr<Host>> create(Options options);
  /// Half made: create() is the way in.
  explicit Host(Options options) : options_(std::move(options)) {}
  ~Host();

  /// What is known of a model, read now or lately.
  Result<std::shared_ptr<const ServedModel>> open(const std::string& name);
  /// Nothing where the queue is full.
  std::optional<JobId> submit(Job job);
  /// Frees what the job holds, within a token. Its sink is called no more.
  void cancel(JobId job);
  /// A held job keeps its place and gets no tokens.
  void hold(JobId job, bool held);
  /// Loads a model, which then stays. What became of it: pin_failure(), or it is in loaded().
  void pin(std::shared_ptr<const ServedModel> model);
  std::optional<Error> pin_failure() const;
  /// Gives a model's memory back when its answers have ended; false where it is not loaded.
  bool unload(const std::string& name);
  std::vector<LoadedInfo> loaded() const;
  /// Ends everything that runs or waits with `why`, and takes no more.
  void stop(const Error& why);

 private:
  struct Cancel {
    JobId job;
  };
  struct Hold {
    JobId job;
    bool held;
  };
  struct Pin {
    std::shared_ptr<const ServedModel> model;
  };
  struct Unload {
    std::string name;
  };
  using Command = std::variant<QueuedJob, Cancel, Hold, Pin, Unload>;

  void post(Command command);
  void run();
  std::vector<Command> wait_for_commands();
  void apply(Command command);
  void pin_now(const std::shared_ptr<const ServedModel>& served);
  void cancel_now(JobId job);
  void start_waiting();
  size_t running() const;
  enum class Started { kYes, kLater, kFailed };
  Started start(QueuedJob& queued);
  Result<LoadedModel*> ensure_loaded(const std::shared_ptr<const ServedModel>& served);
  Result<std::unique_ptr<LoadedModel>> load(const std::shared_ptr<const ServedModel>& served);
  Result<runtime::MemoryPlan> plan(const runtime::Model& model, uint64_t& positions);
  bool evict_one();
  void unload_idle();
  void publish();
  int64_t next_wake_ns() const;

  Options options_;
  std::atomic<bool> stopping_{false};  // ends a loading

  mutable std::mutex mutex_;  // what follows, up to the next blank line
  std::condition_variable wake_;
  std::deque<Command> commands_;
  std::vector<LoadedInfo> info_;
  size_t waiting_count_ = 0;  // of jobs submitted and not started
  JobId next_job_ = 1;
  bool stopped_ = false;
  std::optional<Error> why_stopped_;
  std::optional<Error> pin_failure_;

  std::mutex texts_mutex_;
  std::vector<std::shared_ptr<const ServedModel>> texts_;  // the latest used last

  // The model thread's.
  std::deque<QueuedJob> waiting_;
  bool slots_freed_ = false;  // by the latest pass
  std::vector<std::unique_ptr<LoadedModel>> loaded_;
  uint64_t held_at_start_ = 0;

  device::Thread thread_;
};

}  // namespace freehold::server
