#include "io/simulated_file_system.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/random.h"
#include "io/transfer.h"

namespace freehold::io {

namespace {

/// A file: its bytes as seen and as on stable storage.
struct Inode {
  uint64_t number = 0;
  std::string content;
  std::string durable;
  int64_t modified = 0;
};

using InodePointer = std::shared_ptr<Inode>;
using Entries = std::map<std::string, InodePointer>;  // by whole path

/// One step on directories that is not on stable storage yet; all its edits survive or none.
struct PendingChange {
  std::vector<std::pair<std::string, InodePointer>> edits;  // nullptr: entry taken away
};

/// "a//b/./c/" to "a/b/c", so that one file has one key. ".." is kept: nobody here needs it.
std::string normal_path(const std::string& path) {
  std::string normal = path.starts_with('/') ? "/" : "";
  size_t at = 0;
  while (at < path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = std::string_view(path).substr(at, end - at);
    if (!part.empty() && part != ".") {
      if (!normal.empty() && normal.back() != '/') normal += '/';
      normal += part;
    }
    at = end + 1;
  }
  return normal.empty() ? "." : normal;
}

bool is_change(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::kCreate:
    case DiskOperation::kAppend:
    case DiskOperation::kSync:
    case DiskOperation::kRename:
    case DiskOperation::kRemove:
    case DiskOperation::kTruncate:
    case DiskOperation::kMakeDirectory:
    case DiskOperation::kSyncDirectory:
      return true;
    default:
      return false;
  }
}

/// Operations that a read-only mount refuses.
bool needs_writable(DiskOperation operation) {
  return (is_change(operation) && operation != DiskOperation::kSync &&
          operation != DiskOperation::kSyncDirectory) ||
         operation == DiskOperation::kLock;
}

}  // namespace

struct SimulatedFileSystem::Disk {
  struct Rule {
    DiskFault fault;
    uint64_t seen = 0;
  };

  mutable std::mutex mutex;
  Entries files;
  Entries durable_files;
  std::set<std::string> directories{"/", "."};
  std::vector<PendingChange> pending;
  std::set<std::string> locked;
  std::vector<Rule> rules;
  std::optional<base::RandomStream> random;
  float probability = 0;
  size_t bytes_per_call = 0;
  uint64_t capacity = std::numeric_limits<int64_t>::max();
  uint64_t next_inode = 1;
  int64_t ticks = 0;  // stands in for modification time
  bool read_only = false;
  bool dead = false;
  uint64_t changes = 0;
  uint64_t changes_until_power_loss = std::numeric_limits<uint64_t>::max();
  std::function<void()> on_wait;
  uint64_t read_order = 0;
  struct Flip {
    std::string path;
    uint64_t offset;
    int bit;
  };
  std::vector<Flip> flips;

  /// One call that reads: what a fault, a short read or the end of the file leave of it.
  CallResult read(const Inode& inode, const std::string& path, uint64_t at,
                  std::span<std::byte> piece) {
    if (const int error = strike(DiskOperation::kRead, path)) return CallResult{-1, error};
    const std::string& content = inode.content;
    if (at >= content.size()) return CallResult{0, 0};
    size_t count = std::min<size_t>(piece.size(), content.size() - static_cast<size_t>(at));
    if (bytes_per_call > 0) count = std::min(count, bytes_per_call);
    std::memcpy(piece.data(), content.data() + at, count);
    for (const Flip& flip : flips) {
      if (flip.path != path || flip.offset < at || flip.offset >= at + count) continue;
      piece[flip.offset - at] ^= std::byte{1} << flip.bit;
    }
    return CallResult{static_cast<int64_t>(count), 0};
  }

