#pragma once
// Many large reads in flight: what streaming weights from a disk needs. A DirectFile is a file
// opened so that reads go around the page cache where the file system allows it; a ReadQueue keeps
// several reads of such files going and hands them back as they finish, in any order. Two backends
// of the machine (io_uring, and threads that pread) and the simulated disk's; all pass one suite.
// No threads of its own: where a backend needs some, the owner lends them (serve()).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace freehold::io {

struct FileIdentity;

/// A file opened for large aligned reads. Any thread.
class DirectFile {
 public:
  virtual ~DirectFile() = default;
  /// Size when it was opened.
  virtual uint64_t size() const = 0;
  /// Identity now, asked from the file system again.
  virtual Result<FileIdentity> identity() = 0;
  virtual const std::string& path() const = 0;
  /// Offsets, lengths and addresses of reads are multiples of this: a power of two, at least 512.
  virtual size_t alignment() const = 0;
  /// False where the file system has no direct reads (tmpfs, some network and overlay systems):
  /// then reads go through the page cache, and what was read is dropped from it behind them.
  virtual bool is_direct() const = 0;
};

/// One read. The queue owns nothing of it; `into` stays untouched by others until it is finished.
struct QueuedRead {
  DirectFile* file = nullptr;
  uint64_t offset = 0;
  std::span<std::byte> into;  // all aligned
  /// Bytes from `offset` that must arrive: an aligned read may reach beyond the end of the file.
  size_t bytes_needed = 0;
  uint64_t tag = 0;  // the owner's own
};

/// kDamaged where the file ended before bytes_needed, kFailed for what the disk said.
struct FinishedRead {
  uint64_t tag = 0;
  Status status;
};

/// One owner submits and waits; it may not do both at once from two threads.
class ReadQueue {
 public:
  virtual ~ReadQueue() = default;
  /// "io_uring", "pread" or "simulated", for messages and statistics.
  virtual const char* name() const = 0;
  /// Most reads in flight.
  virtual size_t depth() const = 0;
  /// Starts a read; never blocks on the disk. More than depth() in flight is a bug. kFailed where
  /// the system refuses; the read is then not in flight.
  virtual Status submit(const QueuedRead& read) = 0;
  /// Blocks until at least one read in flight is finished; fills `finished` from its start and says
  /// how many. Short reads are continued, interrupted ones repeated, before it says finished. None
  /// in flight is a bug.
  virtual size_t wait(std::span<FinishedRead> finished) = 0;
  /// The same without blocking: 0 where nothing is finished, or nothing in flight.
  virtual size_t poll(std::span<FinishedRead> finished) = 0;
  /// Most threads that the owner should lend: each calls serve(), which returns after close().
  virtual size_t serving_threads() const = 0;
  virtual void serve() = 0;
  /// Ends serve(). Reads in flight are finished or given up first; none may be submitted later.
  virtual void close() = 0;
};

struct ReadQueueOptions {
  size_t depth = 16;
  /// Drives that reads go to: backends with threads have enough for each.
  size_t drives = 1;
  /// Where reads will go, if it is one block: some backends register it with the kernel. Advice.
  std::span<std::byte> memory = {};
};

enum class ReadBackend {
  kAuto,   ///< io_uring where the kernel lets this process have it, else threads.
  kUring,  ///< kRefused, with the system's reason, where it is not to be had.
  kThreads
};

}  // namespace freehold::io
