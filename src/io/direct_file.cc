#include "io/direct_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace freehold::io {

namespace {

/// Where the kernel does not say what direct reads must be aligned to (before Linux 6.1).
constexpr size_t kUsualAlignment = 4096;

struct Alignment {
  size_t bytes = kUsualAlignment;
  bool direct = true;  // false: the file system says that it has no direct reads
};

Alignment direct_alignment(int descriptor) {
  struct statx status {};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return {};
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return {};
  if (status.stx_dio_offset_align == 0) return {kUsualAlignment, false};
  const size_t bytes =
      std::max<size_t>({512, status.stx_dio_offset_align, status.stx_dio_mem_align});
  // A page serves every disk seen so far and keeps reads few.
  return {std::max(bytes, kUsualAlignment), true};
}

Result<Descriptor> reopen_descriptor(int descriptor, const std::string& path, int flags) {
  const std::string same = fmt::format("/proc/self/fd/{}", descriptor);
  const int number = ::open(same.c_str(), flags | O_CLOEXEC);
  if (number >= 0) return Descriptor(number);
  if (errno != ENOENT) return system_error(errno, "open", path);
  // No /proc here: by its path, if that still names the same file.
  Descriptor named = TRY(open_descriptor(path, flags, "open"));
  struct stat was {
  }, is{};
  if (::fstat(descriptor, &was) != 0 || ::fstat(named.get(), &is) != 0 ||
      identity_of(was) != identity_of(is)) {
    return Error{ErrorCode::kDamaged, path + " was replaced while it was in use",
                 "start again once nothing writes to it"};
  }
  return named;
}

}  // namespace

Result<std::unique_ptr<DirectFile>> SystemDirectFile::reopen(int descriptor,
                                                             const std::string& path) {
  const Alignment alignment = direct_alignment(descriptor);
  bool is_direct = alignment.direct;
  Result<Descriptor> opened =
      reopen_descriptor(descriptor, path, O_RDONLY | (is_direct ? O_DIRECT : 0));
  if (!opened.ok() && is_direct) {
    is_direct = false;
    opened = reopen_descriptor(descriptor, path, O_RDONLY);
  }
  Descriptor reopened = TRY(std::move(opened));
  struct stat status {};
  if (::fstat(reopened.get(), &status) != 0) return system_error(errno, "look at", path);
  return std::unique_ptr<DirectFile>(std::make_unique<SystemDirectFile>(
      std::move(reopened), path, static_cast<uint64_t>(status.st_size), alignment.bytes,
      is_direct));
}

Result<FileIdentity> SystemDirectFile::identity() {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) return system_error(errno, "look at", path_);
  return identity_of(status);
}

void SystemDirectFile::give_up_direct() {
  const int flags = ::fcntl(descriptor_.get(), F_GETFL);
  if (flags >= 0) ::fcntl(descriptor_.get(), F_SETFL, flags & ~O_DIRECT);
  is_direct_.store(false, std::memory_order_relaxed);
}

void SystemDirectFile::drop_behind(uint64_t offset, size_t bytes) const {
  // Advice: where it is not taken, the cache is the system's to empty.
  ::posix_fadvise(descriptor_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_DONTNEED);
}

bool ReadProgress::take(int64_t result, Status& status) {
  SystemDirectFile& from = file();
  if (result == -EINTR || result == -EAGAIN) return false;
  if (result == -EINVAL && from.is_direct()) {
    from.give_up_direct();
    return false;
  }
  if (result < 0) {
    status = system_error(static_cast<int>(-result), "read", from.path());
    return true;
  }
  const size_t before = done_;
  done_ += static_cast<size_t>(result);
  if (done_ < read_.bytes_needed && result > 0) {
    // A direct read goes on from a whole unit; where that is no progress the file ends here.
    if (from.is_direct()) done_ = done_ / from.alignment() * from.alignment();
    if (done_ > before) return false;
    done_ = before + static_cast<size_t>(result);
  }
  if (done_ < read_.bytes_needed) {
    status = Error{ErrorCode::kDamaged,
                   fmt::format("{} ends at byte {}; {} more were expected", from.path(),
                               read_.offset + done_, read_.bytes_needed - done_),
                   "the file was cut; fetch it again"};
  } else {
    status = Status{};
    if (!from.is_direct()) from.drop_behind(read_.offset, done_);
  }
  return true;
}

}  // namespace freehold::io
