#include "io/share_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/descriptor.h"

namespace freehold::io {

namespace {

Status sync(const Descriptor& descriptor, const std::string& path) {
  while (::fsync(descriptor.get()) != 0) {
    if (errno != EINTR) return system_error(errno, "sync", path);
  }
  return {};
}

}  // namespace

Status share_file(const std::string& from, const std::string& to) {
  {
    const Descriptor source = TRY(open_descriptor(from, O_RDONLY, "open"));
    const Descriptor target = TRY(open_descriptor(to, O_WRONLY | O_CREAT | O_EXCL, "create"));
    if (::ioctl(target.get(), FICLONE, source.get()) == 0) return sync(target, to);
    TRY(sync(source, from));
  }
  ::unlink(to.c_str());
  // AT_SYMLINK_FOLLOW: a link's target, not the link.
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  Error error = system_error(errno, "share the bytes of", from);
  error.code = ErrorCode::kRefused;
  error.hint = "leave --link out: the file is copied then";
  return error;
}

}  // namespace freehold::io