  /// The errno this call fails with, 0 where it may go on. Interrupted calls are asked again by the
  /// loops of transfer.h; for single calls EINTR is not a failure.
  int strike(DiskOperation operation, const std::string& path) {
    if (dead) return EIO;
    if (is_change(operation)) {
      if (changes_until_power_loss == 0) {
        dead = true;
        return EIO;
      }
      --changes_until_power_loss;
      ++changes;
    }
    if (read_only && needs_writable(operation)) return EROFS;
    for (Rule& rule : rules) {
      const DiskFault& fault = rule.fault;
      if (fault.operation != operation || path.find(fault.path_contains) == std::string::npos) {
        continue;
      }
      ++rule.seen;
      if (rule.seen > fault.skip && rule.seen - fault.skip <= fault.times) return fault.error;
    }
    if (random && random->uniform() < probability) return EIO;
    return 0;
  }

  uint64_t used() const {
    std::set<const Inode*> seen;
    uint64_t bytes = 0;
    for (const auto& [path, inode] : files) {
      if (seen.insert(inode.get()).second) bytes += inode->content.size();
    }
    return bytes;
  }

  InodePointer make_inode() {
    auto inode = std::make_shared<Inode>();
    inode->number = next_inode++;
    inode->modified = ++ticks;
    return inode;
  }

  InodePointer find(const std::string& path) const {
    const auto found = files.find(path);
    return found == files.end() ? nullptr : found->second;
  }

  void add_directories(const std::string& path) {
    for (std::string at = path; directories.insert(at).second;) at = parent_path(at);
  }

  void edit(PendingChange change) {
    for (const auto& [path, inode] : change.edits) apply(files, path, inode);
    pending.push_back(std::move(change));
  }

  /// Makes the pending changes of a directory durable, and with each every earlier one of the same
  /// entries: a file system keeps the order of what happens to one entry.
  void commit(const std::string& directory) {
    std::set<std::string> touched;
    std::vector<bool> chosen(pending.size(), false);
    for (size_t i = pending.size(); i-- > 0;) {
      for (const auto& [path, inode] : pending[i].edits) {
        if (parent_path(path) == directory || touched.contains(path)) chosen[i] = true;
      }
      if (!chosen[i]) continue;
      for (const auto& [path, inode] : pending[i].edits) touched.insert(path);
    }
    std::vector<PendingChange> left;
    for (size_t i = 0; i < pending.size(); ++i) {
      if (!chosen[i]) {
        left.push_back(std::move(pending[i]));
        continue;
      }
      for (const auto& [path, inode] : pending[i].edits) apply(durable_files, path, inode);
    }
    pending = std::move(left);
  }

  static void apply(Entries& entries, const std::string& path, const InodePointer& inode) {
    if (inode == nullptr) {
      entries.erase(path);
    } else {
      entries[path] = inode;
    }
  }

  /// What is left of a file's unsynced content: torn anywhere, and sometimes noise behind the tear.
  static std::string survivor(const Inode& inode, base::RandomStream& dice) {
    if (inode.content == inode.durable) return inode.durable;
    const bool appended = inode.content.starts_with(inode.durable);
    if (!appended) return dice.below(2) == 0 ? inode.durable : inode.content;
    const size_t more = inode.content.size() - inode.durable.size();
    const auto kept = static_cast<size_t>(dice.next_u64() % (more + 1));
    std::string text = inode.content.substr(0, inode.durable.size() + kept);
    if (kept > 0 && dice.below(3) == 0) {
      // The size reached the disk, the bytes did not.
      const size_t noise = std::min<size_t>(kept, 1 + dice.below(64));
      for (size_t i = text.size() - noise; i < text.size(); ++i) text[i] = '\0';
    }
    return text;
  }
};

/// A file's identity as the disk says it now; with its mutex held.
static Result<FileIdentity> simulated_identity(int error, const Inode& inode,
                                               const std::string& path) {
  if (error != 0) return system_error(error, "look at", path);
  return FileIdentity{1, inode.number, inode.content.size(), inode.modified};
}

