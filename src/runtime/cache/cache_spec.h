#pragma once
// What a model asks of its cache: one row a layer, and how many positions there is room for. Plain
// values; checked once, by PageGeometry::create.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/attention/kv_layout.h"

namespace freehold::runtime {

/// What a layer remembers of a sequence. README.md says how the kinds to come fit the interface.
enum class CacheKind : uint8_t {
  kPaged,          ///< Keys and values of every position.
  kSlidingWindow,  ///< Of the last positions only. Not there yet: use kPaged and a window's
                   ///< key_begin, which gives the same bits.
  kLatent,         ///< One latent vector a position (MLA). Not there yet.
  kRecurrent       ///< One state a sequence. Not there yet.
};
std::string_view cache_kind_name(CacheKind kind);

struct LayerCache {
  CacheKind kind = CacheKind::kPaged;
  uint32_t kv_heads = 0;
  ops::KvLayout layout;
};

struct CacheSpec {
  std::string model_id;  ///< Content hash or the like: snapshots of another model are refused.
  std::vector<LayerCache> layers;
  /// Positions of all sequences together. Memory goes by whole chunks of 256, so every sequence
  /// uses up to 255 more than its length, and a tree in flight one chunk more.
  uint64_t positions_max = 0;
  uint32_t sequences_max = 64;
};

/// Where the pages of a block are. A block is one chunk: the pages of all layers and heads.
class PageGeometry {
 public:
  /// Refuses (kRefused) kinds that are not there yet and sizes out of bounds, with the numbers.
  static Result<PageGeometry> create(const CacheSpec& spec);

  uint32_t layers() const { return static_cast<uint32_t>(layers_.size()); }
  uint32_t kv_heads(uint32_t layer) const { return layers_[layer].kv_heads; }
  const ops::KvLayout& layout(uint32_t layer) const { return layers_[layer].layout; }
  /// Of one page of the layer, keys and values.
  size_t page_bytes(uint32_t layer) const;
  size_t page_bytes_max() const { return page_bytes_max_; }
  size_t block_bytes() const { return block_bytes_; }
  uint32_t blocks() const { return blocks_; }
  /// Of the whole pool: what the memory plan counts.
  uint64_t pool_bytes() const { return uint64_t{block_bytes_} * blocks_; }

  /// The page of a layer and head inside the block at `block`.
  ops::KvPage page(std::byte* block, uint32_t layer, uint32_t kv_head) const;
  /// The page at `bytes`, keys first.
  ops::KvPage page_at(std::byte* bytes, uint32_t layer) const;

 private:
  struct Layer {
    uint32_t kv_heads = 0;
    ops::KvLayout layout;
    size_t offset = 0;  // of its first page in a block
  };
  std::vector<Layer> layers_;
  size_t page_bytes_max_ = 0;
  size_t block_bytes_ = 0;
  uint32_t blocks_ = 0;
};

}  // namespace freehold::runtime
