#pragma once
// Where the store's files are, and the few steps on them that must not be half done. Internal to
// store.
//
//   HOME/blobs/sha256-HEX            a model's bytes; once there, never changed
//   HOME/blobs/sha256-HEX.crc32c     its panels' checksums (io/panel_checksums.h), there before it
//   HOME/models/NAME/TAG.json        a name, written last
//   HOME/tmp/sha256-HEX/…            a pull under way, or interrupted and kept to go on
//   HOME/tmp/import                  an import under way
//   HOME/locks/…                     empty files to lock; never removed

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"
#include "store/name.h"
#include "store/observer.h"

namespace freehold::store {

class StorePaths {
 public:
  explicit StorePaths(std::string home) : home_(std::move(home)) {}
  const std::string& home() const { return home_; }
  std::string blobs() const { return home_ + "/blobs"; }
  std::string blob(const std::string& sha256) const { return blobs() + "/sha256-" + sha256; }
  std::string models() const { return home_ + "/models"; }
  std::string model(const ModelName& name) const { return models() + "/" + name.name; }
  std::string record(const ModelName& name) const { return model(name) + "/" + name.tag + ".json"; }
  std::string temporary() const { return home_ + "/tmp"; }
  std::string work(const std::string& sha256) const { return temporary() + "/sha256-" + sha256; }
  std::string import_work() const { return temporary() + "/import"; }
  std::string locks() const { return home_ + "/locks"; }
  std::string store_lock() const { return locks() + "/store"; }
  std::string import_lock() const { return locks() + "/import"; }
  std::string pull_lock(const std::string& sha256) const { return locks() + "/sha256-" + sha256; }

 private:
  std::string home_;
};

/// Replaces `path` by `content` so that a crash at any step leaves the old or the new: written to
/// `aside` in the same folder, synced, renamed, folder synced.
Status write_durably(io::FileSystem& files, const std::string& aside, const std::string& path,
                     std::string_view content);

/// Removes a folder with all it holds, or a file; fine where there is none. Links are not followed.
Status remove_tree(io::FileSystem& files, const std::string& path);

/// Bytes of the largest file below `path`; 0 where there is none.
uint64_t largest_file(io::FileSystem& files, const std::string& path, int depth = 4);

bool exists(io::FileSystem& files, const std::string& path);

/// The lock of `path`, waited for as long as the observer lets us; `waiting` is noted once.
Result<std::unique_ptr<io::FileLock>> lock_or_wait(io::FileSystem& files, const std::string& path,
                                                   const std::string& waiting, Observer& observer);

/// kFailed with both numbers where fewer than `needed` bytes are free below `folder`.
Status check_space(io::FileSystem& files, const std::string& folder, uint64_t needed);

Error interrupted(const std::string& what, const std::string& hint);

}  // namespace freehold::store
