#pragma once
// A CRC32C for every 16 KiB of a model's file, made when it came into the store, so that every
// panel read later can be checked before it is used. Stored beside the model as MODEL.crc32c. Not
// proof of origin: the store's SHA-256 is. Units are small so that any rows of any tensor are
// covered by whole units at little more reading; a table takes 1/4096 of the model.
//
// The file, little-endian: "FHCRC32C", u32 version 2, u32 bytes of a unit, u64 bytes of the model,
// u32 CRC32C of each unit in order (the last may be shorter), u32 CRC32C of all of the above.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace freehold::io {

inline constexpr uint32_t kChecksumUnitBytes = 16u << 10;

struct PanelChecksums {
  uint64_t file_bytes = 0;
  std::vector<uint32_t> units;

  bool operator==(const PanelChecksums&) const = default;
  /// Bytes in unit `index`.
  uint64_t unit_bytes(size_t index) const;
  std::string encode() const;
  /// kDamaged where the text is not a whole table, kRefused for another version.
  static Result<PanelChecksums> parse(std::string_view text);
};

/// Collects checksums of bytes that come in order. One thread.
class PanelChecksumBuilder {
 public:
  void add(std::span<const std::byte> bytes);
  PanelChecksums finish() &&;

 private:
  PanelChecksums made_;
  uint32_t current_ = 0;
  uint32_t filled_ = 0;
};

/// "MODEL.crc32c".
std::string panel_checksums_path(const std::string& model_path);

/// The table beside a model. kNotFound where there is none.
Result<PanelChecksums> read_panel_checksums(FileSystem& files, const std::string& model_path);

/// Checks the whole units in `bytes`, which start at `offset` of the file, a multiple of the unit.
/// Where the file ends within them its last unit is whole too; a part of a unit at their end is not
/// looked at. kDamaged, with the offset, where a unit is not what it was.
Status check_units(const PanelChecksums& checksums, uint64_t offset,
                   std::span<const std::byte> bytes, const std::string& path);

/// Fills `into` from `offset` and checks every unit that it touches, those whole that it takes in
/// only in part. Without a table (nullptr) it only reads. kDamaged as check_units() and
/// ReadableFile::read_exactly() say it.
Status read_checked(ReadableFile& file, const PanelChecksums* checksums, uint64_t offset,
                    std::span<std::byte> into);

}  // namespace freehold::io
