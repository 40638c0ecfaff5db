#pragma once
// One open file of the machine, closed when it goes away. Internal to io.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/result.h"
#include "io/file.h"
#include "io/transfer.h"

namespace freehold::io {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

inline Result<Descriptor> open_descriptor(const std::string& path, int flags, const char* action,
                                          mode_t created = 0666) {
  while (true) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, created);
    if (number >= 0) return Descriptor(number);
    if (errno != EINTR) return system_error(errno, action, path);
  }
}

inline FileIdentity identity_of(const struct stat& status) {
  FileIdentity identity;
  identity.device = static_cast<uint64_t>(status.st_dev);
  identity.inode = static_cast<uint64_t>(status.st_ino);
  identity.size = static_cast<uint64_t>(status.st_size);
  identity.modified_ns =
      static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
  return identity;
}

}  // namespace freehold::io