class SimulatedFileSystem::Direct final : public DirectFile {
 public:
  static constexpr size_t kAlignment = 512;  // the least there is, so that more must be asked for
  Direct(std::shared_ptr<Disk> disk, InodePointer inode, std::string path)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        size_(inode_->content.size()) {}
  uint64_t size() const override { return size_; }
  Result<FileIdentity> identity() override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    return simulated_identity(disk_->strike(DiskOperation::kStat, path_), *inode_, path_);
  }
  const std::string& path() const override { return path_; }
  size_t alignment() const override { return kAlignment; }
  bool is_direct() const override { return true; }
  const Inode& inode() const { return *inode_; }

 private:
  std::shared_ptr<Disk> disk_;
  InodePointer inode_;
  std::string path_;
  uint64_t size_;
};

class SimulatedFileSystem::Queue final : public ReadQueue {
 public:
  Queue(std::shared_ptr<Disk> disk, size_t depth)
      : disk_(std::move(disk)), depth_(depth), order_(disk_->read_order) {}
  const char* name() const override { return "simulated"; }
  size_t depth() const override { return depth_; }
  size_t serving_threads() const override { return 0; }
  void serve() override {}
  void close() override {}

  Status submit(const QueuedRead& read) override {
    const size_t unit = read.file->alignment();
    CHECK(waiting_.size() < depth_ && read.offset % unit == 0 && read.into.size() % unit == 0 &&
          reinterpret_cast<uintptr_t>(read.into.data()) % unit == 0);
    waiting_.push_back(read);
    return {};
  }

  size_t poll(std::span<FinishedRead> finished) override {
    // As the seed has it, some are finished when one looks; without one, none ever is.
    if (waiting_.empty() || disk_->read_order == 0 || order_.below(2) == 0) return 0;
    return wait(finished);
  }

  size_t wait(std::span<FinishedRead> finished) override {
    CHECK(!waiting_.empty() && !finished.empty());
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    const size_t chosen =
        disk_->read_order == 0 ? 0 : order_.below(static_cast<uint32_t>(waiting_.size()));
    const QueuedRead read = waiting_[chosen];
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(chosen));
    finished[0] = {read.tag, read_now(read)};
    return 1;
  }

 private:
  Status read_now(const QueuedRead& read) {
    const auto& file = *static_cast<Direct*>(read.file);
    const size_t got = TRY(read_in_pieces(
        file.path(), read.offset, read.into, [&](uint64_t at, std::span<std::byte> piece) {
          return disk_->read(file.inode(), file.path(), at, piece);
        }));
    if (got >= read.bytes_needed) return {};
    return Error{ErrorCode::kDamaged, file.path() + " ends before the bytes that were expected",
                 "the file was cut; fetch it again"};
  }

  std::shared_ptr<Disk> disk_;
  size_t depth_;
  base::RandomStream order_;
  std::vector<QueuedRead> waiting_;
};

class SimulatedFileSystem::Reader final : public ReadableFile {
 public:
  Reader(std::shared_ptr<Disk> disk, InodePointer inode, std::string path)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        opened_as_{1, inode_->number, inode_->content.size(), inode_->modified} {}

  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    return read_in_pieces(path_, offset, into, [this](uint64_t at, std::span<std::byte> piece) {
      return disk_->read(*inode_, path_, at, piece);
    });
  }
  const FileIdentity& opened_as() const override { return opened_as_; }
  Result<FileIdentity> identity() override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    return simulated_identity(disk_->strike(DiskOperation::kStat, path_), *inode_, path_);
  }
  const std::string& path() const override { return path_; }
  Result<std::unique_ptr<DirectFile>> open_direct() override {
    return std::unique_ptr<DirectFile>(std::make_unique<Direct>(disk_, inode_, path_));
  }

 private:
  std::shared_ptr<Disk> disk_;
  InodePointer inode_;
  std::string path_;
  FileIdentity opened_as_;
};

class SimulatedFileSystem::Writer final : public WritableFile {
 public:
  Writer(std::shared_ptr<Disk> disk, InodePointer inode, std::string path)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        size_(inode_->content.size()) {}

