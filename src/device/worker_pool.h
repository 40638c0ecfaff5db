#pragma once
// The process's one pool of compute threads: a pass of a model runs as a row of parallel regions,
// each a number of tasks that workers claim one by one. Which worker computes a task never matters
// to the bits (docs/NUMERICS.md, section 0). Not for I/O: io and server own threads through
// device::Thread. One caller at a time; the caller is worker 0 and computes too.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/result.h"

namespace freehold::device {

class WorkerPool {
  struct State;

 public:
  struct Options {
    size_t threads = 0;  ///< 0: physical cores this process may use.
    bool pin = false;    ///< Bind each worker but the caller to one core.
  };

  /// Starts the workers. kUsage for absurd numbers; kFailed where the system gives no threads, does
  /// not let them be pinned, or this process computes in another way than the profile demands.
  static Result<std::unique_ptr<WorkerPool>> create(Options options);
  explicit WorkerPool(std::unique_ptr<State> state);  ///< For create() alone.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Workers, the caller included.
  size_t size() const;

  /// Calls `work(task, worker)` once for every task in [0, tasks), on any worker, and returns when
  /// all are done. No allocation and no lock while workers spin; they park after a short while
  /// idle. `work` must not throw and must not call run(): that, or a second caller at the same
  /// time, is a bug and ends the process.
  template <class Work>
  void run(size_t tasks, Work&& work) {
    region(tasks, false,
           [&work](size_t task, std::optional<size_t>, size_t worker) { work(task, worker); });
  }

  /// The same with `work(task, next, worker)`, where `next` is the task that this worker computes
  /// after this one, so that it can ask for that task's memory. Near the end, where knowing it
  /// would mean that one worker waits for another's second task, there is none.
  template <class Work>
  void run_ahead(size_t tasks, Work&& work) {
    region(tasks, true, work);
  }

 private:
  using Erased = void (*)(void* context, size_t task, std::optional<size_t> next, size_t worker);
  template <class Work>
  void region(size_t tasks, bool ahead, Work&& work) {
    if (tasks == 0) return;
    if (tasks == 1 || size() == 1) {
      for (size_t task = 0; task < tasks; ++task) {
        work(task, task + 1 < tasks ? std::optional(task + 1) : std::nullopt, size_t{0});
      }
      return;
    }
    using Bare = std::remove_reference_t<Work>;
    run_erased(
        tasks, ahead,
        [](void* context, size_t task, std::optional<size_t> next, size_t worker) {
          (*static_cast<Bare*>(context))(task, next, worker);
        },
        const_cast<void*>(static_cast<const void*>(&work)));
  }
  void run_erased(size_t tasks, bool ahead, Erased work, void* context);
  std::unique_ptr<State> state_;
};

/// Physical cores this process may run on (affinity mask and cgroup quota honoured), at least 1.
size_t physical_cores();

}  // namespace freehold::device
