#pragma once
// SentencePiece-style BPE (`tokenizer.ggml.model` = "llama": llama-2, mistral, gemma; "gemma4"):
// spaces are written ▁, the neighbours whose joined text is the token of the highest score merge
// first (or those of the first merge, where the file lists merges), and characters without a token
// fall back to byte tokens (Kudo and Richardson, "SentencePiece", 2018). Immutable; any thread.

#include <memory>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

/// From a checked vocabulary. kDamaged without scores and merges, or where a byte has neither a
/// token nor an unknown token to stand for it.
Result<std::unique_ptr<Tokenizer>> create_sentence_piece(const Vocabulary& vocabulary);

}  // namespace freehold::model
