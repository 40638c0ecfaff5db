#pragma once
// Files as an argument: reading and writing through interfaces, with the machine's files behind
// them or a simulated disk (io/simulated_file_system.h) that can fail, fill up and lose power.
// Nothing here maps a file: whoever reads owns the bytes. All calls may come from any thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/read_queue.h"

namespace freehold::io {

/// What tells one version of a file from another (device, inode, size, modification time).
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// A file opened for reading at any offset.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  /// Reads up to into.size() bytes at `offset`; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) = 0;
  /// Identity when it was opened.
  virtual const FileIdentity& opened_as() const = 0;
  uint64_t size() const { return opened_as().size; }
  /// Identity now, asked from the file system again.
  virtual Result<FileIdentity> identity() = 0;
  /// The path it was opened by, for messages.
  virtual const std::string& path() const = 0;
  /// The same file (not whatever the path names by now), for reads through a ReadQueue.
  virtual Result<std::unique_ptr<DirectFile>> open_direct() = 0;

  /// Fills `into` whole, or fails: kDamaged where the file ends before that.
  Status read_exactly(uint64_t offset, std::span<std::byte> into);
  /// kDamaged where it is not what it was when it was opened.
  Status check_unchanged();
};

/// A file being written from its start or its end. A program that dies leaves what it appended, and
/// only what was synced is sure to outlive a power loss.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status append(std::span<const std::byte> bytes) = 0;
  /// On stable storage when it returns.
  virtual Status sync() = 0;
  virtual Status close() = 0;
  virtual uint64_t size() const = 0;
};

enum class WriteMode {
  kCreateNew,      ///< Fails where the file exists.
  kCreatePrivate,  ///< The same, for its owner's eyes only (mode 0600).
  kTruncate,
  kAppend
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size = 0;
};

/// A lock on a path between processes, let go when this object or the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// A tree of files. Errors: kNotFound for what is not there, kRefused for what may not be touched
/// (permissions, read-only), kFailed for the rest (no space, I/O), each with the path.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> create(const std::string& path, WriteMode mode) = 0;
  /// Replaces `to` in one step that a crash cannot split; both in one file system.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// A file, or a directory that is empty.
  virtual Status remove(const std::string& path) = 0;
  /// Cuts a file to its first `bytes`, which it has at least. Not synced.
  virtual Status truncate(const std::string& path, uint64_t bytes) = 0;
  /// With all parents, on stable storage when it returns; fine where it is there.
  virtual Status make_directories(const std::string& path) = 0;
  /// Sorted by name. A symbolic link is listed as a file, so that no walk leaves the tree.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual Result<FileIdentity> stat(const std::string& path) = 0;
  /// Entries of the directory are on stable storage when it returns (after create, rename, remove).
  virtual Status sync_directory(const std::string& path) = 0;
  /// Bytes an ordinary user may still write below `path`.
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
  /// The exclusive lock of the file `path` (made where missing), waiting at most `wait_ms` for
  /// another holder; nullptr where that is not enough.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, int wait_ms) = 0;
  /// A queue for the DirectFiles of this file system's files.
  virtual Result<std::unique_ptr<ReadQueue>> make_read_queue(ReadBackend backend,
                                                             ReadQueueOptions options) = 0;
};

/// The machine's files.
std::unique_ptr<FileSystem> make_system_files();

/// `path` without its last part: "a/b" to "a", "/b" to "/", "b" to ".".
std::string parent_path(const std::string& path);

/// All of a small file, at most `bytes_max`; larger is refused.
Result<std::string> read_small_file(FileSystem& files, const std::string& path, uint64_t bytes_max);

}  // namespace freehold::io
