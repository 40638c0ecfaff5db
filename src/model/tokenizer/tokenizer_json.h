#pragma once
// A vocabulary out of a `tokenizer.json` (the `tokenizers` package's format): byte-level BPE,
// SentencePiece-style BPE with byte fall-back, and WordPiece. Every step of its pipeline is known
// or refused by name; none is left out silently. Outside input: read under limits.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/tokenizer/tokenizer.h"

namespace freehold::model {

/// kDamaged for what is not such a file, kRefused for a model, normalizer, pre-tokenizer or token
/// option that is not there yet, by name.
Result<std::unique_ptr<Tokenizer>> create_from_tokenizer_json(std::string_view text);

/// Longest file that is read; the largest in use have 35 MB.
inline constexpr uint64_t kTokenizerJsonBytesMax = uint64_t{256} << 20;

}  // namespace freehold::model
