#include "io/within.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "base/text.h"
#include "io/descriptor.h"

namespace freehold::io {

namespace {

/// Where the kernel says that an open descriptor is.
Result<std::string> real_path(const Descriptor& descriptor, const std::string& path) {
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor.get());
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
  if (length <= 0 || static_cast<size_t>(length) >= buffer.size()) {
    return system_error(length < 0 ? errno : ENAMETOOLONG, "find the real path of", path);
  }
  return std::string(buffer.data(), static_cast<size_t>(length));
}

}  // namespace

Result<WithinEntry> find_within(const std::string& root, const std::string& relative) {
  const std::string shown = root + "/" + relative;
  const Descriptor folder = TRY(open_descriptor(root, O_PATH | O_DIRECTORY, "open"));
  // O_PATH: opening has no effect on what is opened, wherever a link leads. A path from the root
  // on, or one with "..", is followed like any other; only what is reached counts.
  const int number = ::openat(folder.get(), relative.c_str(), O_PATH | O_CLOEXEC);
  if (number < 0) return system_error(errno, "open", shown);
  const Descriptor descriptor(number);
  const std::string home = TRY(real_path(folder, root));
  WithinEntry entry;
  entry.path = TRY(real_path(descriptor, shown));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) return system_error(errno, "look at", shown);
  const std::string prefix = home == "/" ? home : home + "/";
  if (entry.path != home && !entry.path.starts_with(prefix)) {
    return Error{ErrorCode::kRefused,
                 base::printable(shown, 300) + " leads out of its folder, to " +
                     base::printable(entry.path, 300),
                 "name that file itself, if it is meant"};
  }
  entry.is_directory = S_ISDIR(status.st_mode);
  if (!entry.is_directory && !S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kRefused, base::printable(shown, 300) + " is no file", {}};
  }
  if (!entry.is_directory) entry.bytes = static_cast<uint64_t>(status.st_size);
  return entry;
}

}  // namespace freehold::io
