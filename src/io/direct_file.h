#pragma once
// The machine's DirectFile and the queues that read it. Internal to io: others go through
// ReadableFile::open_direct() and FileSystem::make_read_queue().

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/descriptor.h"
#include "io/file.h"
#include "io/read_queue.h"

namespace freehold::io {

class SystemDirectFile final : public DirectFile {
 public:
  /// Opens the file behind `descriptor` again, whatever `path` names by now.
  static Result<std::unique_ptr<DirectFile>> reopen(int descriptor, const std::string& path);
  SystemDirectFile(Descriptor descriptor, std::string path, uint64_t size, size_t alignment,
                   bool is_direct)
      : descriptor_(std::move(descriptor)),
        path_(std::move(path)),
        size_(size),
        alignment_(alignment),
        is_direct_(is_direct) {}

  uint64_t size() const override { return size_; }
  Result<FileIdentity> identity() override;
  const std::string& path() const override { return path_; }
  size_t alignment() const override { return alignment_; }
  bool is_direct() const override { return is_direct_.load(std::memory_order_relaxed); }

  int descriptor() const { return descriptor_.get(); }
  /// Some file systems take O_DIRECT and refuse the first read: from now on through the page cache.
  void give_up_direct();
  /// Gives back what a read left in the page cache.
  void drop_behind(uint64_t offset, size_t bytes) const;

 private:
  Descriptor descriptor_;
  std::string path_;
  uint64_t size_;
  size_t alignment_;
  std::atomic<bool> is_direct_;
};

/// A read as its backend sees it: what has arrived and what is to be asked next.
class ReadProgress {
 public:
  ReadProgress() = default;
  explicit ReadProgress(const QueuedRead& read) : read_(read) {}

  const QueuedRead& read() const { return read_; }
  SystemDirectFile& file() const { return *static_cast<SystemDirectFile*>(read_.file); }
  uint64_t next_offset() const { return read_.offset + done_; }
  std::span<std::byte> next() const { return read_.into.subspan(done_); }

  /// Takes a call's result, -errno or bytes. True where the read is over; `status` is its outcome
  /// then, else next() is to be asked.
  bool take(int64_t result, Status& status);

 private:
  QueuedRead read_;
  size_t done_ = 0;
};

/// kRefused, with the system's reason, where the kernel gives this process no ring.
Result<std::unique_ptr<ReadQueue>> make_uring_read_queue(ReadQueueOptions options);
Result<std::unique_ptr<ReadQueue>> make_thread_read_queue(ReadQueueOptions options);

}  // namespace freehold::io
