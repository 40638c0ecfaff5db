#include "store/store_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::store {

namespace {

constexpr int kLockWait_ms = 200;
constexpr int kTreeDepthMax = 32;  // a deeper tree is none that we or pip made

Status remove_below(io::FileSystem& files, const std::string& path, int depth) {
  if (depth > kTreeDepthMax) {
    return Error{ErrorCode::kFailed, path + " is nested too deeply", "remove it by hand"};
  }
  for (const io::DirectoryEntry& entry : TRY(files.list(path))) {
    const std::string child = path + "/" + entry.name;
    if (entry.is_directory) TRY(remove_below(files, child, depth + 1));
    TRY(files.remove(child));
  }
  return {};
}

}  // namespace

Status write_durably(io::FileSystem& files, const std::string& aside, const std::string& path,
                     std::string_view content) {
  const std::unique_ptr<io::WritableFile> file = TRY(files.create(aside, io::WriteMode::kTruncate));
  TRY(file->append(std::as_bytes(std::span(content.data(), content.size()))));
  TRY(file->sync());
  TRY(file->close());
  TRY(files.rename(aside, path));
  return files.sync_directory(io::parent_path(path));
}

Status remove_tree(io::FileSystem& files, const std::string& path) {
  const Result<std::vector<io::DirectoryEntry>> listed = files.list(path);
  if (listed.ok()) TRY(remove_below(files, path, 0));
  const Status removed = files.remove(path);
  if (removed.ok() || removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

uint64_t largest_file(io::FileSystem& files, const std::string& path, int depth) {
  uint64_t largest = 0;
  const Result<std::vector<io::DirectoryEntry>> listed = files.list(path);
  if (!listed.ok()) return 0;
  for (const io::DirectoryEntry& entry : *listed) {
    const bool deeper = entry.is_directory && depth > 0;
    const uint64_t size =
        deeper ? largest_file(files, path + "/" + entry.name, depth - 1) : entry.size;
    largest = std::max(largest, size);
  }
  return largest;
}

bool exists(io::FileSystem& files, const std::string& path) { return files.stat(path).ok(); }

Result<std::unique_ptr<io::FileLock>> lock_or_wait(io::FileSystem& files, const std::string& path,
                                                   const std::string& waiting, Observer& observer) {
  std::unique_ptr<io::FileLock> lock = TRY(files.lock(path, 0));
  if (lock == nullptr) observer.on_note(waiting);
  while (lock == nullptr) {
    observer.on_progress({.phase = Phase::kWaiting});
    if (observer.cancelled()) return interrupted("stopped while waiting", "run it again");
    lock = TRY(files.lock(path, kLockWait_ms));
  }
  return lock;
}

Status check_space(io::FileSystem& files, const std::string& folder, uint64_t needed) {
  const Result<uint64_t> free = files.free_bytes(folder);
  if (!free.ok()) return free.error();
  if (*free >= needed) return {};
  return Error{ErrorCode::kFailed,
               fmt::format("no space: this needs {} more, {} has {}", base::human_bytes(needed),
                           folder, base::human_bytes(*free)),
               "free some space, or move the store to another disk with FREEHOLD_HOME"};
}

Error interrupted(const std::string& what, const std::string& hint) {
  return Error{ErrorCode::kInterrupted, what, hint};
}

}  // namespace freehold::store
