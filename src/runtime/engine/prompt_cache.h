#pragma once
// A conversation on disk: its tokens, then a snapshot of its cache (runtime/cache/README.md).
// Reading it back saves computing the prompt again; nothing else changes, not a bit.
//
// Little-endian: "FHPROMPT", u32 version 1, u32 CRC32C of what follows up to the snapshot, u64
// tokens, u64 bytes of the snapshot, i32 each token, the snapshot (which has checksums of its own).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/pass.h"

namespace freehold::runtime {

struct PromptCache {
  std::vector<TokenId> tokens;
  std::span<const std::byte> snapshot;  // into the bytes that were parsed
};

/// Bytes that a header has whatever the tokens.
inline constexpr size_t kPromptCacheFixedBytes = 32;
size_t prompt_cache_header_bytes(size_t tokens);
/// Fills the header at the start of `out`.
void write_prompt_cache_header(std::span<const TokenId> tokens, uint64_t snapshot_bytes,
                               std::span<std::byte> out);
/// Tokens that a header announces, from its fixed bytes and the length of the whole. Errors as
/// below.
Result<size_t> prompt_cache_tokens(std::span<const std::byte> fixed, uint64_t whole_bytes);
/// The tokens, from a header of prompt_cache_header_bytes().
Result<std::vector<TokenId>> parse_prompt_cache_header(std::span<const std::byte> header,
                                                       uint64_t whole_bytes);
/// kDamaged for bytes that are not whole and sound, kRefused for another version. Any bytes are
/// safe.
Result<PromptCache> parse_prompt_cache(std::span<const std::byte> bytes);

}  // namespace freehold::runtime
