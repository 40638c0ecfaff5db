#include "runtime/cache/snapshot_format.h"

#include <fmt/format.h>

#include <cstring>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace freehold::runtime {

namespace {

// Layout, little-endian (README.md, "Snapshots").
constexpr char kMagic[8] = {'F', 'H', 'C', 'A', 'C', 'H', 'E', '1'};
constexpr size_t kHeaderBytesAt = 8;
constexpr size_t kPayloadSumAt = 12;
constexpr size_t kPayloadBytesAt = 16;
constexpr size_t kPositionsAt = 24;
constexpr size_t kLayersAt = 28;
constexpr size_t kModelIdBytesAt = 32;
constexpr size_t kFixedBytes = 36;
constexpr size_t kLayerBytes = 16;
constexpr size_t kSumBytes = 4;

Error damaged(std::string what) {
  return Error{ErrorCode::kDamaged, "a cache snapshot is damaged: " + what,
               "Delete it; the sequence can be computed again."};
}

}  // namespace

size_t snapshot_header_bytes(const SnapshotHeader& header) {
  return kFixedBytes + header.model_id.size() + header.layers.size() * kLayerBytes + kSumBytes;
}

void write_snapshot_header(const SnapshotHeader& header, std::span<std::byte> out) {
  CHECK(out.size() == snapshot_header_bytes(header));
  std::byte* const at = out.data();
  std::memcpy(at, kMagic, sizeof(kMagic));
  base::store_le(at + kHeaderBytesAt, static_cast<uint32_t>(out.size()));
  base::store_le(at + kPayloadSumAt, header.payload_crc32c);
  base::store_le(at + kPayloadBytesAt, header.payload_bytes);
  base::store_le(at + kPositionsAt, header.positions);
  base::store_le(at + kLayersAt, static_cast<uint32_t>(header.layers.size()));
  base::store_le(at + kModelIdBytesAt, static_cast<uint32_t>(header.model_id.size()));
  std::byte* row = at + kFixedBytes;
  if (!header.model_id.empty()) {
    std::memcpy(row, header.model_id.data(), header.model_id.size());
  }
  row += header.model_id.size();
  for (const LayerCache& layer : header.layers) {
    base::store_le(row, static_cast<uint8_t>(layer.kind));
    base::store_le(row + 1, static_cast<uint8_t>(layer.layout.type));
    base::store_le(row + 2, uint16_t{0});
    base::store_le(row + 4, layer.kv_heads);
    base::store_le(row + 8, layer.layout.key_dim);
    base::store_le(row + 12, layer.layout.value_dim);
    row += kLayerBytes;
  }
  base::store_le(row, base::crc32c(out.first(out.size() - kSumBytes)));
}

Result<SnapshotHeader> parse_snapshot_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kFixedBytes + kSumBytes) return damaged("it is cut in its header");
  const std::byte* const at = bytes.data();
  if (std::memcmp(at, kMagic, sizeof(kMagic)) != 0) return damaged("it does not begin like one");
  const auto header_bytes = base::load_le<uint32_t>(at + kHeaderBytesAt);
  const auto layers = base::load_le<uint32_t>(at + kLayersAt);
  const auto id_bytes = base::load_le<uint32_t>(at + kModelIdBytesAt);
  // 64 bits hold this sum of products of 32-bit numbers.
  const uint64_t expected =
      kFixedBytes + uint64_t{id_bytes} + uint64_t{layers} * kLayerBytes + kSumBytes;
  if (header_bytes != expected || header_bytes > bytes.size()) {
    return damaged("the lengths in its header disagree");
  }
  const auto sum = base::load_le<uint32_t>(at + header_bytes - kSumBytes);
  if (sum != base::crc32c(bytes.first(header_bytes - kSumBytes))) {
    return damaged("the checksum of its header is off");
  }
  SnapshotHeader header;
  header.payload_crc32c = base::load_le<uint32_t>(at + kPayloadSumAt);
  header.payload_bytes = base::load_le<uint64_t>(at + kPayloadBytesAt);
  header.positions = base::load_le<uint32_t>(at + kPositionsAt);
  const std::byte* row = at + kFixedBytes;
  header.model_id.assign(reinterpret_cast<const char*>(row), id_bytes);
  row += id_bytes;
  for (uint32_t i = 0; i < layers; ++i, row += kLayerBytes) {
    const auto kind = base::load_le<uint8_t>(row);
    const auto type = base::load_le<uint8_t>(row + 1);
    if (kind > static_cast<uint8_t>(CacheKind::kRecurrent) ||
        type > static_cast<uint8_t>(ops::CacheType::kK16V8) ||
        base::load_le<uint16_t>(row + 2) != 0) {
      return damaged("a layer is of no known kind");
    }
    header.layers.push_back(
        {static_cast<CacheKind>(kind), base::load_le<uint32_t>(row + 4),
         ops::KvLayout{static_cast<ops::CacheType>(type), base::load_le<uint32_t>(row + 8),
                       base::load_le<uint32_t>(row + 12)}});
  }
  return header;
}

Status check_snapshot(std::span<const std::byte> bytes) {
  const SnapshotHeader header = TRY(parse_snapshot_header(bytes));
  const auto payload = bytes.subspan(snapshot_header_bytes(header));
  if (payload.size() != header.payload_bytes) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("a cache snapshot is damaged: {} bytes follow its header, not {}",
                             payload.size(), header.payload_bytes),
                 "Delete it; the sequence can be computed again."};
  }
  if (base::crc32c(payload) != header.payload_crc32c) {
    return Error{ErrorCode::kDamaged, "a cache snapshot is damaged: its checksum is off",
                 "Delete it; the sequence can be computed again."};
  }
  return {};
}

}  // namespace freehold::runtime
