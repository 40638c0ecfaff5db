// A file system that shows a folder and fails by fault_rules.h: what io_uring and direct reads see
// as a disk. Reads only.
//
//   fuse_passthrough FOLDER MOUNTPOINT -f

#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "fault_rules.h"

namespace {

using freehold::faults::Rules;

std::string real_path(const char* path) {
  return *static_cast<const std::string*>(::fuse_get_context()->private_data) + path;
}

int get_attributes(const char* path, struct stat* status, fuse_file_info*) {
  if (Rules::of_environment().mean(path) && Rules::of_environment().stat_fails()) return -EIO;
  return ::lstat(real_path(path).c_str(), status) == 0 ? 0 : -errno;
}

int read_link(const char* path, char* into, size_t bytes) {
  const ssize_t got = ::readlink(real_path(path).c_str(), into, bytes - 1);
  if (got < 0) return -errno;
  into[got] = '\0';
  return 0;
}

int read_directory(const char* path, void* into, fuse_fill_dir_t fill, off_t, fuse_file_info*,
                   fuse_readdir_flags) {
  DIR* const directory = ::opendir(real_path(path).c_str());
  if (directory == nullptr) return -errno;
  while (const dirent* entry = ::readdir(directory)) {
    fill(into, entry->d_name, nullptr, 0, fuse_fill_dir_flags{});
  }
  ::closedir(directory);
  return 0;
}

int open_file(const char* path, fuse_file_info* file) {
  const int descriptor = ::open(real_path(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -errno;
  file->fh = static_cast<uint64_t>(descriptor);
  // Around the page cache for every reader: there a short read would become zeros.
  file->direct_io = 1;
  return 0;
}

int read_file(const char* path, char* into, size_t count, off_t at, fuse_file_info* file) {
  Rules& rules = Rules::of_environment();
  const auto start = static_cast<uint64_t>(at);
  const bool meant = rules.mean(path);
  if (meant && rules.before_read(start, count)) return -EIO;
  const ssize_t got = ::pread(static_cast<int>(file->fh), into, count, at);
  if (got < 0) return -errno;
  if (meant) rules.after_read(start, into, static_cast<size_t>(got));
  return static_cast<int>(got);
}

int release_file(const char*, fuse_file_info* file) {
  ::close(static_cast<int>(file->fh));
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  std::string folder = words[1];
  std::vector<char*> rest{words[0]};
  rest.insert(rest.end(), words + 2, words + count);
  fuse_operations operations{};
  operations.getattr = get_attributes;
  operations.readlink = read_link;
  operations.readdir = read_directory;
  operations.open = open_file;
  operations.read = read_file;
  operations.release = release_file;
  return ::fuse_main(static_cast<int>(rest.size()), rest.data(), &operations, &folder);
}