  Status append(std::span<const std::byte> bytes) override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    return write_in_pieces(path_, bytes, size_, [this](std::span<const std::byte> piece) {
      if (const int error = disk_->strike(DiskOperation::kAppend, path_)) {
        return CallResult{-1, error};
      }
      const uint64_t used = disk_->used();
      const uint64_t room = disk_->capacity > used ? disk_->capacity - used : 0;
      size_t count = piece.size();
      if (disk_->bytes_per_call > 0) count = std::min(count, disk_->bytes_per_call);
      count = static_cast<size_t>(std::min<uint64_t>(count, room));
      if (count == 0) return CallResult{-1, ENOSPC};
      inode_->content.append(reinterpret_cast<const char*>(piece.data()), count);
      inode_->modified = ++disk_->ticks;
      return CallResult{static_cast<int64_t>(count), 0};
    });
  }
  Status sync() override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    if (const int error = disk_->strike(DiskOperation::kSync, path_)) {
      return system_error(error, "sync", path_);
    }
    inode_->durable = inode_->content;
    return {};
  }
  Status close() override { return {}; }
  uint64_t size() const override { return size_; }

 private:
  std::shared_ptr<Disk> disk_;
  InodePointer inode_;
  std::string path_;
  uint64_t size_;
};

class SimulatedFileSystem::Lock final : public FileLock {
 public:
  Lock(std::shared_ptr<Disk> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)) {}
  ~Lock() override {
    const std::lock_guard<std::mutex> guard(disk_->mutex);
    disk_->locked.erase(path_);
  }

 private:
  std::shared_ptr<Disk> disk_;
  std::string path_;
};

SimulatedFileSystem::SimulatedFileSystem() : disk_(std::make_shared<Disk>()) {}
SimulatedFileSystem::~SimulatedFileSystem() = default;

Result<std::unique_ptr<ReadableFile>> SimulatedFileSystem::open(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kOpen, path)) {
    return system_error(error, "open", given);
  }
  if (disk_->directories.contains(path)) {
    return Error{ErrorCode::kRefused, given + " is a folder", "name a file"};
  }
  InodePointer inode = disk_->find(path);
  if (inode == nullptr) return system_error(ENOENT, "open", given);
  return std::unique_ptr<ReadableFile>(std::make_unique<Reader>(disk_, std::move(inode), given));
}

Result<std::unique_ptr<WritableFile>> SimulatedFileSystem::create(const std::string& given,
                                                                  WriteMode mode) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kCreate, path)) {
    return system_error(error, "create", given);
  }
  if (!disk_->directories.contains(parent_path(path))) {
    return system_error(ENOENT, "create", given);
  }
  if (disk_->directories.contains(path)) return system_error(EISDIR, "create", given);
  InodePointer inode = disk_->find(path);
  if (inode != nullptr && (mode == WriteMode::kCreateNew || mode == WriteMode::kCreatePrivate)) {
    return system_error(EEXIST, "create", given);
  }
  if (inode == nullptr) {
    inode = disk_->make_inode();
    disk_->edit({{{path, inode}}});
  } else if (mode == WriteMode::kTruncate) {
    inode->content.clear();
    inode->modified = ++disk_->ticks;
  }
  return std::unique_ptr<WritableFile>(std::make_unique<Writer>(disk_, std::move(inode), given));
}

Status SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  const std::string source = normal_path(from);
  const std::string target = normal_path(to);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kRename, source)) {
    return system_error(error, "rename", from + " to " + to);
  }
  const InodePointer inode = disk_->find(source);
  if (inode == nullptr || !disk_->directories.contains(parent_path(target))) {
    return system_error(ENOENT, "rename", from + " to " + to);
  }
  if (disk_->directories.contains(target)) {
    return system_error(EISDIR, "rename", from + " to " + to);
  }
  if (source != target) disk_->edit({{{target, inode}, {source, nullptr}}});
  return {};
}

