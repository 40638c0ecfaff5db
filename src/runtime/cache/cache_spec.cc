#include "runtime/cache/cache_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace freehold::runtime {

namespace {

// Far above any model; below them no product overflows 64 bits.
constexpr uint32_t kLayersMax = 1u << 16;
constexpr uint32_t kHeadsMax = 1u << 14;
constexpr uint32_t kDimMax = 1u << 16;
constexpr uint64_t kPositionsMax = 1u << 30;  // Indices are 32 bits wide.

Error refused(std::string message, std::string hint) {
  return Error{ErrorCode::kRefused, std::move(message), std::move(hint)};
}

Status check_layer(const LayerCache& layer, size_t index) {
  if (layer.kind != CacheKind::kPaged) {
    return refused(fmt::format("layer {} asks for a {} cache, which is not there yet", index,
                               cache_kind_name(layer.kind)),
                   "This version keeps paged keys and values; use a model without such layers.");
  }
  const auto within = [](uint32_t value, uint32_t most) { return value >= 1 && value <= most; };
  if (!within(layer.kv_heads, kHeadsMax) || !within(layer.layout.key_dim, kDimMax) ||
      !within(layer.layout.value_dim, kDimMax)) {
    return refused(
        fmt::format("layer {} asks for a cache of {} heads with {} and {} dimensions", index,
                    layer.kv_heads, layer.layout.key_dim, layer.layout.value_dim),
        fmt::format("At least 1 of each; at most {} heads and {} dimensions.", kHeadsMax, kDimMax));
  }
  return {};
}

}  // namespace

std::string_view cache_kind_name(CacheKind kind) {
  switch (kind) {
    case CacheKind::kPaged:
      return "paged";
    case CacheKind::kSlidingWindow:
      return "sliding-window";
    case CacheKind::kLatent:
      return "latent";
    case CacheKind::kRecurrent:
      return "recurrent";
  }
  return "unknown";
}

Result<PageGeometry> PageGeometry::create(const CacheSpec& spec) {
  if (spec.layers.empty() || spec.layers.size() > kLayersMax) {
    return refused(fmt::format("a cache of {} layers", spec.layers.size()),
                   fmt::format("From 1 to {}.", kLayersMax));
  }
  if (spec.positions_max < 1 || spec.positions_max > kPositionsMax || spec.sequences_max < 1) {
    return refused(fmt::format("a cache of {} positions and {} sequences", spec.positions_max,
                               spec.sequences_max),
                   fmt::format("From 1 to {} positions, at least 1 sequence.", kPositionsMax));
  }
  PageGeometry geometry;
  uint64_t bytes = 0;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerCache& asked = spec.layers[i];
    TRY(check_layer(asked, i));
    geometry.layers_.push_back({asked.kv_heads, asked.layout, bytes});
    const uint64_t page = asked.layout.key_bytes() + asked.layout.value_bytes();
    geometry.page_bytes_max_ = std::max<size_t>(geometry.page_bytes_max_, page);
    bytes += page * asked.kv_heads;
  }
  geometry.block_bytes_ = bytes;
  geometry.blocks_ =
      static_cast<uint32_t>(base::divide_up(spec.positions_max, uint64_t{ops::kChunkPositions}));
  if (!base::checked_multiply(bytes, geometry.blocks_)) {
    return refused(fmt::format("a cache of {} positions with {} bytes for every 256",
                               spec.positions_max, bytes),
                   "Ask for fewer positions.");
  }
  return geometry;
}

size_t PageGeometry::page_bytes(uint32_t layer) const {
  return layout(layer).key_bytes() + layout(layer).value_bytes();
}

ops::KvPage PageGeometry::page(std::byte* block, uint32_t layer, uint32_t kv_head) const {
  DCHECK(kv_head < layers_[layer].kv_heads);
  return page_at(block + layers_[layer].offset + kv_head * page_bytes(layer), layer);
}

ops::KvPage PageGeometry::page_at(std::byte* bytes, uint32_t layer) const {
  return {bytes, bytes + layout(layer).key_bytes()};
}

}  // namespace freehold::runtime
