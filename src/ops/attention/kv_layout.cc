#include "ops/attention/kv_layout.h"

#include <array>
#include <utility>

#include "ops/attention/kv_position.h"

namespace freehold::ops {

namespace {

constexpr std::array<std::pair<CacheType, std::string_view>, 4> kNames = {{
    {CacheType::kF32, "f32"},
    {CacheType::kF16, "f16"},
    {CacheType::kQ8_0, "q8_0"},
    {CacheType::kK16V8, "k16v8"},
}};

}  // namespace

std::string_view cache_type_name(CacheType type) {
  for (const auto& [known, name] : kNames) {
    if (known == type) return name;
  }
  return "unknown";
}

std::optional<CacheType> parse_cache_type(std::string_view name) {
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

size_t KvLayout::key_bytes() const { return kChunkPositions / kKeyGroup * key_group_bytes(*this); }

size_t KvLayout::value_bytes() const { return kChunkPositions * value_row_bytes(*this); }

}  // namespace freehold::ops
