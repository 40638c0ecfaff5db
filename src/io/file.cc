#include "io/file.h"

#include <fmt/format.h>

#include <system_error>

#include "base/text.h"
#include "io/transfer.h"

namespace freehold::io {

namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kRefused;
    default:
      return ErrorCode::kFailed;
  }
}

const char* hint_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EACCES:
    case EPERM:
      return "check the permissions of the file and its folders";
    case EROFS:
      return "the file system is mounted read-only; use another folder";
    case ENOSPC:
    case EDQUOT:
      return "free some space, or use a folder on another disk";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EIO:
      return "the disk reported an error; check it (dmesg, smartctl)";
    default:
      return "";
  }
}

}  // namespace

Error system_error(int error, const char* action, const std::string& path) {
  return Error{code_of(error),
               fmt::format("cannot {} {}: {}", action, path,
                           std::error_code(error, std::generic_category()).message()),
               hint_of(error)};
}

Status ReadableFile::check_unchanged() {
  if (TRY(identity()) == opened_as()) return {};
  return Error{ErrorCode::kDamaged, path() + " changed while it was in use",
               "start again once nothing writes to it"};
}

Status ReadableFile::read_exactly(uint64_t offset, std::span<std::byte> into) {
  const size_t got = TRY(read_at(offset, into));
  if (got == into.size()) return {};
  return Error{ErrorCode::kDamaged,
               fmt::format("{} ends at byte {}, {} bytes were wanted at byte {}", path(),
                           offset + got, into.size(), offset),
               "the file was cut short; fetch or copy it again"};
}

Result<std::string> read_small_file(FileSystem& files, const std::string& path,
                                    uint64_t bytes_max) {
  const std::unique_ptr<ReadableFile> file = TRY(files.open(path));
  if (file->size() > bytes_max) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{} has {}, at most {} are read here", path,
                             base::human_bytes(file->size()), base::human_bytes(bytes_max)),
                 {}};
  }
  std::string text(static_cast<size_t>(file->size()), '\0');
  TRY(file->read_exactly(0, std::as_writable_bytes(std::span(text))));
  return text;
}

std::string parent_path(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace freehold::io
