#pragma once
// Byte-level BPE (`tokenizer.ggml.model` = "gpt2"): every byte is a symbol, words are cut by a
// pre-tokenizer, merges come as a list (Radford et al., "Language models are unsupervised
// multitask learners", 2019). Immutable; any thread.

#include <memory>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

/// From a checked vocabulary. kRefused for a pre-tokenizer this build does not know; kDamaged where
/// merges name tokens that are not there or two tokens share their bytes.
Result<std::unique_ptr<Tokenizer>> create_byte_level(const Vocabulary& vocabulary);

}  // namespace freehold::model
