// Preloaded into the real program: its reads of one file fail by fault_rules.h. Reads that the
// kernel makes for io_uring do not pass through here; fuse_passthrough.cc sees those.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdarg>

#include "fault_rules.h"

namespace {

using freehold::faults::Rules;

bool is_meant(int descriptor) {
  char link[64];
  char path[4096];
  size_t at = 0;
  for (const char letter : std::string_view("/proc/self/fd/")) link[at++] = letter;
  const std::string number = std::to_string(descriptor);
  for (const char letter : number) link[at++] = letter;
  link[at] = '\0';
  const ssize_t bytes = ::readlink(link, path, sizeof(path));
  return bytes > 0 &&
         Rules::of_environment().mean(std::string_view(path, static_cast<size_t>(bytes)));
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

using Pread = ssize_t(int, void*, size_t, off_t);
using Read = ssize_t(int, void*, size_t);
using Open = int(const char*, int, ...);
using Stat = int(int, struct stat*);

ssize_t struck_read(Pread* real, int descriptor, void* into, size_t count, off_t at) {
  if (!is_meant(descriptor)) return real(descriptor, into, count, at);
  Rules& rules = Rules::of_environment();
  const auto start = static_cast<uint64_t>(at);
  if (rules.before_read(start, count)) {
    errno = EIO;
    return -1;
  }
  const ssize_t got = real(descriptor, into, count, at);
  if (got > 0) rules.after_read(start, static_cast<char*>(into), static_cast<size_t>(got));
  return got;
}

}  // namespace

extern "C" {

ssize_t pread(int descriptor, void* into, size_t count, off_t at) {
  static Pread* const real = next<Pread>("pread");
  return struck_read(real, descriptor, into, count, at);
}

ssize_t pread64(int descriptor, void* into, size_t count, off64_t at) {
  static Pread* const real = next<Pread>("pread64");
  return struck_read(real, descriptor, into, count, at);
}

ssize_t preadv(int descriptor, const iovec* parts, int count, off_t at) {
  // Fewer bytes than asked for are allowed: the first part alone.
  if (count <= 0) return 0;
  return pread(descriptor, parts[0].iov_base, parts[0].iov_len, at);
}

ssize_t read(int descriptor, void* into, size_t count) {
  static Read* const real = next<Read>("read");
  if (!is_meant(descriptor)) return real(descriptor, into, count);
  const off_t at = ::lseek(descriptor, 0, SEEK_CUR);
  const ssize_t got = pread(descriptor, into, count, at);
  if (got > 0) ::lseek(descriptor, got, SEEK_CUR);
  return got;
}

int open(const char* path, int flags, ...) {
  static Open* const real = next<Open>("open");
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  const int descriptor = real(path, flags, mode);
  if (descriptor < 0 || (flags & O_DIRECT) == 0 || !is_meant(descriptor) ||
      !Rules::of_environment().refuses_direct()) {
    return descriptor;
  }
  ::close(descriptor);
  errno = EINVAL;
  return -1;
}

int fstat(int descriptor, struct stat* status) noexcept {
  static Stat* const real = next<Stat>("fstat");
  if (is_meant(descriptor) && Rules::of_environment().stat_fails()) {
    errno = EIO;
    return -1;
  }
  return real(descriptor, status);
}

}  // extern "C"
