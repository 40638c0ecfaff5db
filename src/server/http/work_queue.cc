#include "server/http/work_queue.h"

namespace freehold::server {

Status WorkQueue::start(size_t threads) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.push_back(TRY(device::Thread::create("handler", [this] { work(); })));
  }
  return {};
}

bool WorkQueue::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void WorkQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  tasks_.clear();
}

void WorkQueue::work() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopped_ || !tasks_.empty(); });
      if (stopped_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace freehold::server
