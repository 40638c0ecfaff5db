#pragma once
// A CRC32C for every 4 MiB of a model's file, made when it came into the store, so that every piece
// read later can be checked before it is used. Stored beside the model as MODEL.crc32c. Not proof
// of origin: the store's SHA-256 is.
//
// The file, little-endian: "FHCRC32C", u32 version 1, u32 bytes of a panel, u64 bytes of the model,
// u32 CRC32C of each panel in order (the last may be shorter), u32 CRC32C of all of the above.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace freehold::io {

inline constexpr uint32_t kChecksumPanelBytes = 4u << 20;  // the design's largest panel

struct PanelChecksums {
  uint64_t file_bytes = 0;
  std::vector<uint32_t> panels;

  bool operator==(const PanelChecksums&) const = default;
  /// Bytes in panel `index`.
  uint64_t panel_bytes(size_t index) const;
  std::string encode() const;
  /// kDamaged where the text is not a whole table, kRefused for a newer version.
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

/// kDamaged, with the offset, where `bytes` are not what panel `index` was.
Status check_panel(const PanelChecksums& checksums, size_t index, std::span<const std::byte> bytes,
                   const std::string& path);

}  // namespace freehold::io
