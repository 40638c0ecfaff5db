#pragma once
// A few threads that run short tasks in order of arrival. Tasks must not wait for clients. Any
// thread may post; the owner stops it.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "device/thread.h"

namespace freehold::server {

class WorkQueue {
 public:
  WorkQueue() = default;
  ~WorkQueue() { stop(); }

  Status start(size_t threads);
  /// False where it has been stopped.
  bool post(std::function<void()> task);
  /// Runs what is running to its end, and nothing more.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::vector<device::Thread> threads_;
};

}  // namespace freehold::server
