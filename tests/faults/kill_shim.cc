// Preloaded into the real program: before its Nth call that changes files (FREEHOLD_KILL_AT, from
// 1) it dies as by kill -9; from its Nth write on (FREEHOLD_FULL_AT) the disk is full. Into
// FREEHOLD_KILL_COUNT it writes, at each such call, how many there were.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

long number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atol(text);
}

void count_change() {
  static long changes = 0;
  static const long kill_at = number_of("FREEHOLD_KILL_AT");
  static const char* const count_path = std::getenv("FREEHOLD_KILL_COUNT");
  ++changes;
  if (count_path != nullptr) {
    if (std::FILE* file = std::fopen(count_path, "w")) {
      std::fprintf(file, "%ld", changes);
      std::fclose(file);
    }
  }
  if (changes == kill_at) ::raise(SIGKILL);
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  static const long full_at = number_of("FREEHOLD_FULL_AT");
  static long writes = 0;
  if (descriptor > STDERR_FILENO) {
    count_change();
    if (full_at > 0 && ++writes >= full_at) {
      errno = ENOSPC;
      return -1;
    }
  }
  return real(descriptor, bytes, count);
}

int fsync(int descriptor) {
  static auto* const real = next<int(int)>("fsync");
  count_change();
  return real(descriptor);
}

int rename(const char* from, const char* to) {
  static auto* const real = next<int(const char*, const char*)>("rename");
  count_change();
  return real(from, to);
}

int unlink(const char* path) {
  static auto* const real = next<int(const char*)>("unlink");
  count_change();
  return real(path);
}

int remove(const char* path) {
  static auto* const real = next<int(const char*)>("remove");
  count_change();
  return real(path);
}

int rmdir(const char* path) {
  static auto* const real = next<int(const char*)>("rmdir");
  count_change();
  return real(path);
}

int mkdir(const char* path, mode_t mode) {
  static auto* const real = next<int(const char*, mode_t)>("mkdir");
  count_change();
  return real(path, mode);
}

int open(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, ...)>("open");
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if ((flags & O_CREAT) != 0) count_change();
  return real(path, flags, mode);
}

}  // extern "C"
