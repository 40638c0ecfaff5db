// A ReadQueue on io_uring (Axboe, "Efficient IO with io_uring", 2019) through liburing.

#include <liburing.h>

#include <cstring>
#include <vector>

#include "base/check.h"
#include "io/direct_file.h"

namespace freehold::io {

namespace {

class UringReadQueue final : public ReadQueue {
 public:
  explicit UringReadQueue(ReadQueueOptions options)
      : depth_(std::max<size_t>(1, options.depth)), memory_(options.memory), slots_(depth_) {}
  ~UringReadQueue() override {
    if (started_) ::io_uring_queue_exit(&ring_);
  }
  UringReadQueue(const UringReadQueue&) = delete;
  UringReadQueue& operator=(const UringReadQueue&) = delete;

  Status start() {
    const int error = ::io_uring_queue_init(static_cast<unsigned>(depth_), &ring_, 0);
    if (error != 0) {
      return Error{ErrorCode::kRefused,
                   std::string("this process may not use io_uring: ") + std::strerror(-error),
                   "containers often forbid it; threads read as well (--reads threads)"};
    }
    started_ = true;
    if (!memory_.empty()) {
      const iovec whole{memory_.data(), memory_.size()};
      // A limit on locked memory may refuse: reads into memory that is not registered work too.
      registered_ = ::io_uring_register_buffers(&ring_, &whole, 1) == 0;
    }
    for (size_t i = 0; i < depth_; ++i) free_.push_back(i);
    return {};
  }

  const char* name() const override { return "io_uring"; }
  size_t depth() const override { return depth_; }
  size_t serving_threads() const override { return 0; }
  void serve() override {}
  void close() override {}

  Status submit(const QueuedRead& read) override {
    CHECK(!free_.empty());
    const size_t slot = free_.back();
    slots_[slot] = ReadProgress(read);
    TRY(ask(slot));
    free_.pop_back();
    return {};
  }

  size_t wait(std::span<FinishedRead> finished) override {
    CHECK(free_.size() < depth_ && !finished.empty());
    const size_t count = take(finished, true);
    CHECK(count > 0);
    return count;
  }

  size_t poll(std::span<FinishedRead> finished) override {
    return free_.size() == depth_ ? 0 : take(finished, false);
  }

 private:
  size_t take(std::span<FinishedRead> finished, bool blocks) {
    size_t count = 0;
    while (count < finished.size()) {
      io_uring_cqe* entry = nullptr;
      const int error = blocks && count == 0 ? ::io_uring_wait_cqe(&ring_, &entry)
                                             : ::io_uring_peek_cqe(&ring_, &entry);
      if (error == -EINTR) continue;
      if (error != 0) break;
      const auto slot = static_cast<size_t>(entry->user_data);
      const int result = entry->res;
      ::io_uring_cqe_seen(&ring_, entry);
      Status status;
      if (!slots_[slot].take(result, status)) {
        status = ask(slot);
        if (status.ok()) continue;
      }
      finished[count++] = {slots_[slot].read().tag, std::move(status)};
      free_.push_back(slot);
    }
    return count;
  }

  Status ask(size_t slot) {
    const ReadProgress& progress = slots_[slot];
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    CHECK(entry != nullptr);  // at most depth_ are asked at a time
    const std::span<std::byte> into = progress.next();
    const auto bytes = static_cast<unsigned>(into.size());
    const int file = progress.file().descriptor();
    if (is_registered(into)) {
      ::io_uring_prep_read_fixed(entry, file, into.data(), bytes, progress.next_offset(), 0);
    } else {
      ::io_uring_prep_read(entry, file, into.data(), bytes, progress.next_offset());
    }
    ::io_uring_sqe_set_data64(entry, slot);
    while (true) {
      const int sent = ::io_uring_submit(&ring_);
      if (sent >= 0) return {};
      if (sent == -EINTR || sent == -EAGAIN || sent == -EBUSY) continue;
      return system_error(-sent, "read", progress.file().path());
    }
  }

  bool is_registered(std::span<std::byte> into) const {
    return registered_ && into.data() >= memory_.data() &&
           into.data() + into.size() <= memory_.data() + memory_.size();
  }

  const size_t depth_;
  const std::span<std::byte> memory_;
  io_uring ring_{};
  bool started_ = false;
  bool registered_ = false;
  std::vector<ReadProgress> slots_;
  std::vector<size_t> free_;
};

}  // namespace

Result<std::unique_ptr<ReadQueue>> make_uring_read_queue(ReadQueueOptions options) {
  auto queue = std::make_unique<UringReadQueue>(options);
  TRY(queue->start());
  return std::unique_ptr<ReadQueue>(std::move(queue));
}

}  // namespace freehold::io
