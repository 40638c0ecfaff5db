#include "cli/whole_file.h"

namespace freehold::cli {

Status write_whole_file(io::FileSystem& files, const std::string& path,
                        const std::function<Status(io::WritableFile&)>& write) {
  const std::string aside = path + ".partial";
  const auto file = TRY(files.create(aside, io::WriteMode::kTruncate));
  const auto write_all = [&]() -> Status {
    TRY(write(*file));
    TRY(file->sync());
    TRY(file->close());
    TRY(files.rename(aside, path));
    return files.sync_directory(io::parent_path(path));
  };
  Status written = write_all();
  if (!written.ok()) (void)files.remove(aside).ok();
  return written;
}

}  // namespace freehold::cli
