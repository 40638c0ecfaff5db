#pragma once
// The way from a vocabulary to a tokenizer, for callers and tests that have one without a file.

#include <memory>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {

/// Checks `vocabulary` and builds the tokenizer that it names. Errors as Tokenizer::create(). The
/// tokenizer keeps no view into `vocabulary`.
Result<std::unique_ptr<Tokenizer>> create_tokenizer(const Vocabulary& vocabulary);

}  // namespace freehold::model
