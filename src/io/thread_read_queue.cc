// A ReadQueue of threads that pread: for kernels and containers without io_uring.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "io/direct_file.h"

namespace freehold::io {

namespace {

/// More threads than this have not been seen to make one disk faster.
constexpr size_t kThreadsMax = 8;

class ThreadReadQueue final : public ReadQueue {
 public:
  explicit ThreadReadQueue(ReadQueueOptions options)
      : depth_(std::max<size_t>(1, options.depth)),
        threads_(std::min(depth_, kThreadsMax * std::max<size_t>(1, options.drives))) {}

  const char* name() const override { return "threads"; }
  size_t depth() const override { return depth_; }
  size_t serving_threads() const override { return threads_; }

  Status submit(const QueuedRead& read) override {
    {
      const std::lock_guard held(lock_);
      CHECK(in_flight_ < depth_ && !closed_);
      ++in_flight_;
      waiting_.push_back(read);
    }
    work_.notify_one();
    return {};
  }

  size_t wait(std::span<FinishedRead> finished) override {
    std::unique_lock held(lock_);
    CHECK(in_flight_ > 0 && !finished.empty());
    done_.wait(held, [&] { return !finished_.empty(); });
    return take(finished);
  }

  size_t poll(std::span<FinishedRead> finished) override {
    const std::lock_guard held(lock_);
    return take(finished);
  }

  void serve() override {
    std::unique_lock held(lock_);
    while (true) {
      work_.wait(held, [&] { return closed_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const QueuedRead read = waiting_.front();
      waiting_.pop_front();
      held.unlock();
      FinishedRead outcome{read.tag, read_now(read)};
      held.lock();
      finished_.push_back(std::move(outcome));
      done_.notify_one();
    }
  }

  void close() override {
    const std::lock_guard held(lock_);
    closed_ = true;
    work_.notify_all();
  }

 private:
  /// With lock_ held.
  size_t take(std::span<FinishedRead> finished) {
    size_t count = 0;
    while (count < finished.size() && !finished_.empty()) {
      finished[count++] = std::move(finished_.front());
      finished_.pop_front();
    }
    in_flight_ -= count;
    return count;
  }

  static Status read_now(const QueuedRead& read) {
    ReadProgress progress(read);
    Status status;
    while (true) {
      const std::span<std::byte> into = progress.next();
      const ssize_t got = ::pread(progress.file().descriptor(), into.data(), into.size(),
                                  static_cast<off_t>(progress.next_offset()));
      if (progress.take(got < 0 ? -errno : got, status)) return status;
    }
  }

  const size_t depth_;
  const size_t threads_;
  std::mutex lock_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<QueuedRead> waiting_;
  std::deque<FinishedRead> finished_;
  size_t in_flight_ = 0;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<ReadQueue>> make_thread_read_queue(ReadQueueOptions options) {
  return std::unique_ptr<ReadQueue>(std::make_unique<ThreadReadQueue>(options));
}

}  // namespace freehold::io