Status SimulatedFileSystem::remove(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kRemove, path)) {
    return system_error(error, "remove", given);
  }
  if (disk_->directories.contains(path)) {
    const auto below = [&path](const std::string& other) { return other.starts_with(path + "/"); };
    for (const auto& [file, inode] : disk_->files) {
      if (below(file)) return system_error(ENOTEMPTY, "remove", given);
    }
    for (const std::string& folder : disk_->directories) {
      if (below(folder)) return system_error(ENOTEMPTY, "remove", given);
    }
    disk_->directories.erase(path);
    return {};
  }
  if (disk_->find(path) == nullptr) return system_error(ENOENT, "remove", given);
  disk_->edit({{{path, nullptr}}});
  return {};
}

Status SimulatedFileSystem::truncate(const std::string& given, uint64_t bytes) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kTruncate, path)) {
    return system_error(error, "cut", given);
  }
  const InodePointer inode = disk_->find(path);
  if (inode == nullptr) return system_error(ENOENT, "cut", given);
  inode->content.resize(static_cast<size_t>(bytes));
  inode->modified = ++disk_->ticks;
  return {};
}

Status SimulatedFileSystem::make_directories(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (disk_->directories.contains(path)) return {};
  if (const int error = disk_->strike(DiskOperation::kMakeDirectory, path)) {
    return system_error(error, "make the folder", given);
  }
  for (std::string at = path; !disk_->directories.contains(at); at = parent_path(at)) {
    if (disk_->find(at) != nullptr) return system_error(ENOTDIR, "use", at);
  }
  disk_->add_directories(path);
  return {};
}

Result<std::vector<DirectoryEntry>> SimulatedFileSystem::list(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kList, path)) {
    return system_error(error, "list", given);
  }
  if (!disk_->directories.contains(path)) return system_error(ENOENT, "list", given);
  std::vector<DirectoryEntry> entries;
  const auto name_in = [&path](const std::string& other) {
    return other != path && parent_path(other) == path ? other.substr(other.rfind('/') + 1) : "";
  };
  for (const auto& [file, inode] : disk_->files) {
    const std::string name = name_in(file);
    if (!name.empty()) entries.push_back({name, false, inode->content.size()});
  }
  for (const std::string& folder : disk_->directories) {
    const std::string name = name_in(folder);
    if (!name.empty() && name != ".") entries.push_back({name, true, 0});
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Result<FileIdentity> SimulatedFileSystem::stat(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kStat, path)) {
    return system_error(error, "look at", given);
  }
  if (disk_->directories.contains(path)) return FileIdentity{1, 0, 0, 0};
  const InodePointer inode = disk_->find(path);
  if (inode == nullptr) return system_error(ENOENT, "look at", given);
  return FileIdentity{1, inode->number, inode->content.size(), inode->modified};
}

Status SimulatedFileSystem::sync_directory(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kSyncDirectory, path)) {
    return system_error(error, "sync", given);
  }
  if (!disk_->directories.contains(path)) return system_error(ENOENT, "sync", given);
  disk_->commit(path);
  return {};
}

Result<uint64_t> SimulatedFileSystem::free_bytes(const std::string& given) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kFreeBytes, path)) {
    return system_error(error, "measure the free space of", given);
  }
  const uint64_t used = disk_->used();
  return disk_->capacity > used ? disk_->capacity - used : 0;
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::lock(const std::string& given, int wait_ms) {
  const std::string path = normal_path(given);
  std::unique_lock<std::mutex> guard(disk_->mutex);
  if (const int error = disk_->strike(DiskOperation::kLock, path)) {
    return system_error(error, "lock", given);
  }
  if (!disk_->directories.contains(parent_path(path))) {
    return system_error(ENOENT, "lock", given);
  }
  if (disk_->locked.contains(path) && wait_ms > 0 && disk_->on_wait) {
    const std::function<void()> on_wait = disk_->on_wait;
    guard.unlock();
    on_wait();
    guard.lock();
  }
  if (!disk_->locked.insert(path).second) return std::unique_ptr<FileLock>();
  return std::unique_ptr<FileLock>(std::make_unique<Lock>(disk_, path));
}

