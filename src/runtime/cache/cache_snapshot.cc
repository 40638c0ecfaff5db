// Cache's snapshots: the header of snapshot_format.h, then every position in packed form.
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "ops/attention/kv_position.h"
#include "runtime/cache/cache.h"
#include "runtime/cache/snapshot_format.h"

namespace freehold::runtime {

namespace {

constexpr uint32_t kChunk = ops::kChunkPositions;

/// Payload bytes of one position over all layers and heads.
uint64_t position_bytes(const PageGeometry& geometry) {
  uint64_t bytes = 0;
  for (uint32_t layer = 0; layer < geometry.layers(); ++layer) {
    bytes +=
        uint64_t{geometry.kv_heads(layer)} * ops::packed_position_bytes(geometry.layout(layer));
  }
  return bytes;
}

/// Calls work(layer, head, position, payload offset) for everything in a payload, in its order.
template <class Work>
void for_each_position(const PageGeometry& geometry, uint32_t positions, Work work) {
  size_t offset = 0;
  for (uint32_t layer = 0; layer < geometry.layers(); ++layer) {
    const size_t bytes = ops::packed_position_bytes(geometry.layout(layer));
    for (uint32_t head = 0; head < geometry.kv_heads(layer); ++head) {
      for (uint32_t position = 0; position < positions; ++position) {
        work(layer, head, position, offset);
        offset += bytes;
      }
    }
  }
}

SnapshotHeader header_of(const CacheSpec& spec, const PageGeometry& geometry, uint32_t positions) {
  SnapshotHeader header;
  header.positions = positions;
  header.payload_bytes = positions * position_bytes(geometry);
  header.model_id = spec.model_id;
  header.layers = spec.layers;
  return header;
}

Error refused(std::string what) {
  return Error{ErrorCode::kRefused, "a cache snapshot does not fit: " + what,
               "Use it with the model and --cache-type that made it."};
}

/// That the snapshot is of this model and this cache.
Status check_spec(const SnapshotHeader& header, const CacheSpec& spec) {
  if (header.model_id != spec.model_id) return refused("it is of another model");
  if (header.layers.size() != spec.layers.size()) {
    return refused(
        fmt::format("it has {} layers, the cache {}", header.layers.size(), spec.layers.size()));
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerCache& its = header.layers[i];
    const LayerCache& ours = spec.layers[i];
    if (its.layout.type != ours.layout.type) {
      return refused(fmt::format("its layer {} is of cache type {}, the cache's of {}", i,
                                 ops::cache_type_name(its.layout.type),
                                 ops::cache_type_name(ours.layout.type)));
    }
    if (its.kind != ours.kind || its.kv_heads != ours.kv_heads ||
        its.layout.key_dim != ours.layout.key_dim ||
        its.layout.value_dim != ours.layout.value_dim) {
      return refused(
          fmt::format("its layer {} has {} heads of {} and {}, the cache's {} of {} "
                      "and {}",
                      i, its.kv_heads, its.layout.key_dim, its.layout.value_dim, ours.kv_heads,
                      ours.layout.key_dim, ours.layout.value_dim));
    }
  }
  return {};
}

}  // namespace

uint64_t Cache::snapshot_bytes(SequenceId sequence) const {
  const SnapshotHeader header = header_of(spec_, geometry_, live(sequence).length);
  return snapshot_header_bytes(header) + header.payload_bytes;
}

void Cache::snapshot(SequenceId sequence, std::span<std::byte> out) const {
  const Sequence& kept = live(sequence);
  CHECK(!kept.append.in_flight);
  SnapshotHeader header = header_of(spec_, geometry_, kept.length);
  const size_t header_bytes = snapshot_header_bytes(header);
  CHECK(out.size() == header_bytes + header.payload_bytes);
  const std::span<std::byte> payload = out.subspan(header_bytes);
  for_each_position(
      geometry_, kept.length, [&](uint32_t layer, uint32_t head, uint32_t position, size_t offset) {
        std::byte* block = pool_.data(kept.blocks[position / kChunk]);
        ops::pack_position(geometry_.layout(layer), geometry_.page(block, layer, head),
                           position % kChunk, payload.data() + offset);
      });
  header.payload_crc32c = base::crc32c(payload);
  write_snapshot_header(header, out.first(header_bytes));
}

Result<SequenceId> Cache::restore(std::span<const std::byte> bytes) {
  const SnapshotHeader header = TRY(parse_snapshot_header(bytes));
  TRY(check_spec(header, spec_));
  TRY(check_snapshot(bytes));
  const std::span<const std::byte> payload = bytes.subspan(snapshot_header_bytes(header));
  if (base::checked_multiply(header.positions, position_bytes(geometry_)) != payload.size()) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("a cache snapshot is damaged: {} positions do not take {} bytes",
                             header.positions, payload.size()),
                 "Delete it; the sequence can be computed again."};
  }
  const SequenceId id = TRY(create_sequence());
  Sequence& restored = live(id);
  if (Status room = make_room(restored, header.positions, 0); !room.ok()) {
    drop(id);
    return std::move(room).error();
  }
  restored.length = header.positions;
  for_each_position(geometry_, header.positions,
                    [&](uint32_t layer, uint32_t head, uint32_t position, size_t offset) {
                      std::byte* block = pool_.data(restored.blocks[position / kChunk]);
                      ops::unpack_position(geometry_.layout(layer), payload.data() + offset,
                                           geometry_.page(block, layer, head), position % kChunk);
                    });
  return id;
}

}  // namespace freehold::runtime
