#pragma once
// A disk in memory that fails when told to: the twin of the machine's files for tests and
// simulations. It keeps two states, what programs see and what would survive a power loss, and
// moves data from one to the other only when a file or a directory is synced. Faults come from a
// script (fail, set_capacity, lose_power_after) or from a seed (set_random_faults). Not a model of
// any one file system: after a power loss it keeps an arbitrary part of what was not synced, as
// POSIX allows. Any thread may call; files stay usable after the disk object is gone.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/file.h"
#include "io/read_queue.h"

namespace freehold::io {

enum class DiskOperation {
  kOpen,
  kRead,
  kCreate,
  kAppend,
  kSync,
  kRename,
  kRemove,
  kTruncate,
  kMakeDirectory,
  kList,
  kStat,
  kSyncDirectory,
  kFreeBytes,
  kLock
};

/// One scripted fault. Matching calls are counted; after `skip` of them the next `times` fail.
struct DiskFault {
  DiskOperation operation = DiskOperation::kRead;
  int error =
      5;  ///< An errno value; EIO unless said. EINTR interrupts the call, which is repeated.
  std::string path_contains = {};
  uint64_t skip = 0;
  uint64_t times = 1;
};

class SimulatedFileSystem final : public FileSystem {
 public:
  SimulatedFileSystem();
  ~SimulatedFileSystem() override;

  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> create(const std::string& path, WriteMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status truncate(const std::string& path, uint64_t bytes) override;
  Status make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<FileIdentity> stat(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  /// Never sleeps: a lock held elsewhere is nullptr at once, after `on_wait` was called.
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, int wait_ms) override;
  /// Reads are made when they are waited for, in an order that set_read_order picks.
  Result<std::unique_ptr<ReadQueue>> make_read_queue(ReadBackend backend,
                                                     ReadQueueOptions options) override;

  // What a test does behind the program's back. None of these fail or count as operations.

  /// Puts a file there, durable, with all parents; open files of that path see the new content.
  void put(const std::string& path, std::string_view content);
  /// Content as programs see it. The file must be there.
  std::string content(const std::string& path) const;
  bool exists(const std::string& path) const;
  /// Every file's path, sorted.
  std::vector<std::string> all_files() const;

  /// Calls move at most `bytes` at a time (0: as asked), so that every loop is walked.
  void set_bytes_per_call(size_t bytes);
  void fail(DiskFault fault);
  /// Reads in flight finish in an order picked by `seed`; 0: as they were submitted.
  void set_read_order(uint64_t seed);
  /// Flips bit `bit` of byte `offset` in every read of the file from now on, while the file itself
  /// and its identity stay as they are: a failing cable or memory.
  void flip_on_the_way(const std::string& path, uint64_t offset, int bit);
  /// Overwrites bytes of a file in place.
  void overwrite(const std::string& path, uint64_t offset, std::string_view bytes);
  /// Each operation fails with EIO with this probability, by `seed`.
  void set_random_faults(uint64_t seed, float probability);
  void clear_faults();
  void set_capacity(uint64_t bytes);
  void set_read_only(bool read_only);
  /// Called by lock() when it would have to wait; may release the lock.
  void set_on_wait(std::function<void()> on_wait);

  /// After this many more changing operations the power goes: that operation and all later calls
  /// fail until restart().
  void lose_power_after(uint64_t changes);
  bool power_lost() const;
  /// The machine comes back: synced data is there; of everything else, what `seed` picks (appended
  /// bytes torn at any byte or overwritten with noise, directory changes kept or lost one by one).
  void restart(uint64_t seed);
  /// Changing operations so far.
  uint64_t changes() const;

 private:
  struct Disk;
  class Reader;
  class Direct;
  class Queue;
  class Writer;
  class Lock;
  std::shared_ptr<Disk> disk_;
};

}  // namespace freehold::io