void SimulatedFileSystem::put(const std::string& given, std::string_view content) {
  const std::string path = normal_path(given);
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->add_directories(parent_path(path));
  InodePointer inode = disk_->find(path);
  if (inode == nullptr) inode = disk_->make_inode();
  inode->content = content;
  inode->durable = content;
  inode->modified = ++disk_->ticks;
  disk_->files[path] = inode;
  disk_->durable_files[path] = inode;
}

std::string SimulatedFileSystem::content(const std::string& path) const {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  const InodePointer inode = disk_->find(normal_path(path));
  CHECK(inode != nullptr);
  return inode->content;
}

bool SimulatedFileSystem::exists(const std::string& path) const {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  return disk_->find(normal_path(path)) != nullptr ||
         disk_->directories.contains(normal_path(path));
}

std::vector<std::string> SimulatedFileSystem::all_files() const {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : disk_->files) paths.push_back(path);
  return paths;
}

void SimulatedFileSystem::set_bytes_per_call(size_t bytes) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->bytes_per_call = bytes;
}

void SimulatedFileSystem::fail(DiskFault fault) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->rules.push_back({std::move(fault), 0});
}

void SimulatedFileSystem::set_read_order(uint64_t seed) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->read_order = seed;
}

void SimulatedFileSystem::flip_on_the_way(const std::string& path, uint64_t offset, int bit) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->flips.push_back({path, offset, bit});
}

void SimulatedFileSystem::overwrite(const std::string& path, uint64_t offset,
                                    std::string_view bytes) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  const InodePointer inode = disk_->find(normal_path(path));
  CHECK(inode != nullptr && offset + bytes.size() <= inode->content.size());
  inode->content.replace(offset, bytes.size(), bytes);
  inode->durable = inode->content;
  inode->modified = ++disk_->ticks;
}

Result<std::unique_ptr<ReadQueue>> SimulatedFileSystem::make_read_queue(ReadBackend,
                                                                        ReadQueueOptions options) {
  return std::unique_ptr<ReadQueue>(
      std::make_unique<Queue>(disk_, std::max<size_t>(1, options.depth)));
}

void SimulatedFileSystem::set_random_faults(uint64_t seed, float probability) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->random.emplace(seed);
  disk_->probability = probability;
}

void SimulatedFileSystem::clear_faults() {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->rules.clear();
  disk_->flips.clear();
  disk_->random.reset();
}

void SimulatedFileSystem::set_capacity(uint64_t bytes) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->capacity = bytes;
}

void SimulatedFileSystem::set_read_only(bool read_only) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->read_only = read_only;
}

void SimulatedFileSystem::set_on_wait(std::function<void()> on_wait) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->on_wait = std::move(on_wait);
}

void SimulatedFileSystem::lose_power_after(uint64_t changes) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  disk_->changes_until_power_loss = changes;
}

bool SimulatedFileSystem::power_lost() const {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  return disk_->dead;
}

void SimulatedFileSystem::restart(uint64_t seed) {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  base::RandomStream dice(seed);
  Entries files = disk_->durable_files;
  for (const PendingChange& change : disk_->pending) {
    if (dice.below(2) == 0) continue;
    for (const auto& [path, inode] : change.edits) Disk::apply(files, path, inode);
  }
  std::set<Inode*> seen;
  for (const auto& [path, inode] : files) {
    // A removal of this file that was lost takes the removal of its folder with it.
    disk_->add_directories(parent_path(path));
    if (!seen.insert(inode.get()).second) continue;
    inode->content = Disk::survivor(*inode, dice);
    inode->durable = inode->content;
  }
  disk_->files = files;
  disk_->durable_files = std::move(files);
  disk_->pending.clear();
  disk_->locked.clear();
  disk_->dead = false;
  disk_->changes_until_power_loss = std::numeric_limits<uint64_t>::max();
}

uint64_t SimulatedFileSystem::changes() const {
  const std::lock_guard<std::mutex> guard(disk_->mutex);
  return disk_->changes;
}

}  // namespace freehold::io
