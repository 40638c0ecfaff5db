#pragma once
// Writes a blob to a temporary file while hashing it, part by part, so that a run that was cut off
// can go on: after each part the file is synced and its end and checksum are put in a journal
// beside it. Not the one who makes it visible. One thread; one writer a file, guarded by a lock.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "io/panel_checksums.h"
#include "store/sha256.h"

namespace freehold::store {

/// A finished blob's hashes.
struct BlobHashes {
  std::string sha256;
  io::PanelChecksums panels;
};

class BlobWriter {
 public:
  /// Starts the file anew.
  static Result<BlobWriter> begin(io::FileSystem& files, const std::string& path);

  /// Goes on after the last part that is whole, or begins anew: parts are kept while the journal
  /// and the bytes agree and they end where `part_ends` (ascending) says. Reads what it keeps, to
  /// hash it; `keep_going` is asked meanwhile (no: kInterrupted).
  static Result<BlobWriter> resume(io::FileSystem& files, const std::string& path,
                                   std::span<const uint64_t> part_ends,
                                   const std::function<bool()>& keep_going);

  Status add(std::span<const std::byte> bytes);
  /// Ends a part: everything so far is on stable storage and counted as done when it returns.
  Status end_part();
  /// Syncs and closes the file. The journal stays.
  Result<BlobHashes> finish() &&;

  uint64_t size() const { return file_->size(); }
  size_t parts_done() const { return parts_.size(); }

 private:
  struct Part {
    uint64_t end = 0;
    uint32_t crc32c = 0;
  };
  BlobWriter(io::FileSystem& files, std::string path) : files_(&files), path_(std::move(path)) {}
  static std::vector<Part> read_journal(io::FileSystem& files, const std::string& path);
  Result<bool> take_over(const std::vector<Part>& parts, const std::function<bool()>& keep_going);
  Status write_journal();
  void count(std::span<const std::byte> bytes);

  io::FileSystem* files_;
  std::string path_;
  std::unique_ptr<io::WritableFile> file_;
  Sha256 sha256_;
  io::PanelChecksumBuilder panels_;
  uint32_t part_crc32c_ = 0;
  std::vector<Part> parts_;
};

/// "PATH.journal".
std::string journal_path(const std::string& path);

}  // namespace freehold::store
