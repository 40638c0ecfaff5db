#pragma once
// WordPiece (Wu et al., 2016; BERT): words cut greedily into the longest pieces of the vocabulary.
// From a GGUF vocabulary of the kind `bert`, whose pieces that start a word begin with ▁ and whose
// continuations are bare. Uncased unless `pre` is "bert-cased": GGUF itself has no word for that.

#include <memory>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

/// From a checked vocabulary; kDamaged where it has no unknown token or two equal texts.
Result<std::unique_ptr<Tokenizer>> create_word_piece(const Vocabulary& vocabulary);

}  // namespace freehold::model
