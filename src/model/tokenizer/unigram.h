#pragma once
// Unigram (Kudo, 2018): the cut of a text whose pieces have the highest sum of scores, found by
// Viterbi's algorithm. From a GGUF vocabulary of the kind `t5` or a tokenizer.json (T5, XLM-R and
// their kin).

#include <memory>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

/// From a checked vocabulary. kDamaged without a score for every token, without an unknown token or
/// with two equal texts; kRefused for a piece longer than any in use.
Result<std::unique_ptr<Tokenizer>> create_unigram(const Vocabulary& vocabulary);

}  // namespace freehold::model
