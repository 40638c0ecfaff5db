#pragma once
// The header of a cache snapshot, to and from bytes (README.md has the table). It says what the
// snapshot is of, so that another cache can refuse it by name. Not the payload: cache_snapshot.cc.
// Pure; any thread. Parsing is safe with hostile bytes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/cache/cache_spec.h"

namespace freehold::runtime {

struct SnapshotHeader {
  uint32_t positions = 0;
  uint64_t payload_bytes = 0;
  uint32_t payload_crc32c = 0;
  std::string model_id;
  std::vector<LayerCache> layers;
};

size_t snapshot_header_bytes(const SnapshotHeader& header);
/// Writes exactly snapshot_header_bytes.
void write_snapshot_header(const SnapshotHeader& header, std::span<std::byte> out);
/// The header at the start of `bytes`; kDamaged where there is none, it is cut or its sum is off.
Result<SnapshotHeader> parse_snapshot_header(std::span<const std::byte> bytes);

/// That the whole snapshot is what it was when it was made; kDamaged otherwise.
Status check_snapshot(std::span<const std::byte> bytes);

}  // namespace freehold::runtime
