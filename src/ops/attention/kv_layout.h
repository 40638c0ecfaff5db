#pragma once
// How keys and values lie in memory: one page holds a chunk, 256 positions by index in the sequence
// (docs/NUMERICS.md, section 3), of one layer and one key-value head. Not who owns it: that is
// runtime/cache. Storage is free by the profile; this one lets lanes run over keys.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace freehold::ops {

inline constexpr size_t kChunkPositions = 256;
/// Keys are transposed in groups of this many positions.
inline constexpr size_t kKeyGroup = 32;

enum class CacheType { kF32, kF16, kQ8_0, kK16V8 };
/// "f32", "f16", "q8_0", "k16v8"; the part of the profile's name after "fh-1/kv-".
std::string_view cache_type_name(CacheType type);
std::optional<CacheType> parse_cache_type(std::string_view name);

/// Sizes of a page. Head dimensions need not be multiples of 32 (a short last group of q8_0).
///   keys, f32 or f16:  [8 groups][key_dim][32 positions]
///   keys, q8_0:        [8 groups][key_dim / 32 rounded up]{ f16 d[32 positions]; int8 q[32
///   dims][32 positions] } values, f32, f16:  [256 positions][value_dim] values, q8_0:      [256
///   positions][value_dim / 32 rounded up]{ f16 d; int8 q[32] }
struct KvLayout {
  CacheType type = CacheType::kF16;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;

  size_t key_bytes() const;    // of one page, a multiple of 64
  size_t value_bytes() const;  // of one page, a multiple of 64
};

/// One page: where its keys and values are.
struct KvPage {
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
};

}  // namespace freehold::ops
