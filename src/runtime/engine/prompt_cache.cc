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
constexpr size_t kChecksummedFrom = 16;  // the counts, then the tokens

Error damaged(const std::string& what) {
  return Error{ErrorCode::kDamaged, "a saved prompt " + what,
               "delete it; it can be computed again"};
}

}  // namespace

size_t prompt_cache_header_bytes(size_t tokens) {
  return kPromptCacheFixedBytes + tokens * sizeof(TokenId);
}

void write_prompt_cache_header(std::span<const TokenId> tokens, uint64_t snapshot_bytes,
                               std::span<std::byte> out) {
  const size_t header = prompt_cache_header_bytes(tokens.size());
  CHECK(out.size() >= header);
  std::memcpy(out.data(), kMagic, kMagicBytes);
  base::store_le(out.data() + 8, kVersion);
  base::store_le(out.data() + 16, uint64_t{tokens.size()});
  base::store_le(out.data() + 24, snapshot_bytes);
  if (!tokens.empty()) {
    std::memcpy(out.data() + kPromptCacheFixedBytes, tokens.data(), tokens.size_bytes());
  }
  base::store_le(out.data() + 12, base::crc32c(out.first(header).subspan(kChecksummedFrom)));
}

Result<size_t> prompt_cache_tokens(std::span<const std::byte> fixed, uint64_t whole_bytes) {
  if (fixed.size() < kPromptCacheFixedBytes ||
      std::memcmp(fixed.data(), kMagic, kMagicBytes) != 0) {
    return damaged("is not one");
  }
  const auto version = base::load_le<uint32_t>(fixed.data() + 8);
  if (version != kVersion) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("a saved prompt has version {}, this program knows {}", version, kVersion),
        "delete it; it can be computed again"};
  }
  const auto tokens = base::load_le<uint64_t>(fixed.data() + 16);
  const auto snapshot = base::load_le<uint64_t>(fixed.data() + 24);
  if (whole_bytes < kPromptCacheFixedBytes ||
      tokens > (whole_bytes - kPromptCacheFixedBytes) / sizeof(TokenId) ||
      snapshot != whole_bytes - prompt_cache_header_bytes(tokens)) {
    return damaged("has the wrong length");
  }
  return static_cast<size_t>(tokens);
}

Result<std::vector<TokenId>> parse_prompt_cache_header(std::span<const std::byte> header,
                                                       uint64_t whole_bytes) {
  const size_t count = TRY(prompt_cache_tokens(header, whole_bytes));
  const size_t bytes = prompt_cache_header_bytes(count);
  if (header.size() < bytes || base::crc32c(header.first(bytes).subspan(kChecksummedFrom)) !=
                                   base::load_le<uint32_t>(header.data() + 12)) {
    return damaged("is damaged: its checksum is off");
  }
  std::vector<TokenId> tokens(count);
  if (count > 0) {
    std::memcpy(tokens.data(), header.data() + kPromptCacheFixedBytes, count * sizeof(TokenId));
  }
  return tokens;
}

Result<PromptCache> parse_prompt_cache(std::span<const std::byte> bytes) {
  PromptCache saved;
  saved.tokens = TRY(parse_prompt_cache_header(bytes, bytes.size()));
  saved.snapshot = bytes.subspan(prompt_cache_header_bytes(saved.tokens.size()));
  return saved;
}

}  // namespace freehold::runtime
