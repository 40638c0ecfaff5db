#pragma once
// ZIP archives read as hostile input, member by member into a sink: stored and deflated, ZIP64.
// Nothing is extracted to a path, so names are only compared, never used. Source: APPNOTE.TXT 6.3.9
// (PKWARE). Not read: encryption, several disks, other compressions, data before the archive.
// Memory: the central directory and two buffers. One thread an archive.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace freehold::store {

struct ZipLimits {
  uint64_t directory_bytes_max = 16u << 20;
  uint64_t members_max = 65'536;
  uint64_t name_bytes_max = 4'096;
};

struct ZipMember {
  std::string name;
  uint64_t bytes = 0;  ///< unpacked, as the archive says
  uint64_t packed_bytes = 0;
  uint64_t header_offset = 0;
  uint32_t crc32 = 0;
  uint16_t method = 0;  ///< 0 stored, 8 deflated; others are refused when read
  bool encrypted = false;
};

class ZipArchive {
 public:
  /// Reads and checks the directory. `file` outlives the archive. kDamaged with what is wrong,
  /// kRefused over a limit: among them that all members together pack into the file's size, so that
  /// overlapping members, the trick of some bombs, are no archive of ours.
  static Result<ZipArchive> open(io::ReadableFile& file, const ZipLimits& limits = {});

  std::span<const ZipMember> members() const { return members_; }
  /// The only member whose name matches `pattern` (`*` is any run of characters). kDamaged where
  /// there is none or more than one.
  Result<const ZipMember*> find_one(std::string_view pattern) const;

  using Sink = std::function<Status(std::span<const std::byte>)>;
  /// Unpacks `member` into `sink` in order, at most member.bytes of it, and checks length and
  /// CRC-32 at the end: what the sink got is good only if this returns fine.
  Status read(const ZipMember& member, const Sink& sink) const;

 private:
  Status read_stored(const ZipMember& member, uint64_t offset, const Sink& sink) const;
  Status read_deflated(const ZipMember& member, uint64_t offset, const Sink& sink) const;
  Result<uint64_t> data_offset(const ZipMember& member) const;

  io::ReadableFile* file_ = nullptr;
  uint64_t directory_offset_ = 0;
  std::vector<ZipMember> members_;
};

/// Whether `name` matches `pattern`, in which `*` stands for any run of characters.
bool matches_pattern(std::string_view name, std::string_view pattern);

}  // namespace freehold::store
