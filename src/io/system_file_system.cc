#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "io/descriptor.h"
#include "io/direct_file.h"
#include "io/file.h"
#include "io/transfer.h"

namespace freehold::io {

namespace {

constexpr int kLockPoll_ms = 20;  // how often a waiting lock asks again

/// 0, or the errno of a failed fsync.
int sync_descriptor(int number) {
  while (::fsync(number) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

class SystemReadableFile final : public ReadableFile {
 public:
  SystemReadableFile(Descriptor descriptor, std::string path, FileIdentity opened_as)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), opened_as_(opened_as) {}

  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) override {
    return read_in_pieces(path_, offset, into, [this](uint64_t at, std::span<std::byte> piece) {
      const ssize_t got =
          ::pread(descriptor_.get(), piece.data(), piece.size(), static_cast<off_t>(at));
      return CallResult{got, errno};
    });
  }
  const FileIdentity& opened_as() const override { return opened_as_; }
  Result<FileIdentity> identity() override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) return system_error(errno, "look at", path_);
    return identity_of(status);
  }
  const std::string& path() const override { return path_; }
  Result<std::unique_ptr<DirectFile>> open_direct() override {
    return SystemDirectFile::reopen(descriptor_.get(), path_);
  }

 private:
  Descriptor descriptor_;
  std::string path_;
  FileIdentity opened_as_;
};

class SystemWritableFile final : public WritableFile {
 public:
  SystemWritableFile(Descriptor descriptor, std::string path, uint64_t size)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), size_(size) {}

  Status append(std::span<const std::byte> bytes) override {
    return write_in_pieces(path_, bytes, size_, [this](std::span<const std::byte> piece) {
      const ssize_t wrote = ::write(descriptor_.get(), piece.data(), piece.size());
      return CallResult{wrote, errno};
    });
  }
  Status sync() override {
    const int error = sync_descriptor(descriptor_.get());
    if (error != 0) return system_error(error, "sync", path_);
    return {};
  }
  Status close() override {
    // Linux frees the descriptor even where close() fails, so it is not tried again.
    const int number = descriptor_.release();
    if (number >= 0 && ::close(number) != 0 && errno != EINTR) {
      return system_error(errno, "close", path_);
    }
    return {};
  }
  uint64_t size() const override { return size_; }

 private:
  Descriptor descriptor_;
  std::string path_;
  uint64_t size_;
};

class SystemFileLock final : public FileLock {
 public:
  explicit SystemFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it lets the lock go
};

int open_flags(WriteMode mode) {
  switch (mode) {
    case WriteMode::kCreateNew:
    case WriteMode::kCreatePrivate:
      return O_WRONLY | O_CREAT | O_EXCL;
    case WriteMode::kTruncate:
      return O_WRONLY | O_CREAT | O_TRUNC;
    case WriteMode::kAppend:
      break;
  }
  return O_WRONLY | O_CREAT | O_APPEND;
}

class SystemFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    // O_NONBLOCK: a pipe without a writer must not hold us; it means nothing to regular files.
    Descriptor descriptor = TRY(open_descriptor(path, O_RDONLY | O_NONBLOCK, "open"));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return system_error(errno, "look at", path);
    if (!S_ISREG(status.st_mode)) {
      return Error{ErrorCode::kRefused,
                   path + (S_ISDIR(status.st_mode) ? " is a folder" : " is not a regular file"),
                   "name a file"};
    }
    return std::unique_ptr<ReadableFile>(
        std::make_unique<SystemReadableFile>(std::move(descriptor), path, identity_of(status)));
  }

  Result<std::unique_ptr<WritableFile>> create(const std::string& path, WriteMode mode) override {
    Descriptor descriptor = TRY(open_descriptor(path, open_flags(mode), "create",
                                                mode == WriteMode::kCreatePrivate ? 0600 : 0666));
    struct stat status {};
    if (::fstat(descriptor.get(), &status) != 0) return system_error(errno, "look at", path);
    return std::unique_ptr<WritableFile>(std::make_unique<SystemWritableFile>(
        std::move(descriptor), path, static_cast<uint64_t>(status.st_size)));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return system_error(errno, "rename", from + " to " + to);
  }

  Status remove(const std::string& path) override {
    if (::remove(path.c_str()) == 0) return {};
    return system_error(errno, "remove", path);
  }

  Status truncate(const std::string& path, uint64_t bytes) override {
    while (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) {
      if (errno != EINTR) return system_error(errno, "cut", path);
    }
    return {};
  }

  Status make_directories(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
      if (S_ISDIR(status.st_mode)) return {};
      return system_error(ENOTDIR, "use", path);
    }
    const std::string parent = parent_path(path);
    if (parent != path) TRY(make_directories(parent));
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return system_error(errno, "make the folder", path);
    }
    return sync_directory(parent);
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return system_error(errno, "list", path);
    std::vector<DirectoryEntry> entries;
    while (const dirent* found = ::readdir(folder)) {
      const std::string name = found->d_name;
      if (name == "." || name == "..") continue;
      struct stat status {};
      // An entry that goes away while we look is not there.
      if (::fstatat(::dirfd(folder), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      const bool is_directory = S_ISDIR(status.st_mode);
      entries.push_back(
          {name, is_directory, is_directory ? 0 : static_cast<uint64_t>(status.st_size)});
    }
    ::closedir(folder);
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  Result<FileIdentity> stat(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return system_error(errno, "look at", path);
    return identity_of(status);
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor descriptor = TRY(open_descriptor(path, O_RDONLY | O_DIRECTORY, "open"));
    const int error = sync_descriptor(descriptor.get());
    // Some file systems (network, FUSE) cannot sync a folder; then their rename is all there is.
    if (error == 0 || error == EINVAL) return {};
    return system_error(error, "sync", path);
  }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    while (::statvfs(path.c_str(), &status) != 0) {
      if (errno != EINTR) return system_error(errno, "measure the free space of", path);
    }
    return static_cast<uint64_t>(status.f_bavail) * static_cast<uint64_t>(status.f_frsize);
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path, int wait_ms) override {
    Descriptor descriptor = TRY(open_descriptor(path, O_RDWR | O_CREAT, "lock"));
    int waited_ms = 0;
    while (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return system_error(errno, "lock", path);
      if (waited_ms >= wait_ms) return std::unique_ptr<FileLock>();
      const int pause_ms = std::min(kLockPoll_ms, wait_ms - waited_ms);
      ::poll(nullptr, 0, pause_ms);
      waited_ms += pause_ms;
    }
    return std::unique_ptr<FileLock>(std::make_unique<SystemFileLock>(std::move(descriptor)));
  }

  Result<std::unique_ptr<ReadQueue>> make_read_queue(ReadBackend backend,
                                                     ReadQueueOptions options) override {
    if (backend != ReadBackend::kThreads) {
      auto ring = make_uring_read_queue(options);
      if (ring.ok() || backend == ReadBackend::kUring) return ring;
    }
    return make_thread_read_queue(options);
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_system_files() { return std::make_unique<SystemFileSystem>(); }

}  // namespace freehold::io
