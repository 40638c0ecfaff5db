#include "runtime/engine/prompt_cache.h"

#include <fmt/format.h>

#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace freehold::runtime {

namespace {

constexpr char kMagic[] = "FHPROMPT";
constexpr size_t kMagicBytes = 8;
constexpr uint32_t kVersion = 1;
constexpr size_t kFixedBytes = 32;       // magic, version, checksum, two counts
constexpr size_t kChecksummedFrom = 16;  // the counts, then the tokens

Error damaged(const std::string& what) {
  return Error{ErrorCode::kDamaged, "a saved prompt " + what,
               "delete it; it can be computed again"};
}

}  // namespace

size_t prompt_cache_header_bytes(size_t tokens) { return kFixedBytes + tokens * sizeof(TokenId); }

void write_prompt_cache_header(std::span<const TokenId> tokens, uint64_t snapshot_bytes,
                               std::span<std::byte> out) {
  const size_t header = prompt_cache_header_bytes(tokens.size());
  CHECK(out.size() >= header);
  std::memcpy(out.data(), kMagic, kMagicBytes);
  base::store_le(out.data() + 8, kVersion);
  base::store_le(out.data() + 16, uint64_t{tokens.size()});
  base::store_le(out.data() + 24, snapshot_bytes);
  std::memcpy(out.data() + kFixedBytes, tokens.data(), tokens.size_bytes());
  base::store_le(out.data() + 12, base::crc32c(out.first(header).subspan(kChecksummedFrom)));
}

Result<PromptCache> parse_prompt_cache(std::span<const std::byte> bytes) {
  if (bytes.size() < kFixedBytes || std::memcmp(bytes.data(), kMagic, kMagicBytes) != 0) {
    return damaged("is not one");
  }
  const auto version = base::load_le<uint32_t>(bytes.data() + 8);
  if (version != kVersion) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("a saved prompt has version {}, this program knows {}", version, kVersion),
        "delete it; it can be computed again"};
  }
  const auto tokens = base::load_le<uint64_t>(bytes.data() + 16);
  const auto snapshot = base::load_le<uint64_t>(bytes.data() + 24);
  if (tokens > (bytes.size() - kFixedBytes) / sizeof(TokenId) ||
      snapshot != bytes.size() - prompt_cache_header_bytes(tokens)) {
    return damaged("has the wrong length");
  }
  const size_t header = prompt_cache_header_bytes(tokens);
  if (base::crc32c(bytes.first(header).subspan(kChecksummedFrom)) !=
      base::load_le<uint32_t>(bytes.data() + 12)) {
    return damaged("is damaged: its checksum is off");
  }
  PromptCache saved;
  saved.tokens.resize(tokens);
  std::memcpy(saved.tokens.data(), bytes.data() + kFixedBytes, tokens * sizeof(TokenId));
  saved.snapshot = bytes.subspan(header);
  return saved;
}

}  // namespace freehold::runtime
